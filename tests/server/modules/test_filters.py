"""Filters between the application and the client: mod_deflate and mod_headers.

Whatever a filter makes of a response, it has to be the application's response afterwards: whole,
not delayed, and visibly broken where it broke. Apache 1.3 has no filters: its mod_headers does
its work before the application has said anything.
"""

import gzip
import zlib
from collections.abc import Iterator

import pytest

from tests.apps.numbered import piece
from tests.conftest import Serve
from tests.harness.cells import Cell
from tests.harness.serving import Workshop, running
from tests.harness.site import Reply, Site, message, read_reply, receive_until
from tests.server.head.test_responses import BODIES

NO_FILTERS = "Apache 1.3 has no filters: a handler writes straight to the client"
KEEPS_BACK = (
    "the mod_deflate of Apache 2.0 ignores flushes: it compresses what was said at the end"
)

HEADERS = """
<Location /respond>
    Header set X-Set by-the-server
    Header append X-First appended
    Header unset X-Between
    Header add Set-Cookie "d=4"
</Location>
"""

FILTERS = """
LoadModule deflate_module "@{modules}/mod_deflate.so"
RequestHeader set X-From-Server yes
RequestHeader unset X-Unwanted
<LocationMatch "^/(respond|streams|shapes|files|failing)/">
    SetOutputFilter DEFLATE
</LocationMatch>
<Location /pieces>
    AddOutputFilterByType DEFLATE text/plain
</Location>
<Location /bodies>
    SetInputFilter DEFLATE
</Location>
"""

# The directive AddOutputFilterByType is this module's since 2.4, and the core's before.
BY_TYPE = """
LoadModule filter_module "@{modules}/mod_filter.so"
"""

# A filter that gives up in the middle: no line may become longer than a megabyte in it.
SUBSTITUTE = """
LoadModule substitute_module "@{modules}/mod_substitute.so"
@{base}
@{applications}
<Location /shapes/a_long_line>
    SetOutputFilter SUBSTITUTE
    Substitute "s/a/bb/"
</Location>
"""

# A program as an input filter: it gives nothing for a while, and then all at once.
EXTERNAL = """
LoadModule ext_filter_module "@{modules}/mod_ext_filter.so"
ExtFilterDefine pass mode=input cmd="/bin/cat"
@{base}
@{applications}
<Location /bodies>
    SetInputFilter pass
</Location>
"""

GZIP = {"Accept-Encoding": "gzip"}


@pytest.fixture(scope="module")
def module_site(request: pytest.FixtureRequest, cell: Cell, workshop: Workshop) -> Iterator[Site]:
    """A server with the filters that its line has."""
    config = "@{base}@{applications}" + HEADERS
    if cell.server.line == "2.4":
        config += BY_TYPE
    if cell.server.line != "1.3":
        config += FILTERS
    built = request.getfixturevalue("module")
    values = {"modules": str(cell.server.modules)}
    with running(cell, built, workshop, config, values=values) as started:
        yield started


@pytest.fixture
def deflating(cell: Cell, request: pytest.FixtureRequest) -> Site:
    """The server, where it has filters."""
    if cell.server.line == "1.3":
        pytest.skip(NO_FILTERS)
    site: Site = request.getfixturevalue("site")
    return site


def inflated(reply: Reply) -> bytes:
    return gzip.decompress(reply.body) if reply.header("Content-Encoding") else reply.body


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
@pytest.mark.parametrize("name", BODIES)
def test_a_compressed_body_is_the_applications_body(
    deflating: Site, name: str, version: str
) -> None:
    reply = deflating.ask(f"/respond/{name}", headers=GZIP, version=version)
    assert (reply.status, inflated(reply)) == (200, BODIES[name])


@pytest.mark.parametrize("name", BODIES)
def test_without_accept_encoding_a_body_is_left_alone(deflating: Site, name: str) -> None:
    reply = deflating.ask(f"/respond/{name}")
    assert reply.header("Content-Encoding") is None
    assert reply.body == BODIES[name]


@pytest.mark.parametrize("name", ["one_block", "with_length", "a_generator", "no_blocks"])
def test_a_connection_is_kept_after_a_compressed_body(deflating: Site, name: str) -> None:
    """The length that the application promised is not that of the compressed body."""
    with deflating.connect() as connection:
        connection.sendall(
            message(f"/respond/{name}", headers={**GZIP, "Connection": "keep-alive"})
        )
        first = read_reply(connection)
        connection.sendall(message("/hello/named"))
        second = read_reply(connection)
    assert inflated(first) == BODIES[name]
    assert second.body == b"hello from named"


