"""Customers who fill the machine, where each has a cgroup: the others notice nothing.

The server is one that systemd has started with Delegate=yes and DelegateSubgroup=server.
"""

from collections.abc import Iterator

import pytest

from tests.conftest import Serve
from tests.harness import cgroups, hosting
from tests.harness.accounts import ALICE, MALLORY
from tests.harness.cgroups import Cgroup
from tests.harness.errorlog import until
from tests.harness.hosting import Hosting
from tests.harness.site import Site

pytestmark = [
    cgroups.needed,
    pytest.mark.needs("processes"),
    pytest.mark.usefixtures("customers"),
]

CODE = """
import os
import signal
import time


def fill(megabytes):
    kept = b"x" * (megabytes << 20)
    time.sleep(600)
    return kept


def fork(count, then):
    made = []
    try:
        for _ in range(count):
            pid = os.fork()
            if pid == 0:
                then()
                os._exit(0)
            made.append(pid)
    except OSError:
        pass
    return made


def end(pids):
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    return [os.waitpid(pid, 0)[1] for pid in pids]


def killed():
    "Of five processes with 64 MB each."
    pids = fork(5, lambda: fill(64))
    ended, _ = os.wait()
    pids.remove(ended)
    return len(end(pids))


def bomb():
    pids = fork(1000, lambda: time.sleep(600))
    end(pids)
    return len(pids)


def application(environ, start_response):
    told = {"/killed": killed, "/bomb": bomb}.get(environ["PATH_INFO"], lambda: "well")()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(told).encode("ascii")]
"""

LIMITS = "processes=2 memory=80 nproc=40"


@pytest.fixture
def cgroup(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cgroup]:
    monkeypatch.setenv("MOD_WSGI_LIMITS", LIMITS)
    with cgroups.made() as given:
        given.mark()
        (given.path / "server").mkdir()
        with given.inside("server"):
            yield given


@pytest.fixture
def site(cgroup: Cgroup, serve: Serve) -> Site:
    assert cgroup.path.exists()
    site = serve(hosting.CONFIG)
    for owner, name in ((ALICE, "alice"), (MALLORY, "mallory")):
        Hosting.of(site).application(owner, name, CODE)
    return site


def test_each_customer_has_a_cgroup(site: Site, cgroup: Cgroup) -> None:
    assert site.get("/alice/x").text == site.get("/mallory/x").text == "well"
    apart = cgroup.pids(f"customers/{ALICE}"), cgroup.pids(f"customers/{MALLORY}")
    assert set.union(*apart) == set(site.spawned())
    assert all(apart)
    assert cgroup.pids("server") >= {site.pid, *site.children(), *site.spawners()}


def test_a_customer_who_fills_the_memory_disturbs_nobody(site: Site, cgroup: Cgroup) -> None:
    site.expects(f"MW0750: .* processes of the user {ALICE}: together they have the 160 MB")
    assert site.get("/mallory/x").text == "well"
    mallorys = cgroup.pids(f"customers/{MALLORY}")
    assert int(site.get("/alice/killed").text) < 5
    assert site.get("/mallory/x").text == "well"
    assert cgroup.pids(f"customers/{MALLORY}") == mallorys


def test_a_customer_who_forks_for_ever_disturbs_nobody(site: Site, cgroup: Cgroup) -> None:
    assert site.get("/mallory/x").text == "well"
    assert int(site.get("/alice/bomb").text) < 40
    assert cgroup.read(ALICE, "pids.max") == "40"
    assert site.get("/mallory/x").text == "well"


def test_a_restart_replaces_processes_in_their_cgroup(site: Site, cgroup: Cgroup) -> None:
    assert site.get("/alice/x").text == "well"
    before = cgroup.pids(f"customers/{ALICE}")
    site.restart()
    assert until(lambda: not before & cgroup.pids(f"customers/{ALICE}"), 30.0)
    assert site.get("/alice/x").text == "well"
    assert cgroup.pids(f"customers/{ALICE}") == set(site.spawned())
