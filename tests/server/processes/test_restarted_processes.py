"""Restarts lose no request, and replace applications' processes."""

import os
import signal
import threading
import time

import pytest

from tests.conftest import Serve
from tests.harness.clients import goes_on, load
from tests.harness.config import DEFAULT
from tests.harness.errorlog import until
from tests.harness.site import Site, parent_of, words_of

pytestmark = pytest.mark.needs("processes")

CONFIG = DEFAULT
OPTIONS = {"processes": 2, "deaths": True}

PATIENCE = 15.0


def restart_and_wait(site: Site) -> None:
    """Gracefully. Applications have fresh processes when this returns."""
    before = set(site.spawned())
    site.restart()
    assert until(lambda: not before & set(site.spawned()), PATIENCE), "a process has stayed"


def configuration_told(spawner: int) -> str:
    """The number that tells configurations apart, among the arguments of a spawner."""
    return words_of(spawner)[3]


def test_three_graceful_restarts_lose_no_request(site: Site) -> None:
    """Known of the incumbent: #124, #255, #697, #929."""
    with load(site, "/dying/pid") as answers:
        goes_on(answers, 20)
        for _ in range(3):
            restart_and_wait(site)
            goes_on(answers, 20)
    assert answers.wrong == []


def test_a_request_under_way_is_answered_after_a_graceful_restart(site: Site) -> None:
    """Known of the incumbent: #383."""
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
    with load(site, "/dying/pid") as answers:
        goes_on(answers, 20)
        (spawner,) = site.spawners()
        os.kill(spawner, signal.SIGKILL)
        assert until(lambda: site.spawners() not in ([], [spawner]), PATIENCE)
        goes_on(answers, 20)
    assert answers.wrong == []


def test_a_second_spawner_is_told_of_the_configuration_that_the_server_runs_with(
    site: Site,
) -> None:
    """Whatever the files say by then: nobody has restarted the server."""
    site.expects("mod_wsgi-spawner has ended: another one begins")
    (spawner,), path = site.spawners(), site.root / "httpd.conf"
    told, config = configuration_told(spawner), path.read_text()
    try:
        path.write_text(f"{config}\nServerAdmin another@example.com\n")
        os.kill(spawner, signal.SIGKILL)
        assert until(lambda: site.spawners() not in ([], [spawner]), PATIENCE)
    finally:
        path.write_text(config)
    assert [configuration_told(pid) for pid in site.spawners()] == [told]


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
    assert until(lambda: not any(map(parent_of, processes)), PATIENCE)
    assert time.monotonic() - started < PATIENCE
    assert site.get("/dying/pid").status_code == 200


def test_a_server_whose_processes_are_idle_stops_within_seconds(serve: Serve) -> None:
    """The threaded models of old servers take some ten seconds by themselves.

    Known of the incumbent: #925.
    """
    site = serve(processes=1)
    assert site.get("/dying/pid").status_code == 200
    everyone = [site.pid, *site.spawners(), *site.spawned()]
    os.kill(site.pid, signal.SIGTERM)
    assert until(lambda: not any(map(parent_of, everyone)), PATIENCE)
