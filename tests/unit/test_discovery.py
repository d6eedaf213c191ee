"""Finding the servers of a machine: the line and the release come from the server's headers."""

from pathlib import Path

import pytest

from command import Problem, servers
from command.discovery import scripts
from command.discovery import servers as discovered

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


# What the build asks an apxs for.
ASKED = (
    *("INCLUDEDIR", "APR_INCLUDEDIR", "APU_INCLUDEDIR", "LIBEXECDIR", "SBINDIR", "SYSCONFDIR"),
    *("TARGET", "PROGNAME", "PREFIX", "CFLAGS", "CFLAGS_SHLIB", "EXTRA_CPPFLAGS", "EXTRA_CFLAGS"),
)

APXS = {server.line: server.apxs for server in servers.find()}

# Fedora's script computes where its makefile is, so it cannot be read without Perl.
READABLE = [line for line, apxs in APXS.items() if line == "1.3" or scripts.makefile(str(apxs))]

# A distribution's server has no folder of its own that it could be moved with.
MOVABLE = [line for line in READABLE if discovered.query(str(APXS[line]), "PREFIX")]


@pytest.mark.parametrize("line", READABLE)
@pytest.mark.parametrize("name", ASKED)
def test_a_script_says_what_its_apxs_says(line: str, name: str) -> None:
    asked = discovered.query(str(APXS[line]), name)
    assert scripts.answer(str(APXS[line]), name).split() == asked.split()


@pytest.mark.parametrize("perl", ["/nowhere/perl", "/usr/bin/env nowhere-perl"])
@pytest.mark.parametrize("line", READABLE)
def test_an_apxs_without_perl_is_read(tmp_path: Path, line: str, perl: str) -> None:
    text = APXS[line].read_text(encoding="latin-1")
    apxs = written(tmp_path / "bin" / "apxs", f"#!{perl}\n{text.partition(chr(10))[2]}")
    assert servers.choose_apxs(line, apxs) == apxs
    assert servers.flags(apxs) == servers.flags(APXS[line])
    assert servers.includes(apxs) == servers.includes(APXS[line])


def test_an_apxs_that_cannot_be_read_names_its_perl(tmp_path: Path) -> None:
    apxs = written(tmp_path / "apxs", "#!/nowhere/perl\nprint 1;\n")
    with pytest.raises(Problem) as told:
        servers.choose_apxs(apxs=apxs)
    assert str(told.value) == (
        f"{apxs} needs /nowhere/perl, and cannot be read without it: install that"
    )


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="latin-1")
    path.chmod(0o755)
    return path


def moved(line: str, here: Path) -> Path:
    """An installation that is here, and says that it is in /nowhere/httpd. Returns its apxs."""
    apxs, include = APXS[line], servers.includes(APXS[line])[0]
    old, gone = discovered.query(str(apxs), "PREFIX"), "/nowhere/httpd"
    if line != "1.3":
        makefile = Path(scripts.makefile(str(apxs)))
        text = makefile.read_text(encoding="latin-1")
        written(here / makefile.relative_to(old), text.replace(old, gone))
    (here / include.relative_to(old)).symlink_to(include)
    return written(here / "bin" / "apxs", apxs.read_text(encoding="latin-1").replace(old, gone))


@pytest.mark.parametrize("line", MOVABLE)
def test_the_apxs_of_a_server_that_was_moved_names_the_folder_and_the_remedy(
    tmp_path: Path, line: str
) -> None:
    apxs = moved(line, tmp_path)
    with pytest.raises(Problem) as told:
        servers.choose_apxs(apxs=apxs)
    missing = "include" if line == "1.3" else "build/config_vars.mk"
    assert str(told.value) == (
        f"{apxs} looks for /nowhere/httpd/{missing}, which is not there: if the server was moved,"
        f" set APXS_PREFIX={tmp_path}"
    )


@pytest.mark.parametrize("line", MOVABLE)
def test_the_remedy_works(tmp_path: Path, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    apxs = moved(line, tmp_path)
    monkeypatch.setenv("APXS_PREFIX", str(tmp_path))
    assert servers.choose_apxs(line, apxs) == apxs
    assert servers.includes(apxs)[0].is_relative_to(tmp_path)
    assert discovered.query(str(apxs), "LIBEXECDIR").startswith(str(tmp_path))
    assert servers.flags(apxs) == servers.flags(APXS[line])


@pytest.mark.parametrize("line", MOVABLE[-1:])
def test_a_moved_server_that_is_searched_for_is_named(
    tmp_path: Path, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    apxs = moved(line, tmp_path)
    monkeypatch.setattr(discovered, "ordered", list)
    monkeypatch.setattr(discovered, "_programs", lambda: iter([str(apxs)]))
    with pytest.raises(Problem, match=rf"no Apache {line} with its apxs found: {apxs} looks for"):
        servers.choose_apxs(line)


def test_a_server_that_loads_no_modules_is_not_built_for(tmp_path: Path) -> None:
    httpd = written(tmp_path / "bin" / "httpd", "#!/bin/sh\n")
    text = f"my $CFG_TARGET = q(httpd);\nmy $CFG_SBINDIR = q({httpd.parent});\n"
    text += f"my $CFG_INCLUDEDIR = q({tmp_path});\n"
    written(tmp_path / "httpd.h", '#define SERVER_BASEREVISION "1.3.42"\n')
    apxs = written(tmp_path / "bin" / "apxs", f"#!/bin/sh\nexit 1\n{text}")
    with pytest.raises(Problem, match="is not an apxs with its server's headers"):
        servers.choose_apxs(apxs=apxs)


def test_the_extended_api_of_mod_ssl_is_a_flag_of_the_build(tmp_path: Path) -> None:
    """A server with it (EAPI) has other records, so a module without it is refused."""
    written(tmp_path / "httpd.h", '#define SERVER_BASEREVISION "1.3.42"\n')
    text = "my $CFG_CFLAGS = q(-O2 -DLINUX=22 -DEAPI -DEAPI_MM -w `../apaci`);\n"
    text += f"my $CFG_INCLUDEDIR = q({tmp_path});\n"
    apxs = written(tmp_path / "apxs", f"#!/nowhere/perl\n{text}")
    assert servers.flags(apxs) == ["-DLINUX=22", "-DEAPI", "-DEAPI_MM"]
