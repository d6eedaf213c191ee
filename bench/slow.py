"""Clients that send a byte of their request now and then, while others are measured."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from urllib.parse import urlsplit

from command import Problem

PAUSE = 0.01  # seconds from one byte to the next
ANSWER_SECONDS = 30.0
LARGE = 1 << 16


@contextmanager
def clients(url: str, path: str, number: int) -> Iterator[None]:
    """That many, each on a connection that it keeps; a Problem if one of them was sent away.

    Each gets a first answer at once, so that all are connected when the block begins.
    """
    place = urlsplit(url)
    request = f"GET {path} HTTP/1.1\r\nHost: {place.netloc}\r\nUser-Agent: slow\r\n\r\n".encode()
    stop = threading.Event()
    refused: list[str] = []
    with ExitStack() as stack:
        connections = [
            stack.enter_context(socket.create_connection((place.hostname or "", place.port or 80)))
            for _ in range(number)
        ]
        for connection in connections:
            greet(connection, request)
        thread = threading.Thread(target=dawdle, args=(connections, request, stop, refused))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
    if refused:
        raise Problem(f"a slow client of {url} was sent away: {refused[0]}")


def greet(connection: socket.socket, request: bytes) -> None:
    connection.settimeout(ANSWER_SECONDS)
    connection.sendall(request)
    answer = connection.recv(LARGE)
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise Problem(f"a slow client was answered {answer[:40]!r}")
    connection.settimeout(0)


def dawdle(
    connections: Sequence[socket.socket],
    request: bytes,
    stop: threading.Event,
    refused: list[str],
) -> None:
    """Sends one byte at a time on every connection, request after request; drops the answers."""
    place = 0
    while connections and not refused and not stop.wait(PAUSE):
        for connection in connections:
            try:
                connection.sendall(request[place : place + 1])
                with suppress(BlockingIOError):
                    if not connection.recv(LARGE):
                        refused.append("the connection was closed")
            except OSError as error:
                refused.append(str(error))
        place = (place + 1) % len(request)
