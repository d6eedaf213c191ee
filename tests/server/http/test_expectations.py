"""Expect: 100-continue on a connection that would be kept, and a body that nobody asked for.

A client that was answered without 100 Continue may send its body or not, as RFC 9110, 10.1.1 has
it. Nobody can tell then where the next request begins, so there must not be a next one.
"""

import re
import socket
import time
from contextlib import suppress

import pytest

from tests.harness.site import Site, message, receive_until

LATE = b"GET /respond/query?smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
WAITING = {
    "Connection": "keep-alive",
    "Expect": "100-continue",
    "Content-Length": str(len(LATE)),
}

# The application, the status of its answer, and its body as far as it is known.
NEVER_READ = {
    "/expected/reads_nothing": (b"200", b"not read"),
    "/expected/generates": (b"200", b"not read"),
    "/expected/fails": (b"500", b"</html>"),
    "/respond/status?204%20No%20Content": (b"204", b""),
}
READ_LATE = {
    "/expected/reads_after_its_first_block": (b"200", b"first;second"),
    "/expected/reads_after_its_last_byte": (b"200", b"whole"),
}


def is_the_only_answer(seen: bytes, status: bytes, body: bytes) -> bool:
    """Whether this is one answer and nothing else, which says that the connection ends."""
    head, _, rest = seen.partition(b"\r\n\r\n")
    if b"\r\ntransfer-encoding: chunked" in head.lower():
        rest = dechunked(rest)
    return (
        re.findall(rb"HTTP/1\.[01] (\d+)", seen) == [status]
        and b"\r\nconnection: close" in head.lower()
        and rest.rstrip().lower().endswith(body)
        and (status != b"204" or rest == b"")
    )


def dechunked(data: bytes) -> bytes:
    """The whole body, if its last chunk is the last there is."""
    body = b""
    while data:
        line, _, data = data.partition(b"\r\n")
        size = int(line, 16)
        body, data = body + data[:size], data[size + 2 :]
        if not size:
            assert data == b"", f"behind the last chunk: {data!r}"
    return body


@pytest.mark.parametrize("path", [*NEVER_READ, *READ_LATE])
def test_a_body_that_was_not_asked_for_is_never_a_request(site: Site, path: str) -> None:
    """The client is tired of waiting, and sends its body although nobody said 100."""
    site.tolerates(r"\[(\w+:)?error\]")
    sign = "" if "?" in path else f"?late-{path.rpartition('/')[2]}"
    with site.connect() as connection:
        connection.sendall(message(path + sign, "POST", WAITING))
        time.sleep(0.2)
        seen = b""
        with suppress(ConnectionError):
            connection.sendall(LATE)
            connection.shutdown(socket.SHUT_WR)
            seen = b"".join(iter(lambda: connection.recv(65536), b""))
    assert is_the_only_answer(seen, *(NEVER_READ | READ_LATE)[path]), seen


@pytest.mark.parametrize("path", NEVER_READ)
def test_a_client_that_keeps_its_body_to_itself_is_not_waited_for(site: Site, path: str) -> None:
    site.tolerates(r"\[(\w+:)?error\]")
    seen = site.raw(message(path, "POST", WAITING))
    assert is_the_only_answer(seen, *NEVER_READ[path]), seen


def test_a_body_that_was_asked_for_leaves_the_connection_as_it_was(site: Site) -> None:
    with site.connect() as connection:
        connection.sendall(message("/bodies/read_all?asked", "POST", WAITING))
        receive_until(connection, b"100 Continue\r\n\r\n")
        connection.sendall(LATE + message("/hello/named"))
        rest = b"".join(iter(lambda: connection.recv(65536), b""))
    assert rest.count(b"HTTP/1.1 200 OK") == 2
    assert rest.endswith(b"\r\n\r\nhello from named")
