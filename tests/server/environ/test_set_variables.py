"""Variables that the configuration sets: names of the server's, and names that are set twice.

Whoever reads a request's variables finds the same: the application, a line of the access log, a
page with includes, an error document.
"""

import time

import pytest

from tests.conftest import Serve
from tests.harness.cells import Cell
from tests.harness.site import Site

NO_FILTERS = "Apache 1.3 has no filters: only files can be pages with includes"

SERVERS = [
    "SERVER_NAME",
    "SERVER_SOFTWARE",
    "SERVER_PROTOCOL",
    "REMOTE_ADDR",
    "REMOTE_PORT",
    "DOCUMENT_ROOT",
    "SCRIPT_FILENAME",
    "GATEWAY_INTERFACE",
    "REQUEST_METHOD",
    "REQUEST_URI",
    "QUERY_STRING",
]

CONFIG = """
@{base}
@{applications}
SetEnvIf Request_URI . own_twice=first
SetEnvIf Request_URI . HTTP_X_TWICE=first
SetEnv own_twice last
SetEnv HTTP_X_TWICE last
SetEnv HTTP_X_SENT "not sent"
SetEnv REMOTE_IDENT own
SetEnv Own_Case "in any case"
SetEnvIf Request_URI . own_replaced=first
SetEnvIf Request_URI . own_replaced=last
RewriteEngine On
RewriteRule ^/environs/ - [E=own_rewritten:first]
RewriteRule ^/environs/ - [E=own_rewritten:last]
<Location /pages/fails>
    ErrorDocument 500 /environs/as_json
</Location>
CustomLog "@{scratch}/variables" "%U %{own_twice}e %{HTTP_X_SENT}e %{own_case}e"
""" + "".join(f"SetEnv {name} own\n" for name in SERVERS)

PATHS = """
SetEnvIf Request_URI . PATH=/first
SetEnv PATH /last
SetEnv LD_LIBRARY_PATH /own
"""

INCLUDES = """
LoadModule include_module "@{modules}/mod_include.so"
<LocationMatch "^/pages/shows_variables">
    SetOutputFilter INCLUDES
    Options +Includes
</LocationMatch>
"""


def strings(site: Site, path: str = "/environs/as_json", **headers: str) -> dict[str, str]:
    found: dict[str, str] = site.get(path, headers=headers).json()["strings"]
    return found


@pytest.mark.parametrize("name", SERVERS)
def test_what_the_server_says_wins_over_what_is_set(site: Site, name: str) -> None:
    assert strings(site)[name] != "own"


def test_a_name_that_the_server_leaves_out_is_what_was_set(site: Site) -> None:
    assert strings(site)["REMOTE_IDENT"] == "own"


def test_a_header_wins_over_what_is_set(site: Site) -> None:
    assert strings(site)["HTTP_X_SENT"] == "not sent"
    assert strings(site, **{"X-Sent": "by the client"})["HTTP_X_SENT"] == "by the client"


@pytest.mark.parametrize("name", ["own_twice", "HTTP_X_TWICE", "own_replaced", "own_rewritten"])
def test_of_a_name_that_is_set_twice_the_last_value_counts(site: Site, name: str) -> None:
    assert strings(site)[name] == "last"


def test_a_name_is_there_as_it_was_written(site: Site) -> None:
    found = {name for name in strings(site) if name.lower() == "own_case"}
    assert found == {"Own_Case"}


def test_path_can_be_set_where_the_server_lets_it(serve: Serve, cell: Cell) -> None:
    seen = strings(serve(CONFIG + PATHS))
    if cell.server.line == "2.4":  # of two values it takes the first
        assert seen["PATH"] == "/first"
    else:
        assert seen["PATH"] not in ("/first", "/last")
    assert seen["LD_LIBRARY_PATH"] == "/own"
    assert (seen["own_twice"], seen["REMOTE_ADDR"]) == ("last", "127.0.0.1")


def test_the_access_log_has_the_same_values(site: Site) -> None:
    strings(site, "/environs/as_json/logged", **{"X-Sent": "by-the-client"})
    wanted = "/environs/as_json/logged last by-the-client in any case"
    deadline = time.monotonic() + 10
    log = site.scratch / "variables"
    while wanted not in log.read_text().splitlines():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


def test_an_error_document_has_the_same_values_renamed(site: Site) -> None:
    site.expects_traceback("ValueError: failed at once")
    seen = site.get("/pages/fails", headers={"X-Sent": "by the client"}).json()["strings"]
    assert seen["own_twice"] == "last"
    assert seen["REDIRECT_own_twice"] == "last"
    assert seen["REDIRECT_HTTP_X_SENT"] == "by the client"
    assert seen["REDIRECT_REMOTE_ADDR"] == "127.0.0.1"
    assert seen["REDIRECT_URL"] == "/pages/fails"
    assert seen["HTTP_X_SENT"] == "by the client"


def test_a_page_with_includes_shows_the_same_values(serve: Serve, cell: Cell) -> None:
    if cell.server.line == "1.3":
        pytest.skip(NO_FILTERS)
    site = serve(CONFIG + INCLUDES, values={"modules": str(cell.server.modules)})
    seen = site.get("/pages/shows_variables/below", headers={"X-Sent": "by the client"}).text
    assert seen == "last;by the client;in any case;127.0.0.1;/shows_variables/below"