@pytest.mark.parametrize("name", ["written_to_its_length", "written_beyond_its_length"])
def test_a_response_ends_once(deflating: Site, name: str) -> None:
    """A filter that is told of the end twice would add a second one.

    The body is long enough to be compressed: 2.4 leaves a very short one alone.
    """
    with deflating.connect() as connection:
        connection.sendall(
            message(f"/shapes/{name}", headers={**GZIP, "Connection": "keep-alive"})
        )
        first = read_reply(connection)
        connection.sendall(message("/hello/named"))
        second = read_reply(connection)
    assert first.header("Content-Encoding") == "gzip"
    assert inflated(first) == b"0123456789" * 300 + b"9876543210" * 300
    assert second.body == b"hello from named"


def test_a_big_file_is_compressed_whole(deflating: Site, workshop: Workshop) -> None:
    """A file that would have gone by sendfile."""
    reply = deflating.ask("/files/whole", headers=GZIP)
    assert reply.header("Content-Encoding") == "gzip"
    assert inflated(reply) == workshop.data.read_bytes()


@pytest.mark.parametrize("name", ["waits_between_blocks", "waits_after_write"])
def test_a_filter_does_not_keep_a_block_back(deflating: Site, cell: Cell, name: str) -> None:
    """A flush goes through every filter: the client can decode the first block at once."""
    if cell.server.line == "2.0":
        pytest.skip(KEEPS_BACK)
    with deflating.connect() as connection:
        connection.sendall(message(f"/streams/{name}?gz-{name}", headers=GZIP))
        seen = receive_until(connection, b"\r\n\r\n").partition(b"\r\n\r\n")[2]
        while b"first\n" not in (text := zlib.decompressobj(31).decompress(dechunked(seen))):
            seen += connection.recv(65536)
        assert b"second" not in text
        deflating.go(f"gz-{name}")
        seen += b"".join(iter(lambda: connection.recv(65536), b""))
    assert gzip.decompress(dechunked(seen)) == b"first\nsecond\n"


@pytest.mark.parametrize("path", ["/pieces/many?2000", "/streams/pieces?2000"])
def test_small_pieces_are_put_together_and_compressed(deflating: Site, path: str) -> None:
    """However the filter came to the response; there is a chunk for each flush.

    A process of its own puts together what waits to be sent. The server sends on each packet that
    comes from it, so these are more chunks.
    """
    answer = deflating.raw(message(path, headers=GZIP)).partition(b"\r\n\r\n")[2]
    whole = b"".join(piece(number) for number in range(2000))
    assert gzip.decompress(dechunked(answer)) == whole
    lines = 2000 if deflating.mode == "embedded" else 3600
    assert answer.count(b"\r\n") < lines


def dechunked(data: bytes) -> bytes:
    """The bytes of all chunks that have come whole."""
    found = b""
    while b"\r\n" in data:
        line, _, rest = data.partition(b"\r\n")
        size = int(line, 16)
        if len(rest) < size + 2 or not size:
            break
        found, data = found + rest[:size], rest[size + 2 :]
    return found


@pytest.mark.parametrize("path", ["/failing/after_the_first_block", "/shapes/fails_in_the_middle"])
def test_a_broken_body_looks_broken_through_a_filter(deflating: Site, path: str) -> None:
    """Neither the last chunk nor the end of the compressed data is sent."""
    deflating.expects_traceback("ValueError: raised after")
    answer = deflating.raw(message(f"{path}?gz-broken", headers=GZIP))
    body = answer.partition(b"\r\n\r\n")[2]
    assert not answer.endswith(b"0\r\n\r\n")
    with pytest.raises((EOFError, zlib.error)):
        gzip.decompress(dechunked(body))


def test_too_short_a_body_looks_broken_through_a_filter(deflating: Site) -> None:
    deflating.expects("of the 10 bytes")
    answer = deflating.raw(message("/respond/less_than_promised", headers=GZIP))
    assert not answer.endswith(b"0\r\n\r\n")
    with pytest.raises((EOFError, zlib.error)):
        gzip.decompress(dechunked(answer.partition(b"\r\n\r\n")[2]))


@pytest.mark.parametrize("name", ["endless", "endless_writes"])
def test_a_client_that_leaves_is_noticed_through_a_filter(deflating: Site, name: str) -> None:
    with deflating.connect() as connection:
        connection.sendall(message(f"/streams/{name}?gz-{name}", headers=GZIP))
        receive_until(connection, b"\r\n\r\n")
    assert deflating.told(f"gz-{name}")
    assert deflating.watch.severe() == []


