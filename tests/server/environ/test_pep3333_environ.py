"""PEP 3333, duties 10 to 29: what environ holds."""

import re
from pathlib import Path
from typing import Any

import pytest

from command import TOP
from tests.harness import tls
from tests.harness.cells import Cell
from tests.harness.site import Site

TLS_INCLUDES = """
LoadModule include_module "@{modules}/mod_include.so"
<Directory "@{www}">
    Options +Includes
    AddType text/html .shtml
    AddHandler server-parsed .shtml
</Directory>
"""

CLAIMED_TLS = """
@{base}
@{applications}
<Location /environs>
    SetEnv HTTPS on
    SetEnv SSL_PROTOCOL TLSv1.3
</Location>
"""


def variables(site: Site, target: str = "/environs/as_json", **options: Any) -> dict[str, str]:
    reply = site.ask(target, **options)
    assert reply.status == 200, reply.text
    found: dict[str, str] = reply.json()["strings"]
    return found


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"])
def test_request_method_is_that_of_the_request(site: Site, method: str) -> None:
    """PEP 3333 duty 10: never empty."""
    assert variables(site, method=method)["REQUEST_METHOD"] == method


@pytest.mark.parametrize("rest", ["", "/", "/a/b", "/%E2%82%AC", "/a%20b+c"])
def test_script_name_and_path_info_divide_the_path(site: Site, rest: str) -> None:
    """PEP 3333 duties 11 and 12: both are there, together they are the decoded path."""
    seen = variables(site, f"/environs/as_json{rest}")
    whole = "/environs/as_json" + rest.replace("%E2%82%AC", "\xe2\x82\xac").replace("%20", " ")
    assert seen["SCRIPT_NAME"] == "/environs/as_json"
    assert seen["SCRIPT_NAME"] + seen["PATH_INFO"] == whole


@pytest.mark.parametrize("query", ["", "?", "?a=b", "?a=%20&b=+", "??"])
def test_query_string_is_what_stands_behind_the_question_mark(site: Site, query: str) -> None:
    """PEP 3333 duty 13."""
    assert variables(site, f"/environs/as_json{query}")["QUERY_STRING"] == query[1:]


def test_content_type_is_that_of_the_request(site: Site) -> None:
    """PEP 3333 duty 14: absent or empty without one."""
    sent = {"Content-Type": "text/x-own; charset=utf-8"}
    assert variables(site, method="POST", headers=sent, body=b"1")["CONTENT_TYPE"] == (
        "text/x-own; charset=utf-8"
    )
    assert variables(site).get("CONTENT_TYPE", "") == ""


def test_content_length_is_that_of_the_request(site: Site) -> None:
    """PEP 3333 duty 15: absent or empty without one, and for a chunked body."""
    chunked = {"Transfer-Encoding": "chunked"}
    assert variables(site, method="POST", body=b"four")["CONTENT_LENGTH"] == "4"
    assert variables(site).get("CONTENT_LENGTH", "") == ""
    seen = variables(site, method="POST", headers=chunked, body=b"1\r\nx\r\n0\r\n\r\n")
    assert seen.get("CONTENT_LENGTH", "") == ""


def test_server_name_and_port_are_there_even_without_a_host_header(site: Site) -> None:
    """PEP 3333 duty 16: never empty, and the port is a string of digits."""
    answer = site.raw(b"GET /environs/as_json HTTP/1.0\r\n\r\n")
    assert re.search(rb'"SERVER_NAME": "[^"]+"', answer)
    assert f'"SERVER_PORT": "{site.port}"'.encode() in answer


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_server_protocol_is_that_of_the_request(site: Site, version: str) -> None:
    """PEP 3333 duty 17."""
    assert variables(site, version=version)["SERVER_PROTOCOL"] == version


def test_http_variables_match_the_headers_that_were_sent(site: Site) -> None:
    """PEP 3333 duty 18: each that was sent is there, each that was not is absent."""
    sent = {"X-One": "1", "Accept": "text/x", "Cookie": "a=b", "X-Empty": ""}
    seen = variables(site, headers=sent)
    found = {name: text for name, text in seen.items() if name.startswith("HTTP_")}
    assert found == {
        "HTTP_HOST": "127.0.0.1",
        "HTTP_CONNECTION": "close",
        "HTTP_X_ONE": "1",
        "HTTP_ACCEPT": "text/x",
        "HTTP_COOKIE": "a=b",
        "HTTP_X_EMPTY": "",
    }


def test_https_and_the_variables_of_ssl_are_passed_on(serve: Any) -> None:
    """PEP 3333 duty 19: HTTPS=on stays, whoever sets it, and makes the scheme https."""
    seen = variables(serve(CLAIMED_TLS))
    assert (seen["HTTPS"], seen["SSL_PROTOCOL"]) == ("on", "TLSv1.3")
    assert seen["wsgi.url_scheme"] == "https"


