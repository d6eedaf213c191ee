"""Finding the servers of a machine: the line and the release come from the server's headers."""

from pathlib import Path

import pytest

from command import Problem, servers

RELEASE_2X = """
#define AP_SERVER_MAJORVERSION_NUMBER 2
#define AP_SERVER_MINORVERSION_NUMBER 4
#define AP_SERVER_PATCHLEVEL_NUMBER   63
#define AP_SERVER_DEVBUILD_BOOLEAN    1
"""


@pytest.mark.parametrize(
    ("header", "text", "version"),
    [
        ("httpd.h", '#define SERVER_BASEREVISION "1.3.42"\n', "1.3.42"),
        ("httpd.h", '#define SERVER_BASEREVISION "1.3.43-dev"\n', "1.3.43"),
        ("ap_release.h", RELEASE_2X, "2.4.63"),
    ],
    ids=["a release of 1.3", "1.3 from its branch", "2.x from its branch"],
)
def test_a_server_is_known_by_its_headers(
    tmp_path: Path, header: str, text: str, version: str
) -> None:
    (tmp_path / header).write_text(text)
    apxs = tmp_path / "apxs"
    apxs.write_text(f'#!/bin/sh\n[ "$2" = INCLUDEDIR ] && echo "{tmp_path}"\n')
    apxs.chmod(0o755)
    assert servers.choose_apxs(apxs=apxs) == apxs
    assert servers.line_of(apxs) == version.rpartition(".")[0]
    with pytest.raises(Problem, match=f"belongs to Apache {version}, not 2.0"):
        servers.choose_apxs("2.0", apxs)
