"""The rules of start_response, write() and the body, and what breaking each of them gives."""

import ast
from pathlib import Path

import pytest

from tests.harness.config import APPS
from tests.harness.site import Site, message


def keys_of(path: Path, table: str) -> list[str]:
    """The keys of a table in an application's source, which is not for this Python to import."""
    for node in ast.parse(path.read_text()).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict(keys=keys)) if (
                name == table
            ):
                return [ast.literal_eval(key) for key in keys if key is not None]
    raise LookupError(f"{path} has no table {table}")


REFUSED = keys_of(APPS / "misuse.py", "REFUSED")
WRONG_TYPE = [
    *("status-of-another-type", "status-as-bytes-or-unicode"),
    *("headers-as-tuple", "headers-as-dict", "headers-as-none"),
    *("header-of-one-part", "header-of-three-parts", "header-as-list", "header-as-string"),
    *("name-of-another-type", "value-of-another-type", "value-none"),
    *("no-arguments", "one-argument", "four-arguments"),
]


@pytest.mark.parametrize("name", REFUSED)
def test_start_response_raises_at_once_for(site: Site, version: str, name: str) -> None:
    """The application hears of it while it can still answer otherwise.

    What is outside of latin-1 is of the wrong type on 2.7, where it has to be unicode.
    """
    said = site.get(f"/misuse/refused/{name}").text
    is_unicode = version.startswith("2.") and name.endswith("outside-latin-1")
    assert said == ("TypeError" if name in WRONG_TYPE or is_unicode else "ValueError")


@pytest.mark.parametrize("name", REFUSED)
def test_nothing_of_a_refused_head_reaches_the_client(site: Site, name: str) -> None:
    site.expects_traceback(r"(TypeError|ValueError): ")
    reply = site.ask(f"/misuse/uncaught/{name}")
    assert reply.status == 500
    assert reply.header("X-Injected") is None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("never_starts", "RuntimeError: .*start_response"),
        ("never_starts_and_sends_nothing", "RuntimeError: .*start_response"),
        ("returns_none", 'TypeError: the application returned None: a "return" .* is missing'),
        ("returns_a_number", "TypeError: .*int"),
        ("yields_text", "TypeError: .*bytes, not (str|unicode)"),
        ("yields_none", "TypeError: .*bytes, not NoneType"),
        ("writes_text", "TypeError: .*bytes, not (str|unicode)"),
        ("starts_twice", "RuntimeError: .*start_response.* second time"),
        ("starts_again_after_a_refusal", "RuntimeError: .*start_response.* second time"),
    ],
)
def test_a_broken_rule_is_a_500_whose_log_names_it(site: Site, name: str, said: str) -> None:
    site.expects_traceback(said)
    assert site.get(f"/misuse/{name}").status_code == 500


def test_exc_info_replaces_a_head_that_is_not_sent(site: Site) -> None:
    reply = site.ask("/misuse/replaces_its_head")
    assert (reply.status, reply.reason, reply.body) == (503, "Not Now", b"replaced")
    assert reply.header("X-First") is None
    assert reply.header("X-Second") == "2"


def test_exc_info_comes_back_as_an_exception_once_the_head_is_sent(site: Site) -> None:
    assert site.ask("/misuse/tells_what_comes_back").text == "sent;same;deep"


def test_an_error_after_the_head_breaks_the_answer_visibly(site: Site) -> None:
    """The client must be able to tell: no last chunk is sent."""
    site.expects_traceback("KeyError: .found out too late")
    answer = site.raw(b"GET /misuse/replaces_too_late HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"sent" in answer
    assert not answer.endswith(b"0\r\n\r\n")


def test_none_for_exc_info_is_none_at_all(site: Site) -> None:
    assert site.get("/misuse/none_for_exc_info").text == "fine"


def test_headers_are_those_of_the_moment_of_the_call(site: Site) -> None:
    """Or of the sending: PEP 3333 lets the server keep the list. Never half of each."""
    reply = site.ask("/misuse/changes_its_list_later")
    assert (reply.status, reply.header("X-Kept")) == (200, "1")


def test_a_subclass_of_list_is_a_list(site: Site) -> None:
    reply = site.get("/misuse/list_subclass")
    assert (reply.status_code, reply.text) == (200, "subclass")


EXC_INFO = keys_of(APPS / "headings.py", "ODD_EXC_INFO")


@pytest.mark.parametrize("name", EXC_INFO)
@pytest.mark.parametrize("path", ["starts_with", "starts_again_with"])
def test_any_three_may_be_exc_info_before_the_head_is_sent(
    site: Site, path: str, name: str
) -> None:
    reply = site.ask(f"/headings/{path}/{name}")
    assert (reply.status, reply.body) == (200, b"started")


@pytest.mark.parametrize("name", keys_of(APPS / "headings.py", "BAD_EXC_INFO"))
def test_what_is_no_tuple_of_three_is_no_exc_info(site: Site, name: str) -> None:
    assert site.ask(f"/headings/refuses/{name}").text == "TypeError"


@pytest.mark.parametrize("name", EXC_INFO)
def test_exc_info_without_an_exception_is_an_error_all_the_same(site: Site, name: str) -> None:
    raised = "RuntimeError" if name == "nones" else "Lengthy"
    assert site.ask(f"/headings/comes_back/{name}").text == f"sent;{raised}"


@pytest.mark.parametrize("name", keys_of(APPS / "headings.py", "LENGTHS"))
def test_a_content_length_is_digits_and_fits(site: Site, name: str) -> None:
    assert site.ask(f"/headings/promises/{name}").text == "ValueError"


def test_subclasses_of_strings_and_tuples_are_strings_and_tuples(site: Site) -> None:
    reply = site.ask("/headings/of_subclasses")
    assert (reply.status, reply.reason, reply.body) == (202, "Of Its Own", b"own")
    assert (reply.header("X-Own"), reply.header("Content-Length")) == ("kept", "3")


@pytest.mark.parametrize(
    "name",
    [
        *("returns_text", "yields_text_behind_bytes", "yields_a_bytearray"),
        *("yields_a_memoryview", "writes_a_bytearray"),
    ],
)
def test_nothing_is_sent_of_a_body_that_is_no_bytes(site: Site, name: str) -> None:
    site.expects_traceback(
        "TypeError: .*must be bytes, not (str|unicode|bytearray|memoryview|buffer)"
    )
    reply = site.ask(f"/misuse/{name}")
    assert reply.status == 500
    assert b"bytes" not in reply.body


def test_an_error_behind_a_whole_body_is_only_logged(site: Site) -> None:
    site.expects_traceback("ValueError: raised behind the whole body")
    stay = {"Connection": "keep-alive"}
    answer = site.raw(
        message("/misuse/raises_behind_a_whole_write", headers=stay) + message("/hello/named")
    )
    assert b"\r\n\r\nwholeHTTP/1.1 200 OK" in answer
    assert answer.endswith(b"\r\n\r\nhello from named")