@pytest.fixture
def tls_site(serve: Any, cell: Cell, tmp_path: Path) -> Site:
    """A server that speaks TLS at 127.0.0.2."""
    tls.need(cell)
    claims = "".join(f'<!--#set var="{name}" value="on" -->' for name in TLS_VARIABLES)
    include = '<!--#include virtual="/environs/as_json" -->'
    files = {"page.shtml": include, "claims.shtml": claims + include, **tls.certificate(tmp_path)}
    values = {"modules": str(cell.server.modules)}
    site: Site = serve(tls.CONFIG + TLS_INCLUDES, files=files, values=values)
    return site


TLS_VARIABLES = ("HTTPS", "SSL_PROTOCOL", "SSL_CLIENT_S_DN")


@pytest.mark.parametrize("target", ["/environs/as_json", "/page.shtml", "/claims.shtml"])
def test_a_request_over_tls_says_so(tls_site: Site, target: str) -> None:
    """PEP 3333 duties 19 and 22: with the server's own SSL, and where a page includes it."""
    seen = tls.ask(tls_site, target).json()["strings"]
    assert (seen["HTTPS"], seen["wsgi.url_scheme"]) == ("on", "https")
    assert seen["SSL_PROTOCOL"].startswith("TLS")
    assert "SSL_CLIENT_S_DN" not in seen


def test_a_page_cannot_claim_tls(tls_site: Site) -> None:
    seen = variables(tls_site, "/claims.shtml")
    assert seen["wsgi.url_scheme"] == "http"
    assert not [name for name in TLS_VARIABLES if name in seen]


@pytest.mark.parametrize(
    "name", ["REMOTE_ADDR", "REQUEST_URI", "DOCUMENT_ROOT", "SCRIPT_FILENAME", "SERVER_SOFTWARE"]
)
def test_other_variables_of_the_server_are_there(site: Site, name: str) -> None:
    """PEP 3333 duty 19: as many other CGI variables as apply."""
    assert variables(site)[name] != ""


def test_the_variables_provided_are_documented(site: Site) -> None:
    """PEP 3333 duty 20: every variable of the server's and the PEP's is in docs/."""
    documentation = "".join(path.read_text() for path in (TOP / "docs").glob("*.md"))
    seen = site.ask("/environs/as_json", method="POST", body=b"1").json()["types"]
    own = [name for name in seen if not name.startswith(("HTTP_", "tests."))]
    assert not [name for name in own if name not in documentation]


def test_wsgi_version_is_a_tuple(site: Site) -> None:
    """PEP 3333 duty 21: (1, 0)."""
    seen = site.ask("/environs/as_json").json()
    assert (seen["wsgi.version"], seen["wsgi.version_type"]) == ([1, 0], "tuple")


def test_wsgi_url_scheme_is_http_without_tls(site: Site) -> None:
    """PEP 3333 duty 22: whatever a client claims."""
    claims = {"X-Forwarded-Proto": "https", "HTTPS": "on", "X-Forwarded-SSL": "on"}
    assert variables(site, headers=claims)["wsgi.url_scheme"] == "http"


def test_the_streams_have_their_methods(site: Site) -> None:
    """PEP 3333 duties 23 and 24: wsgi.input and wsgi.errors."""
    seen = site.ask("/environs/methods").json()
    assert (seen["wsgi.input"], seen["wsgi.errors"]) == ([], [])


def test_the_flags_are_booleans_that_tell_the_truth(site: Site, cell: Cell) -> None:
    """PEP 3333 duties 25, 26 and 27: multithread, multiprocess, run_once."""
    flags = site.ask("/environs/as_json").json()["flags"]
    assert [flags[f"wsgi.{name}"] for name in ("multithread", "multiprocess", "run_once")] == [
        *(cell.server.mpm != "prefork", True, False)
    ]


def test_the_modules_own_variables_have_a_prefix_in_lower_case(site: Site) -> None:
    """PEP 3333 duty 28: what is neither CGI's nor the PEP's begins with mod_wsgi."""
    seen = site.ask("/environs/as_json").json()["types"]
    lower = [name for name in seen if name != name.upper()]
    assert lower
    assert all(re.fullmatch(r"(wsgi|mod_wsgi|tests)\.[a-z0-9._]+", name) for name in lower)


def test_the_deployer_can_put_names_into_environ(serve: Any) -> None:
    """PEP 3333 duty 29: with SetEnv, and with SetEnvIf per request."""
    config = '@{base}@{applications}\nSetEnv deployer.name "a value"\n'
    config += 'SetEnvIf Request_URI "^/environs" deployer.path=environs\n'
    seen = variables(serve(config))
    assert (seen["deployer.name"], seen["deployer.path"]) == ("a value", "environs")
