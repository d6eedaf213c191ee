"""Restarts lose no request, and replace applications' processes."""

import os
import signal
import threading
import time
from dataclasses import dataclass, field
from typing import Self

import pytest

from tests.harness.config import DEFAULT
from tests.harness.errorlog import until
from tests.harness.site import Site

pytestmark = pytest.mark.needs("processes")

CONFIG = DEFAULT
OPTIONS = {"processes": 2, "deaths": True}

PATIENCE = 15.0


@dataclass(kw_only=True)
class Clients:
    """Threads that ask without a break. Not frozen: answers are added."""

    site: Site
    statuses: list[int] = field(default_factory=list)
    is_over: bool = False

    def ask(self) -> None:
        while not self.is_over:
            self.statuses.append(self.site.ask("/dying/pid").status)

    def __enter__(self) -> Self:
        self.threads = [threading.Thread(target=self.ask) for _ in range(3)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over = True
        for thread in self.threads:
            thread.join()

    def go_on(self, count: int = 20) -> None:
        """Waits for so many more answers."""
        before = len(self.statuses)
        assert until(lambda: len(self.statuses) >= before + count, PATIENCE)


def restart_and_wait(site: Site) -> None:
    """Gracefully. Applications have fresh processes when this returns."""
    before = set(site.spawned())
    site.restart()
    assert until(lambda: not before & set(site.spawned()), PATIENCE), "a process has stayed"


def test_three_graceful_restarts_lose_no_request(site: Site) -> None:
    with Clients(site=site) as clients:
        clients.go_on()
        for _ in range(3):
            restart_and_wait(site)
            clients.go_on()
    assert set(clients.statuses) == {200}


def test_a_request_under_way_is_answered_after_a_graceful_restart(site: Site) -> None:
    answers: list[bytes] = []
    name = "over-a-restart"
    thread = threading.Thread(
        target=lambda: answers.append(site.get(f"/dying/slow?{name}").content)
    )
    thread.start()
    old = int(site.told(name))
    site.restart()
    assert until(lambda: int(site.get("/dying/pid").text) != old, PATIENCE)
    site.go(name)
    thread.join()
    assert answers == [b"whole"]
    assert until(lambda: old not in site.spawned(), PATIENCE)


def test_a_hard_restart_keeps_the_spawner_and_replaces_the_processes(site: Site) -> None:
    before, spawners = int(site.get("/dying/pid").text), site.spawners()
    os.kill(site.pid, signal.SIGHUP)
    assert until(lambda: before not in site.spawned(), PATIENCE)
    assert site.get("/dying/pid").status_code == 200
    assert site.spawners() == spawners


def test_a_killed_spawner_loses_no_request(site: Site) -> None:
    site.expects("mod_wsgi-spawner has ended: another one begins")
    with Clients(site=site) as clients:
        clients.go_on()
        (spawner,) = site.spawners()
        os.kill(spawner, signal.SIGKILL)
        assert until(lambda: site.spawners() not in ([], [spawner]), PATIENCE)
        clients.go_on()
    assert set(clients.statuses) == {200}


def test_processes_that_are_killed_while_idle_lose_no_request(site: Site) -> None:
    for _ in range(3):
        site.expects(r"process \d+ of \S+: signal 9 after")
        assert site.get("/dying/pid").status_code == 200
        for pid in site.spawned():
            os.kill(pid, signal.SIGKILL)
        assert site.get("/dying/pid").status_code == 200


def test_no_process_is_left_when_spawner_and_server_are_gone(site: Site) -> None:
    """A process that has lost its spawner ends when no request is under way."""
    site.expects("mod_wsgi-spawner has ended: another one begins")
    assert site.get("/dying/pid").status_code == 200
    (spawner,), processes = site.spawners(), site.spawned()
    os.kill(spawner, signal.SIGKILL)
    started = time.monotonic()
    assert until(lambda: not [pid for pid in processes if is_running(pid)], PATIENCE)
    assert time.monotonic() - started < PATIENCE
    assert site.get("/dying/pid").status_code == 200


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
