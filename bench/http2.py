"""A small client for HTTP/2 without TLS (RFC 9113): GET requests on streams of one connection.

wrk knows HTTP/1.1 only. This client is slower than wrk, so the processor time of the server says
more than the rate.
"""

import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from command import Problem

DATA, HEADERS, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 3, 4, 6, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
LARGEST_WINDOW = 2**31 - 1
FIRST_WINDOW = 2**16 - 1
# HPACK: places in its static table, and how a field is written that is not kept.
GET, HTTP, STATUS_200 = 0x82, 0x86, 0x88
NAME_AUTHORITY, NAME_PATH = 0x01, 0x04
SIZE_UPDATE, SIZE_UPDATE_MASK = 0x20, 0xE0

ANSWER_SECONDS = 30.0


@dataclass(kw_only=True)
class Answers:
    """What came: seconds from each request to its answer, and how many were not a 200."""

    latencies: list[float] = field(default_factory=list)
    errors: int = 0
    seconds: float = 0.0


def ask(url: str, path: str, *, streams: int, seconds: float) -> Answers:
    """Keeps that many streams open, for that long; a Problem if the server breaks off."""
    place = urlsplit(url)
    block = field_block(place.netloc, path)
    with socket.create_connection((place.hostname or "", place.port or 80)) as connection:
        connection.settimeout(ANSWER_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wider = struct.pack(">I", LARGEST_WINDOW - FIRST_WINDOW)
        connection.sendall(PREFACE + frame(SETTINGS) + frame(WINDOW_UPDATE, payload=wider))
        return converse(connection, block, streams, seconds)


def converse(connection: socket.socket, block: bytes, streams: int, seconds: float) -> Answers:
    """An answer that is complete makes room for the next request."""
    answers = Answers()
    asked: dict[int, float] = {}
    begin = time.monotonic()
    following = 1
    incoming = frames(connection)
    while True:
        now = time.monotonic()
        requests = b""
        while len(asked) < streams and now < begin + seconds:
            requests += frame(HEADERS, END_STREAM | END_HEADERS, following, block)
            asked[following] = now
            following += 2
        if requests:
            connection.sendall(requests)
        if not asked:
            answers.seconds = now - begin
            return answers
        kind, flags, stream, payload = next(incoming)
        if kind in (SETTINGS, PING) and not flags & ACK:
            connection.sendall(frame(kind, ACK, payload=payload if kind == PING else b""))
        if kind == HEADERS and not is_ok(payload):
            answers.errors += 1
        ended = kind in (DATA, HEADERS) and flags & END_STREAM
        if (ended or kind == RST_STREAM) and stream in asked:
            answers.errors += kind == RST_STREAM
            answers.latencies.append(time.monotonic() - asked.pop(stream))


def frames(connection: socket.socket) -> Iterator[tuple[int, int, int, bytes]]:
    """Type, flags, stream and payload of what the server sends."""
    waiting = b""
    while True:
        while len(waiting) >= 9 and len(waiting) >= 9 + int.from_bytes(waiting[:3]):  # noqa: PLR2004
            end = 9 + int.from_bytes(waiting[:3])
            kind, flags, stream = struct.unpack(">BBI", waiting[3:9])
            yield kind, flags, stream, waiting[9:end]
            waiting = waiting[end:]
        part = connection.recv(1 << 16)
        if not part:
            raise Problem("the server ended its HTTP/2 connection")
        waiting += part


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    head = len(payload).to_bytes(3) + struct.pack(">BBI", kind, flags, stream)
    return head + payload


def field_block(authority: str, path: str) -> bytes:
    """The four fields of a request, none of them kept by the server, each below 127 bytes."""
    named = ((NAME_AUTHORITY, authority.encode()), (NAME_PATH, path.encode()))
    texts = b"".join(bytes([name, len(text)]) + text for name, text in named)
    return bytes([GET, HTTP]) + texts


def is_ok(block: bytes) -> bool:
    """The status comes first, unless the server changes the size of its table before.

    A size that does not fit into the byte's last five bits has more bytes. All but the last of
    those have the highest bit set.
    """
    place = 0
    while block[place] & SIZE_UPDATE_MASK == SIZE_UPDATE:
        longer = block[place] & ~SIZE_UPDATE_MASK == ~SIZE_UPDATE_MASK & 0xFF
        place += 1
        while longer:
            longer = block[place] & 0x80 != 0
            place += 1
    return block[place] == STATUS_200
