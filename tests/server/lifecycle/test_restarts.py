"""Restarts under load: the server reads its configuration anew, its module too, again and again.

A restart unloads mod_wsgi.so from the parent and loads it again, and replaces every child. What a
module forgets then shows only after many: memory that grows, a process that stays, a crash of one
that was just starting. A file that the server sends by itself is asked for beside the application:
what a restart does to both is the server's own affair.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from tests.conftest import Serve
from tests.harness.errorlog import until
from tests.harness.site import Site, memory, parent_of, running_processes

CONFIG = """
DocumentRoot "@{www}"
@{base}
@{applications}
"""
FILES = {"plain.txt": "a static file"}

# What is asked for, what must come back: one of ours, one of the server's own.
OURS = ("/respond/a_generator", b"a generator")
STATIC = ("/plain.txt", b"a static file")

GRACEFUL = signal.SIGUSR1
HARD = signal.SIGHUP

# Between two requests of a client: the load is to be there, not to be high.
PAUSE = 0.02

# Before a hard restart, so that requests to processes whose Python runs are what it meets.
REST = 2.0

# The first restarts fill caches and pools; from here on the parent is to stay as it is.
SETTLED = 10
MOST_GROWTH = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A request that went wrong, and when it was under way."""

    what: str
    began: float
    ended: float


@dataclass(kw_only=True)
class Answers:
    """What one client has seen; it is alone to write here while the load lasts."""

    right: int = 0
    wrong: list[Failure] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Load:
    """Requests that go on in the background, for the application and for the static file."""

    ours: tuple[Answers, ...]
    static: tuple[Answers, ...]

    @property
    def is_real(self) -> bool:
        """Every client had answers: a busy machine may keep one waiting through the restarts."""
        return all(answers.right > 5 for answers in (*self.ours, *self.static))

    @property
    def wrong_of_ours(self) -> list[Failure]:
        return [each for answers in self.ours for each in answers.wrong]

    @property
    def wrong_of_static(self) -> list[Failure]:
        return [each for answers in self.static for each in answers.wrong]


@contextmanager
def load(site: Site) -> Iterator[Load]:
    """Two clients ask for the application, two for the file, one request after the other."""
    ended = threading.Event()
    made = Load(ours=(Answers(), Answers()), static=(Answers(), Answers()))

    def ask(path: str, expected: bytes, answers: Answers) -> None:
        while not ended.is_set():
            began = time.monotonic()
            problem = asked(site, path, expected)
            if problem:
                failure = Failure(what=problem, began=began, ended=time.monotonic())
                answers.wrong.append(failure)
            else:
                answers.right += 1
            time.sleep(PAUSE)

    clients = [threading.Thread(target=ask, args=(*OURS, answers)) for answers in made.ours]
    clients += [threading.Thread(target=ask, args=(*STATIC, answers)) for answers in made.static]
    for client in clients:
        client.start()
    try:
        yield made
        until(lambda: made.is_real, 10)
    finally:
        ended.set()
        for client in clients:
            client.join(30)
    assert made.is_real, "the load was no load"


def asked(site: Site, path: str, expected: bytes) -> str:
    """What went wrong with one request on a connection of its own; empty if nothing did."""
    try:
        reply = site.ask(path)
    except OSError as error:
        return repr(error)
    except Exception as error:  # noqa: BLE001  (http.client has many words for a closed connection)
        return repr(error)
    return (
        "" if (reply.status, reply.body) == (200, expected) else f"{reply.status} {reply.body!r}"
    )


@dataclass(frozen=True, kw_only=True)
class Restart:
    """One restart: when the server was told, when it had new processes, its memory at the end."""

    told: float
    replaced: float
    resident: int


def restart(site: Site, kind: signal.Signals) -> Restart:
    """One restart, and the wait until a new process answers for the application."""
    before, told = set(site.children()), time.monotonic()
    os.kill(site.pid, kind)
    assert until(lambda: set(site.children()) - before, 30), "no new process came"
    replaced = time.monotonic()
    assert until(lambda: not asked(site, *OURS), 30), "the new processes do not answer"
    time.sleep(PAUSE)
    return Restart(told=told, replaced=replaced, resident=memory(site.pid, "VmRSS"))


