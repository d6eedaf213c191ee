"""What environ holds: PEP 3333's variables, the server's own, and nothing that is out of place."""

import re
from typing import Any

import pytest

from tests.harness.cells import Cell
from tests.harness.site import Site

REQUIRED = {
    "REQUEST_METHOD": "str",
    "SCRIPT_NAME": "str",
    "PATH_INFO": "str",
    "QUERY_STRING": "str",
    "SERVER_NAME": "str",
    "SERVER_PORT": "str",
    "SERVER_PROTOCOL": "str",
    "wsgi.version": "tuple",
    "wsgi.url_scheme": "str",
    "wsgi.multithread": "bool",
    "wsgi.multiprocess": "bool",
    "wsgi.run_once": "bool",
}

SERVERS_OWN = [
    "DOCUMENT_ROOT",
    "GATEWAY_INTERFACE",
    "REMOTE_ADDR",
    "REMOTE_PORT",
    "REQUEST_URI",
    "SCRIPT_FILENAME",
    "SERVER_ADDR",
    "SERVER_ADMIN",
    "SERVER_SIGNATURE",
    "SERVER_SOFTWARE",
]


def strings(site: Site, target: str = "/environs/as_json", **options: Any) -> dict[str, str]:
    """The strings of environ for one request."""
    reply = site.ask(target, **options)
    assert reply.status == 200, reply.text
    found: dict[str, str] = reply.json()["strings"]
    return found


def test_environ_is_exactly_a_dict(site: Site) -> None:
    assert site.get("/environs/as_json").json()["exact_dict"] is True


@pytest.mark.parametrize(("name", "type_name"), REQUIRED.items())
def test_a_required_variable_is_there_with_its_type(site: Site, name: str, type_name: str) -> None:
    assert site.get("/environs/as_json").json()["types"][name] == type_name


@pytest.mark.parametrize("name", SERVERS_OWN)
def test_a_variable_of_the_server_is_passed_on(site: Site, name: str) -> None:
    assert name in strings(site)


def test_all_keys_and_cgi_values_are_native_strings(site: Site) -> None:
    seen = site.ask("/environs/as_json", headers={"X-Name": "\xe9"}).json()
    types = {key: kind for key, kind in seen["types"].items() if not key.startswith("wsgi.")}
    assert seen["key_types"] == ["str"]
    assert set(types.values()) == {"str"}


def test_strings_hold_bytes_as_latin_1(site: Site) -> None:
    seen = strings(site, "/environs/as_json/%E2%82%AC", headers={"X-Name": "caf\xe9 \xff"})
    assert seen["PATH_INFO"] == "/\xe2\x82\xac"
    assert seen["HTTP_X_NAME"] == "caf\xe9 \xff"
    assert max("".join(seen.values())) <= "\xff"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_the_request_method_is_passed_on(site: Site, method: str) -> None:
    assert strings(site, method=method)["REQUEST_METHOD"] == method


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_the_protocol_is_passed_on(site: Site, version: str) -> None:
    assert strings(site, version=version)["SERVER_PROTOCOL"] == version


def test_the_query_string_is_left_as_it_was_sent(site: Site) -> None:
    seen = strings(site, "/environs/as_json?a=%20+b&c=%C3%A9?d")
    assert seen["QUERY_STRING"] == "a=%20+b&c=%C3%A9?d"
    assert seen["REQUEST_URI"] == "/environs/as_json?a=%20+b&c=%C3%A9?d"


@pytest.mark.parametrize("target", ["/environs/as_json", "/environs/as_json?"])
def test_without_a_query_the_query_string_is_empty(site: Site, target: str) -> None:
    assert strings(site, target)["QUERY_STRING"] == ""


def test_content_type_and_length_come_without_http(site: Site) -> None:
    seen = strings(site, method="POST", headers={"Content-Type": "text/x-own"}, body=b"four")
    assert (seen["CONTENT_TYPE"], seen["CONTENT_LENGTH"]) == ("text/x-own", "4")
    assert "HTTP_CONTENT_TYPE" not in seen
    assert "HTTP_CONTENT_LENGTH" not in seen


@pytest.mark.parametrize("name", ["CONTENT_TYPE", "CONTENT_LENGTH"])
def test_what_the_request_does_not_say_of_a_body_is_absent_or_empty(site: Site, name: str) -> None:
    assert strings(site).get(name, "") == ""


def test_server_name_and_port_are_those_of_the_server(site: Site) -> None:
    seen = strings(site)
    assert seen["SERVER_PORT"] == str(site.port)
    assert seen["SERVER_NAME"] != ""


def test_the_client_is_named(site: Site) -> None:
    seen = strings(site)
    assert seen["REMOTE_ADDR"] == "127.0.0.1"
    assert 0 < int(seen["REMOTE_PORT"]) < 65536


