"""Bodies that end before their end: a part of a body is never taken for the whole.

Cut behind every byte, by a client that closes, one that only stops sending, and one that resets.
"""

import socket
import struct
import time
from collections.abc import Callable

import pytest

from tests.harness.errorlog import until
from tests.harness.site import Site, message, read_reply

CONTENT = b"hello, sixteen bytes."
CHUNKED = {"Transfer-Encoding": "chunked"}
LENGTH = {"Content-Length": str(len(CONTENT))}

# Each part of it may be taken for something else: 1 of 10, 0 of 0A, one line end of two.
LAST_CHUNK = b"00;last\r\n"
CHUNKS = (
    b'5;name="a value"\r\nhello\r\n10\r\n, sixteen bytes.\r\n'
    + LAST_CHUNK
    + b"X-Trailer: one\r\nX-Other: two\r\n\r\n"
)
WHOLE_FROM = CHUNKS.index(LAST_CHUNK) + len(LAST_CHUNK)

Leave = Callable[[socket.socket], None]


def close(connection: socket.socket) -> None:
    connection.close()


def stop_sending(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(65536):
        pass


def close_later(connection: socket.socket) -> None:
    """When the server has what was sent, and waits for more."""
    time.sleep(0.02)
    connection.close()


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


LEAVES = {"close": close, "close-later": close_later, "stop-sending": stop_sending, "reset": reset}


def outcome(site: Site, name: str, headers: dict[str, str], part: bytes, leave: Leave) -> str:
    """What the application read of this part of a body: it is under way when that is sent."""
    with site.connect() as connection:
        connection.sendall(message(f"/bodies/tells_what_it_reads?{name}", "POST", headers))
        site.told(name)
        connection.sendall(part)
        leave(connection)
    told = site.scratch / f"{name}.told"
    assert until(lambda: "\n" in told.read_text(), 10)
    return told.read_text().partition("\n")[2]


@pytest.mark.needs("small-bodies-as-they-come")
@pytest.mark.parametrize("way", LEAVES)
def test_a_body_of_a_known_length_that_is_cut_makes_the_read_raise(site: Site, way: str) -> None:
    for size in range(len(CONTENT)):
        name = f"cut-length-{way}-{size}"
        seen = outcome(site, name, LENGTH, CONTENT[:size], LEAVES[way])
        assert seen == "IOError", f"after {CONTENT[:size]!r}"


@pytest.mark.parametrize("way", LEAVES)
def test_a_chunked_body_that_is_cut_makes_the_read_raise(site: Site, way: str) -> None:
    seen = {}
    for size in range(WHOLE_FROM):
        name = f"cut-chunks-{way}-{size}"
        seen[CHUNKS[:size]] = outcome(site, name, CHUNKED, CHUNKS[:size], LEAVES[way])
    assert {part: each for part, each in seen.items() if each != "IOError"} == {}


@pytest.mark.parametrize(
    ("headers", "body"), [(LENGTH, CONTENT[:-1]), (CHUNKED, CHUNKS[: WHOLE_FROM - 1])]
)
def test_a_cut_body_is_a_client_error_with_a_line_of_its_own(
    site: Site, headers: dict[str, str], body: bytes
) -> None:
    for size in range(0, len(body) + 1, 3):
        site.watch.begin()
        with site.connect() as connection:
            connection.sendall(message("/bodies/read_outside", "POST", headers, body[:size]))
            connection.shutdown(socket.SHUT_WR)
            assert read_reply(connection).status == 400, f"after {body[:size]!r}"
        assert "info" in site.watch.wait_for("the client went away while sending the request's")
        told = [line for line in site.watch.lines() if "mod_wsgi: " in line]
        assert len(told) == 1, told


@pytest.mark.parametrize("way", LEAVES)
def test_cut_trailers_do_no_harm_to_the_body(site: Site, way: str) -> None:
    """Their last chunk has come: all that was sent as the body is there."""
    seen = {}
    for size in range(WHOLE_FROM, len(CHUNKS)):
        name = f"cut-trailers-{way}-{size}"
        seen[CHUNKS[:size]] = outcome(site, name, CHUNKED, CHUNKS[:size], LEAVES[way])
    assert set(seen.values()) <= {"IOError", CONTENT.decode()}


@pytest.mark.parametrize("way", ["close", "stop-sending"])
@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param(
            LENGTH, CONTENT, id="length", marks=pytest.mark.needs("small-bodies-as-they-come")
        ),
        pytest.param(CHUNKED, CHUNKS, id="chunked"),
    ],
)
def test_a_whole_body_is_read_whoever_leaves_behind_it(
    site: Site, headers: dict[str, str], body: bytes, way: str
) -> None:
    name = f"whole-{way}-{len(body)}"
    assert outcome(site, name, headers, body, LEAVES[way]) == CONTENT.decode()


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 100])
def test_a_chunked_body_that_comes_in_pieces_is_whole(site: Site, size: int) -> None:
    """No piece ends the body before its last chunk."""
    with site.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(message("/bodies/read_all", "POST", CHUNKED))
        for begin in range(0, len(CHUNKS), size or 1):
            connection.sendall(CHUNKS[begin : begin + (size or 1)])
        assert read_reply(connection).body == CONTENT
