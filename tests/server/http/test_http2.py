"""HTTP/2, where the server has mod_http2: many requests on one connection, each with its own end.

The client is h2, the protocol without input and output; what goes over the socket is here.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import h2.config
import h2.connection
import h2.events
import pytest

from tests.harness.cells import Cell
from tests.harness.serving import Workshop, running
from tests.harness.site import Site

pytestmark = pytest.mark.needs("http2")

CONFIG = """
LoadModule http2_module "@{modules}/mod_http2.so"
Protocols h2c http/1.1
@{base}@{applications}
"""


@pytest.fixture(scope="module")
def module_site(request: pytest.FixtureRequest, cell: Cell, workshop: Workshop) -> Iterator[Site]:
    if not (cell.server.modules / "mod_http2.so").is_file():
        pytest.skip("mod_http2: this Apache was built without it")
    built = request.getfixturevalue("module")
    values = {"modules": str(cell.server.modules)}
    with running(cell, built, workshop, CONFIG, values=values) as started:
        yield started


@dataclass(kw_only=True)
class Stream:
    """What came back for one request. Not frozen: it grows with every frame."""

    status: str = ""
    body: bytes = b""
    ended: bool = False
    reset: int | None = None


def ask(site: Site, *requests: tuple[str, bytes]) -> list[Stream]:
    """Asks for every (path, body) at once on one connection, and waits for the end of all."""
    client = h2.connection.H2Connection(h2.config.H2Configuration())
    client.initiate_connection()
    streams: dict[int, Stream] = {}
    for path, body in requests:
        number = client.get_next_available_stream_id()
        streams[number] = Stream()
        client.send_headers(number, heading(path, body), end_stream=not body)
        if body:
            client.send_data(number, body, end_stream=True)
    with site.connect() as connection:
        connection.sendall(client.data_to_send())
        while not all(each.ended or each.reset is not None for each in streams.values()):
            data = connection.recv(65536)
            assert data, f"the connection ended before its streams: {streams}"
            for event in client.receive_data(data):
                note(client, streams, event)
            connection.sendall(client.data_to_send())
    return list(streams.values())


def heading(path: str, body: bytes) -> list[tuple[str, str]]:
    return [
        (":method", "POST" if body else "GET"),
        (":scheme", "http"),
        (":authority", "127.0.0.1"),
        (":path", path),
    ]


def note(
    client: h2.connection.H2Connection, streams: dict[int, Stream], event: h2.events.Event
) -> None:
    stream = streams.get(getattr(event, "stream_id", None) or 0)
    if stream is None:
        return
    if isinstance(event, h2.events.ResponseReceived):
        stream.status = dict(event.headers or [])[b":status"].decode()
    elif isinstance(event, h2.events.DataReceived):
        stream.body += event.data or b""
        client.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
    elif isinstance(event, h2.events.StreamEnded):
        stream.ended = True
    elif isinstance(event, h2.events.StreamReset):
        stream.reset = int(event.error_code or 0)


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
    client = h2.connection.H2Connection(h2.config.H2Configuration())
    client.initiate_connection()
    heading_with_body = [*heading(f"/early/{name}", b"body"), ("content-length", "100000")]
    client.send_headers(1, heading_with_body)
    client.send_headers(3, heading("/hello/named", b""), end_stream=True)
    streams = {1: Stream(), 3: Stream()}
    with site.connect() as connection:
        connection.settimeout(5)
        connection.sendall(client.data_to_send())
        while not all(each.ended for each in streams.values()):
            for event in client.receive_data(connection.recv(65536)):
                note(client, streams, event)
            connection.sendall(client.data_to_send())
    status, body = ("204", b"") if name == "has_no_content" else ("200", b"an early answer")
    assert (streams[1].status, streams[1].body) == (status, body)
    assert streams[3].body == b"hello from named"