@pytest.mark.parametrize(
    ("header", "variable"),
    [
        ("User-Agent", "HTTP_USER_AGENT"),
        ("X-Several-Words", "HTTP_X_SEVERAL_WORDS"),
        ("x-lower", "HTTP_X_LOWER"),
        ("X-2-Numbers3", "HTTP_X_2_NUMBERS3"),
        ("Cookie", "HTTP_COOKIE"),
    ],
)
def test_a_request_header_becomes_a_variable(site: Site, header: str, variable: str) -> None:
    assert strings(site, headers={header: "a value, b"})[variable] == "a value, b"


def test_an_empty_header_is_an_empty_variable(site: Site) -> None:
    assert strings(site, headers={"X-Empty": ""})["HTTP_X_EMPTY"] == ""


def test_repeated_headers_are_joined(site: Site) -> None:
    request = (
        b"GET /environs/as_json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"X-Twice: one\r\nX-Twice: two\r\n\r\n"
    )
    assert b'"HTTP_X_TWICE": "one, two"' in site.raw(request)


def test_a_proxy_header_never_becomes_http_proxy(site: Site) -> None:
    """A library would take HTTP_PROXY for a setting of its own (httpoxy, CVE-2016-5387)."""
    assert "HTTP_PROXY" not in strings(site, headers={"Proxy": "http://evil.example"})


@pytest.mark.parametrize("header", ["X_Trusted", "X.Trusted", "X!Trusted"])
def test_a_header_that_only_looks_like_a_trusted_one_is_left_out(site: Site, header: str) -> None:
    """Underscores and dots would become the same variable as the dash of the real header."""
    seen = strings(site, headers={header: "forged", "X-Real": "here"})
    assert "forged" not in seen.values()
    assert seen["HTTP_X_REAL"] == "here"


@pytest.mark.parametrize("order", [["X-Trusted", "X_Trusted"], ["X_Trusted", "X-Trusted"]])
def test_a_forged_header_does_not_touch_the_real_one(site: Site, order: list[str]) -> None:
    values = {"X-Trusted": "real", "X_Trusted": "forged"}
    seen = strings(site, headers={name: values[name] for name in order})
    assert seen["HTTP_X_TRUSTED"] == "real"


def test_authorization_is_not_passed_on_by_default(site: Site) -> None:
    seen = strings(site, headers={"Authorization": "Basic c2VjcmV0OnNlY3JldA=="})
    assert "HTTP_AUTHORIZATION" not in seen
    assert not any("c2VjcmV0" in value for value in seen.values())


def test_wsgi_version_is_one_dot_nought(site: Site) -> None:
    assert site.get("/environs/as_json").json()["wsgi.version"] == [1, 0]


def test_the_scheme_is_http(site: Site) -> None:
    assert strings(site)["wsgi.url_scheme"] == "http"


def test_threads_and_processes_are_as_the_process_model_has_them(site: Site, cell: Cell) -> None:
    assert site.get("/environs/as_json").json()["flags"] == {
        "wsgi.multithread": cell.server.mpm != "prefork",
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }


def test_input_promises_to_end_with_the_body(site: Site) -> None:
    assert site.get("/environs/as_json").json()["input_terminated"] is True


def test_input_errors_and_file_wrapper_have_what_the_pep_wants(site: Site) -> None:
    assert site.get("/environs/methods").json() == {
        "wsgi.input": [],
        "wsgi.errors": [],
        "file_wrapper_is_type": True,
    }


def test_settings_of_the_module_reach_the_application_as_set(site: Site) -> None:
    assert strings(site)["mod_wsgi.application"] == "environs::as_json"


def test_variables_set_for_the_application_reach_it(site: Site) -> None:
    assert strings(site)["tests.scratch"] == str(site.scratch)


def test_own_keys_are_lower_case(site: Site) -> None:
    types = site.get("/environs/as_json").json()["types"]
    own = [key for key in types if key.startswith(("wsgi.", "mod_wsgi."))]
    assert all(re.fullmatch(r"[a-z0-9._]+", key) for key in own)


def test_a_changed_environ_does_not_show_in_the_next_request(site: Site) -> None:
    assert [site.get("/environs/change").json()["stale"] for _ in range(8)] == [False] * 8


def test_a_request_leaves_nothing_in_the_next_one(site: Site) -> None:
    """Keys and values are cached; what one request had must never be what another one sees."""
    for number in range(8):
        marked = strings(site, f"/environs/as_json/{number}", headers={"X-Once": str(number)})
        assert (marked["HTTP_X_ONCE"], marked["PATH_INFO"]) == (str(number), f"/{number}")
        assert "HTTP_X_ONCE" not in strings(site)
