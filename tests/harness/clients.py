"""Clients that ask a server without a break while a test does something to it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.harness.errorlog import until
from tests.harness.site import Site

HELLO = "/hello/application"
CLIENTS = 4
PAUSE = 0.01


@dataclass(kw_only=True)
class Answers:
    """What the clients have got so far."""

    right: int = 0
    wrong: list[str] = field(default_factory=list)


@contextmanager
def asking(ask: Callable[[], object], pause: float = PAUSE) -> Iterator[None]:
    """Clients do this again and again, until the block ends."""
    ended = threading.Event()

    def go_on() -> None:
        while not ended.is_set():
            ask()
            time.sleep(pause)

    clients = [threading.Thread(target=go_on) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        yield
    finally:
        ended.set()
        for client in clients:
            client.join(30)


@contextmanager
def load(site: Site, path: str = HELLO) -> Iterator[Answers]:
    """Clients ask, one request after the other, until the block ends."""
    answers, lock = Answers(), threading.Lock()

    def ask() -> None:
        problem = asked(site, path)
        with lock:
            if problem:
                answers.wrong.append(problem)
            else:
                answers.right += 1

    with asking(ask):
        yield answers


def asked(site: Site, path: str = HELLO) -> str:
    """What went wrong with a request. Empty if nothing did."""
    try:
        reply = site.ask(path)
    except Exception as error:  # noqa: BLE001  (http.client has many words for a closed connection)
        return repr(error)
    return "" if reply.status == 200 else f"{reply.status} {reply.body!r}"


def goes_on(answers: Answers, count: int) -> None:
    """Waits for so many more answers."""
    wanted = answers.right + count
    assert until(lambda: answers.right >= wanted, 30), answers
