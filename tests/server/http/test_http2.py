"""HTTP/2, where the server has mod_http2: many requests on one connection, each with its end."""

from collections.abc import Iterator

import pytest

from tests.harness.cells import Cell
from tests.harness.http2 import CONFIG, ask, conversation
from tests.harness.serving import Workshop, running
from tests.harness.site import Site

pytestmark = pytest.mark.needs("http2")


@pytest.fixture(scope="module")
def module_site(request: pytest.FixtureRequest, cell: Cell, workshop: Workshop) -> Iterator[Site]:
    if not (cell.server.modules / "mod_http2.so").is_file():
        pytest.skip("mod_http2: this Apache was built without it")
    built = request.getfixturevalue("module")
    values = {"modules": str(cell.server.modules)}
    with running(cell, built, workshop, CONFIG, values=values) as started:
        yield started


def test_requests_on_one_connection_are_answered_each(site: Site) -> None:
    named, echoed, generated = ask(
        site,
        ("/hello/named", b""),
        ("/bodies/read_all", b"a body"),
        ("/respond/a_generator", b""),
    )
    assert (named.status, named.body) == ("200", b"hello from named")
    assert (echoed.status, echoed.body) == ("200", b"a body")
    assert (generated.status, generated.ended) == ("200", True)


def test_a_large_file_arrives_whole(site: Site, workshop: Workshop) -> None:
    """Another thread sends it, when the application has closed it."""
    asked = [("/files/whole", b""), ("/files/opens_another", b"")] * 4
    answers = ask(site, *asked)
    whole = [each.body for each in answers if each.body != b"opened"]
    assert whole == [workshop.data.read_bytes()] * 4


def breaks_alone(site: Site, path: str) -> None:
    """The stream is reset, not ended, and the next one on its connection served."""
    broken, whole = ask(site, (path, b""), ("/hello/named", b""))
    assert broken.reset, broken
    assert not broken.ended
    assert (whole.status, whole.body) == ("200", b"hello from named")


def test_an_exception_after_the_first_block_resets_the_stream(site: Site) -> None:
    site.expects_traceback("ValueError: raised after the first block")
    breaks_alone(site, "/failing/after_the_first_block")


def test_a_body_shorter_than_promised_resets_the_stream(site: Site) -> None:
    site.expects("announced: the connection is closed")
    breaks_alone(site, "/respond/less_than_promised")


@pytest.mark.parametrize("name", ["lists", "generates", "writes_its_length", "has_no_content"])
def test_an_answer_does_not_wait_for_the_body(site: Site, name: str) -> None:
    """Its stream stays open for the client to send; others go on beside it."""
    with conversation(site) as talk:
        talk.connection.settimeout(5)
        early = talk.ask(f"/early/{name}", announced=(("content-length", "100000"),))
        other = talk.ask("/hello/named")
        talk.receive_until(lambda: early.ended and other.ended)
    status, body = ("204", b"") if name == "has_no_content" else ("200", b"an early answer")
    assert (early.status, early.body) == (status, body)
    assert other.body == b"hello from named"
