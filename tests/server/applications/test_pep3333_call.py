"""PEP 3333, duties 1 to 9: strings, and how the application is called."""

from typing import Any

import pytest

from tests.harness.site import Site
from tests.server.input.test_pep3333_streams import BYTES

CALLABLES = {
    "with_any_arguments": "2 0 dict",
    "with_a_lambda": "a lambda",
    "instance": "an instance",
    "instance.method": "a method",
    "Plain.of_class": "a class method",
    "Plain.of_nobody": "a static method",
    "AsClass": "a class",
    "partial": "a partial function",
}

CONFIG = "@{base}@{applications}" + "".join(
    f"""
<Location /as/{name}>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application called::{name}
</Location>
"""
    for name in (*CALLABLES, "shy")
)

ACCENT = "caf\u00e9 \u20ac"

# A document root whose name is not ASCII, and an application in it that the URL maps to.
ACCENTED = f"""
@{{base}}
DocumentRoot "@{{www}}/{ACCENT}"
<Directory "@{{www}}">
    Options +ExecCGI
    AddHandler mod_wsgi .wsgi
</Directory>
"""
ACCENTED_FILES = {
    f"{ACCENT}/{ACCENT}.wsgi": """
import sys
sys.path.insert(0, "@{apps}")
from kinds import of_variables as application
"""
}


def kinds(site: Site, name: str, **options: Any) -> Any:
    reply = site.ask(f"/kinds/{name}", **options)
    assert reply.status == 200, reply.text
    return reply.json()


def test_native_strings_are_str_and_bodies_are_bytes(site: Site, version: str) -> None:
    """PEP 3333 duty 1: str is str on both Pythons; bytes are bytes on 3 and str on 2.7."""
    seen = kinds(site, "of_variables", headers={"X-Name": "\xe9"})
    assert (seen["keys"], seen["values"]) == (["str"], ["str"])
    body = b"one\ntwo\nthree\nfour\nfive\n"
    reads = kinds(site, "of_reads", method="POST", body=body)
    assert reads == {"items": [BYTES(version)], "lists": ["list"]}


def test_native_strings_hold_only_what_a_byte_can_hold(serve: Any) -> None:
    """PEP 3333 duty 2: also where a path of the file system has other characters."""
    site = serve(ACCENTED, files=ACCENTED_FILES)
    reply = site.ask("/caf%C3%A9%20%E2%82%AC.wsgi/%E2%82%AC?%C3%A9", headers={"X-Name": "\xff"})
    seen = reply.json()
    bytes_of_name = ACCENT.encode().decode("latin-1")
    assert seen["highest"] <= 255
    assert seen["root"].endswith(bytes_of_name)
    assert seen["file"].endswith(f"{bytes_of_name}.wsgi")


def test_no_variable_is_unicode_on_python_2(site: Site) -> None:
    """PEP 3333 duty 3: the type is the native one, whatever the bytes are."""
    seen = kinds(site, "of_variables", headers={"X-Name": "\xe9\xff", "X-More": "plain"})
    assert seen["values"] == ["str"]


def test_what_is_missing_is_left_out_and_nothing_is_none(site: Site) -> None:
    """PEP 3333 duty 4: every CGI variable that is there is a string."""
    reply = site.ask("/environs/as_json", version="HTTP/1.0").json()
    types = {key: kind for key, kind in reply["types"].items() if not key.startswith("wsgi.")}
    assert set(types.values()) == {"str"}
    assert not {"CONTENT_TYPE", "HTTP_USER_AGENT", "HTTP_COOKIE"} & set(types)


@pytest.mark.parametrize(("name", "said"), CALLABLES.items())
def test_any_kind_of_callable_is_called_with_two_arguments(
    site: Site, name: str, said: str
) -> None:
    """PEP 3333 duty 5: two positional arguments. Duty 6: the kind of callable does not matter."""
    assert site.ask(f"/as/{name}").text == said


def test_the_application_is_called_once_for_each_request(serve: Any) -> None:
    """PEP 3333 duty 5: once, however it answers, and for every method."""
    site = serve(processes=1)
    counts = [int(site.ask("/called/counted").text) for _ in range(5)]
    site.ask("/called/counted", method="HEAD")
    site.ask("/called/counted", method="POST", body=b"unread")
    assert counts == [1, 2, 3, 4, 5]
    assert site.ask("/called/counted").text == "8"


def test_the_callable_is_not_looked_into(site: Site) -> None:
    """PEP 3333 duty 6: no attribute of the application is asked for."""
    for _ in range(3):
        assert site.ask("/as/shy").text == "asked for nothing"


def test_environ_is_a_dict_of_the_applications_own(site: Site) -> None:
    """PEP 3333 duty 7: exactly a dict, which may be emptied and filled."""
    assert site.ask("/environs/as_json").json()["exact_dict"] is True
    assert site.ask("/environs/change").status == 200


def test_each_request_has_a_fresh_environ(site: Site) -> None:
    """PEP 3333 duty 8: what one request put there or took out does not show in the next."""
    assert [site.ask("/environs/change").json()["stale"] for _ in range(8)] == [False] * 8
    assert kinds(site, "of_variables")["keys"] == ["str"]


@pytest.mark.parametrize("name", ["asked_to_start_late", "a_generator"])
def test_start_response_may_be_called_in_the_first_step(site: Site, name: str) -> None:
    """PEP 3333 duty 9: not only before the iterable is returned."""
    reply = site.ask(f"/respond/{name}")
    assert (reply.status, reply.header("Content-Type")) == (200, "text/plain")
    assert reply.text in ("started late", "a generator")