def offspring(site: Site) -> list[int]:
    """Every process of the server's group: children, and what has lost its parent."""
    return [pid for pid in running_processes() if pid != site.pid and group_of(pid) == site.pid]


def group_of(pid: int) -> int | None:
    try:
        return os.getpgid(pid) if parent_of(pid) is not None else None
    except ProcessLookupError:
        return None


def restart_many(
    site: Site, kind: signal.Signals, count: int, rest: float = 0.0
) -> tuple[Load, list[Restart]]:
    restarts = []
    with load(site) as requests:
        for _ in range(count):
            time.sleep(rest)
            restarts.append(restart(site, kind))
    return requests, restarts


def unexplained(answers: Answers, restarts: list[Restart]) -> list[Failure]:
    """The failures of a client but for one at each restart.

    That one was under way when the server was told, or began before it had new processes.
    """
    left = list(answers.wrong)
    for each in restarts:
        cut = (one for one in left if one.began < each.replaced and one.ended > each.told)
        first = next(cut, None)
        if first:
            left.remove(first)
    return left


def assert_nothing_is_left(site: Site, children: int) -> None:
    """Old processes end when their last request has; new ones are as many as at the beginning."""
    assert until(lambda: len(offspring(site)) <= children, 30), offspring(site)
    assert set(offspring(site)) == set(site.children())


@pytest.fixture
def restarted(serve: Serve) -> Site:
    """A server that has answered for both, so that Python is in its children."""
    site = serve(CONFIG, files=FILES, processes=2)
    assert not asked(site, *OURS)
    assert not asked(site, *STATIC)
    return site


def test_the_server_survives_graceful_restarts_under_load(restarted: Site) -> None:
    children = len(restarted.children())
    requests, _ = restart_many(restarted, GRACEFUL, 5)
    assert requests.wrong_of_ours == []
    assert_nothing_is_left(restarted, children)


@pytest.mark.slow
def test_a_hundred_graceful_restarts_leave_no_trace(
    restarted: Site, request: pytest.FixtureRequest
) -> None:
    """And cost no request, unless the server loses requests for a file of its own too."""
    children = len(restarted.children())
    requests, restarts = restart_many(restarted, GRACEFUL, 100)
    tell(request, requests, restarts)
    assert len(requests.wrong_of_ours) <= len(requests.wrong_of_static), requests
    assert_memory_is_flat(restarts)
    assert_nothing_is_left(restarted, children)


@pytest.mark.slow
def test_twenty_hard_restarts_leave_no_trace(
    restarted: Site, request: pytest.FixtureRequest
) -> None:
    """Each cuts the requests under way, and no other.

    Without a rest between them more of ours are cut than of the file's: the first request to a
    process takes longer, since Python starts and the application is imported.
    """
    children = len(restarted.children())
    requests, restarts = restart_many(restarted, HARD, 20, REST)
    tell(request, requests, restarts)
    for answers in (*requests.ours, *requests.static):
        assert unexplained(answers, restarts) == []
    assert_memory_is_flat(restarts)
    assert_nothing_is_left(restarted, children)


def assert_memory_is_flat(restarts: list[Restart]) -> None:
    resident = [each.resident for each in restarts]
    assert resident[-1] - resident[SETTLED - 1] < MOST_GROWTH, resident


def tell(request: pytest.FixtureRequest, load: Load, restarts: list[Restart]) -> None:
    """The numbers, for whoever reads the report of a run (--junit-xml)."""
    request.node.user_properties += [
        ("requests", sum(answers.right for answers in load.ours)),
        ("requests-failed", len(load.wrong_of_ours)),
        ("static-requests", sum(answers.right for answers in load.static)),
        ("static-requests-failed", len(load.wrong_of_static)),
        ("memory-settled", restarts[SETTLED - 1].resident),
        ("memory-at-end", restarts[-1].resident),
    ]
