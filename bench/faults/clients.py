"""Clients that tell what became of each request."""

import http.client
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench.faults.peers import Started
from tests.harness.clients import asking
from tests.harness.site import message

PATIENCE = 30.0
PAUSE = 0.02


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a request got. Status 0: no whole answer, and the word says why."""

    status: int
    seconds: float
    word: str = ""
    body: bytes = b""

    def __str__(self) -> str:
        return f"{self.name} after {self.seconds:.1f} s"

    @property
    def name(self) -> str:
        return str(self.status) if self.status else self.word


def ask(peer: Started, query: str = "", patience: float = PATIENCE) -> Answer:
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", peer.port, timeout=patience)
    try:
        connection.request("GET", f"{peer.path}?{query}", headers={"Connection": "close"})
        response = connection.getresponse()
        body = response.read()
    except TimeoutError:
        return Answer(status=0, seconds=time.monotonic() - began, word="no answer")
    except (OSError, http.client.HTTPException):
        return Answer(status=0, seconds=time.monotonic() - began, word="cut")
    finally:
        connection.close()
    return Answer(status=response.status, seconds=time.monotonic() - began, body=body)


@dataclass(kw_only=True)
class Answers:
    """What several clients have got. Not frozen: threads add to it."""

    peer: Started
    got: list[Answer] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, query: str, patience: float = PATIENCE) -> None:
        answer = ask(self.peer, query, patience)
        with self.lock:
            self.got.append(answer)

    def lost(self) -> Counter[str]:
        return Counter(answer.name for answer in self.got if answer.status != http.HTTPStatus.OK)

    def __str__(self) -> str:
        slowest = max((answer.seconds for answer in self.got), default=0)
        return f"{counted(self.lost())} lost of {len(self.got)}, slowest {slowest:.1f} s"


def counted(lost: Counter[str]) -> str:
    if not lost:
        return "0"
    return " + ".join(f"{count} ({name})" for name, count in sorted(lost.items()))


def at_once(peer: Started, query: str, count: int, patience: float = PATIENCE) -> Answers:
    """So many clients ask at the same time."""
    answers = Answers(peer=peer)
    threads = [threading.Thread(target=answers.add, args=[query, patience]) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@contextmanager
def under_load(peer: Started, patience: float = PATIENCE) -> Iterator[Answers]:
    """A few clients ask without a break in this block."""
    answers = Answers(peer=peer)
    with asking(lambda: answers.add("", patience), PAUSE):
        yield answers


def echoed(peer: Started, body: bytes) -> Answer:
    """Sends a body while its echo is read."""
    began, request = time.monotonic(), message(f"{peer.path}?echo", "POST", body=body)
    with socket.create_connection(("127.0.0.1", peer.port), timeout=PATIENCE) as connection:
        sender = threading.Thread(target=send, args=[connection, request])
        sender.start()
        response = http.client.HTTPResponse(connection)
        try:
            response.begin()
            seen = response.read()
        except TimeoutError:
            return Answer(status=0, seconds=time.monotonic() - began, word="no answer")
        except (OSError, http.client.HTTPException):
            return Answer(status=0, seconds=time.monotonic() - began, word="cut")
        finally:
            connection.close()
            sender.join()
    whole = "" if seen == body else f"{len(seen)} of {len(body)} bytes"
    return Answer(
        status=0 if whole else response.status, seconds=time.monotonic() - began, word=whole
    )


def send(connection: socket.socket, data: bytes) -> None:
    """Ends when its client gives the answer up."""
    try:
        connection.sendall(data)
    except OSError:
        return