@pytest.mark.parametrize("status", ["204", "304"])
def test_a_status_without_a_body_stays_without_through_a_filter(
    deflating: Site, status: str
) -> None:
    answer = deflating.raw(message(f"/shapes/bodiless?{status}", headers=GZIP))
    assert answer.startswith(b"HTTP/1.1 " + status.encode())
    assert answer.partition(b"\r\n\r\n")[2] == b""


@pytest.mark.parametrize("name", BODIES)
def test_head_through_a_filter_has_the_applications_headers_and_no_body(
    deflating: Site, name: str
) -> None:
    answer = deflating.raw(message(f"/respond/{name}", "HEAD", GZIP))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"content-type: text/plain" in head.lower() or name == "binary"
    assert body == b""


def test_a_compressed_request_is_read_inflated(deflating: Site) -> None:
    """Content-Length is that of the compressed body; input ends where the real one does."""
    body = b"".join(b"%x\n" % (number * number * 7919) for number in range(9000))
    sent = {"Content-Encoding": "gzip"}
    reply = deflating.ask(
        "/bodies/read_all", method="POST", headers=sent, body=gzip.compress(body)
    )
    assert reply.body == body


def test_a_compressed_chunked_request_is_read_inflated(deflating: Site) -> None:
    packed = gzip.compress(b"first\nsecond\n" * 50)
    sent = {"Content-Encoding": "gzip", "Transfer-Encoding": "chunked"}
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(packed), packed)
    reply = deflating.ask("/bodies/lines", method="POST", headers=sent, body=body)
    assert reply.json() == ["first\n", "second\n"] * 50


def test_headers_that_the_server_sets_on_requests_are_variables(deflating: Site) -> None:
    sent = {"X-Unwanted": "yes", "X-From-Server": "forged"}
    seen = deflating.ask("/environs/as_json", headers=sent).json()["strings"]
    assert seen["HTTP_X_FROM_SERVER"] == "yes"
    assert "HTTP_X_UNWANTED" not in seen


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_mod_headers_works_on_the_applications_headers(deflating: Site, method: str) -> None:
    """It sets, appends, removes and adds; what it is not told to change stays as it was."""
    reply = deflating.ask("/respond/repeated_headers", method=method)
    assert ", ".join(reply.all("X-First")) == "1, appended"
    assert reply.all("X-Between") == []
    assert "d=4" in reply.all("Set-Cookie")
    cookies = [each for each in reply.all("Set-Cookie") if each != "d=4"]
    assert cookies == ["a=1; Path=/", "b=2; Path=/", "c=3, with a comma"]


@pytest.mark.parametrize("name", ["one_block", "a_generator", "no_blocks", "only_written"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_header_of_the_servers_joins_those_of_the_application(
    site: Site, name: str, method: str
) -> None:
    """On every line: what mod_headers has set is neither lost nor doubled."""
    reply = site.ask(f"/respond/{name}", method=method)
    assert reply.all("X-Set") == ["by-the-server"]
    assert reply.all("Content-Type") == ["text/plain"]


@pytest.mark.needs("failing-filter")
def test_a_filter_that_fails_breaks_the_response_and_is_logged(serve: Serve, cell: Cell) -> None:
    """A client must not take for whole what a filter gave up."""
    site = serve(SUBSTITUTE, values={"modules": str(cell.server.modules)})
    site.tolerates(r"\[(\w+:)?error\]")
    site.expects("filter")
    stay = {"Connection": "keep-alive"}
    answer = site.raw(message("/shapes/a_long_line", headers=stay) + message("/hello/named"))
    assert b"\r\n\r\n6\r\nfirst\n" in answer
    assert not answer.endswith(b"0\r\n\r\n")
    assert b"hello from named" not in answer


@pytest.mark.needs("input-programs")
@pytest.mark.parametrize("size", [10, 80_000, 1_000_000])
def test_a_body_through_a_program_arrives_whole(serve: Serve, cell: Cell, size: int) -> None:
    site = serve(EXTERNAL, values={"modules": str(cell.server.modules)})
    body = bytes(number * 7 % 251 for number in range(size))
    assert site.post("/bodies/read_all?through", body).content == body
    lines = b"a line of the body\n" * 4000
    assert site.post("/bodies/lines?lines", lines).status_code == 200
