"""Processes of applications, and the spawner: what a client sees when one of them ends.

The server's restarts are in test_restarts.py.
"""

import os
import signal
import threading
import time
from functools import partial

import pytest

from tests.conftest import Serve
from tests.harness.clients import CLIENTS, asked, goes_on, load
from tests.harness.errorlog import until
from tests.harness.site import Site, parent_of

pytestmark = pytest.mark.needs("processes")

CONFIG = """
@{base}
@{applications}
"""


def have_ended(processes: list[int]) -> bool:
    return not any(map(parent_of, processes))


@pytest.fixture
def site(serve: Serve) -> Site:
    started = serve(CONFIG, processes=2)
    assert not asked(started)
    return started


def test_a_spawner_that_is_killed_costs_no_request(site: Site) -> None:
    site.expects("mod_wsgi-spawner has ended: another one begins")
    with load(site) as answers:
        for _ in range(3):
            goes_on(answers, 20)
            old = site.spawned()
            os.kill(site.spawners()[0], signal.SIGKILL)
            goes_on(answers, 20)
            assert until(partial(have_ended, old), 10), "its processes stay"
            time.sleep(2)  # a spawner that ends as soon as it begins is given up
    assert answers.wrong == []


def test_a_process_that_is_killed_costs_the_requests_in_it_at_most(site: Site) -> None:
    site.expects("signal 9")
    site.tolerates("mod_wsgi: MW0607: process .* serving")
    with load(site) as answers:
        for _ in range(3):
            goes_on(answers, 20)
            os.kill(site.spawned()[0], signal.SIGKILL)
            goes_on(answers, 20)
    assert len(answers.wrong) <= 3 * CLIENTS, answers.wrong
    assert all(each.startswith("502") for each in answers.wrong), answers.wrong


def test_a_process_that_is_killed_while_nobody_asks_costs_nothing(site: Site) -> None:
    site.expects("signal 9")
    for process in site.spawned():
        os.kill(process, signal.SIGKILL)
    site.watch.wait_for("signal 9")
    assert asked(site) == ""


def test_a_process_that_is_terminated_costs_no_request(site: Site) -> None:
    """Which is how to have one replaced by hand."""
    site.tolerates("exit status 0")
    with load(site) as answers:
        for _ in range(3):
            goes_on(answers, 20)
            os.kill(site.spawned()[0], signal.SIGTERM)
            goes_on(answers, 20)
    assert answers.wrong == []


@pytest.mark.parametrize("kind", [signal.SIGUSR1, signal.SIGHUP], ids=["graceful", "hard"])
def test_a_restart_brings_fresh_processes(site: Site, kind: signal.Signals) -> None:
    old, spawners = set(site.spawned()), site.spawners()
    os.kill(site.pid, kind)
    assert until(lambda: not any(map(parent_of, old)), 30), "the old ones stay"
    assert until(lambda: asked(site) == "", 30)
    assert site.spawners() == spawners
    assert not old & set(site.spawned())


def test_a_request_outlives_a_graceful_restart(site: Site) -> None:
    replies: list[int] = []
    client = threading.Thread(
        target=lambda: replies.append(site.ask("/parallel/held?slow").status)
    )
    client.start()
    site.told("slow")
    old = site.spawned()
    os.kill(site.pid, signal.SIGUSR1)
    assert until(lambda: set(site.spawned()) - set(old), 30), "no fresh process came"
    site.go("slow")
    client.join(30)
    assert replies == [200]
    assert until(lambda: not any(map(parent_of, old)), 30), "the old ones stay"
