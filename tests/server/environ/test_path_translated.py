"""CGI's PATH_TRANSLATED, for which the server makes a sub-request: it is there if asked for."""

import time
from typing import Any

import pytest

from tests.conftest import Serve
from tests.harness.cells import Cell
from tests.harness.site import Site

NO_FILTERS = "Apache 1.3 has no filters: only files can be pages with includes"

CONFIG = """
@{base}
@{applications}
<Location /asked>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application environs::as_json
    SetEnv mod_wsgi.path_translated on
</Location>
CustomLog "@{scratch}/variables" "%U %{SCRIPT_NAME}e %{PATH_INFO}e %{PATH_TRANSLATED}e"
"""

INCLUDES = """
LoadModule include_module "@{modules}/mod_include.so"
<LocationMatch "^/pages/includes">
    SetOutputFilter INCLUDES
    Options +Includes
    SetEnv mod_wsgi.path_translated on
</LocationMatch>
<Location /pages/told>
    SetEnv mod_wsgi.path_translated off
</Location>
"""


def strings(site: Site, path: str) -> Any:
    return site.get(path).json()["strings"]


def test_path_translated_is_left_out(site: Site) -> None:
    seen = strings(site, "/environs/as_json/a/b")
    assert seen["PATH_INFO"] == "/a/b"
    assert "PATH_TRANSLATED" not in seen


def test_path_translated_is_there_where_it_is_asked_for(site: Site) -> None:
    seen = strings(site, "/asked/a%20b/c?d=e")
    assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == ("/asked", "/a b/c")
    assert seen["PATH_TRANSLATED"] == seen["DOCUMENT_ROOT"] + "/a b/c"
    assert (seen["QUERY_STRING"], seen["REQUEST_METHOD"]) == ("d=e", "GET")


def test_without_a_path_there_is_nothing_to_translate(site: Site) -> None:
    assert "PATH_TRANSLATED" not in strings(site, "/asked")


@pytest.mark.parametrize(
    ("url", "logged"),
    [
        ("/asked/a/b", "/asked /a/b @/a/b"),
        ("/environs/as_json/a/b", "/environs /as_json/a/b -"),
    ],
)
def test_the_access_log_has_what_the_server_says_of_the_url(
    site: Site, url: str, logged: str
) -> None:
    root = str(site.root / "htdocs")
    site.get(url)
    deadline = time.monotonic() + 10
    wanted = f"{url} {logged.replace('@', root)}"
    while wanted not in (site.scratch / "variables").read_text().splitlines():
        assert time.monotonic() < deadline, (site.scratch / "variables").read_text()
        time.sleep(0.05)


def test_a_page_does_not_pass_its_own_on_to_what_it_includes(serve: Serve, cell: Cell) -> None:
    if cell.server.line == "1.3":
        pytest.skip(NO_FILTERS)
    site = serve(CONFIG + INCLUDES, values={"modules": str(cell.server.modules)})
    seen = site.get("/pages/includes/a?/pages/told/b?PATH_TRANSLATED,PATH_INFO").text
    assert seen == "before;nothing,/b;after"
