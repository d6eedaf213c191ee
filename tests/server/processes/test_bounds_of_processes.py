"""So many processes and threads an application has, and no more."""

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.harness.cells import Cell
from tests.harness.errorlog import until
from tests.harness.serving import Workshop, running
from tests.harness.site import Site, message, read_reply

pytestmark = pytest.mark.needs("processes")

LOCATION = """
<Location /held>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application held
    SetEnv mod_wsgi.directory "@{{www}}"
    SetEnv mod_wsgi.process held
    SetEnv mod_wsgi.processes {processes}
    SetEnv mod_wsgi.threads {threads}
    SetEnv mod_wsgi.timeout {timeout}
</Location>
"""

APPLICATION = """
import os, threading, time


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    with open("@{scratch}/entered", "a") as noted:
        noted.write("%d-%s " % (os.getpid(), threading.current_thread().ident))
    while os.path.exists("@{scratch}/hold"):
        yield b"."
        time.sleep(0.1)
    yield str(os.getpid()).encode("ascii")
"""

AT_ONCE = 6
PATIENCE = 20.0
FILES = {"held.py": APPLICATION}


def located(processes: int, threads: int, timeout: int = 60) -> str:
    return LOCATION.format(processes=processes, threads=threads, timeout=timeout)


def entered(site: Site) -> list[str]:
    """A word for each request that has begun: its process and its thread."""
    path = site.scratch / "entered"
    return path.read_text().split() if path.exists() else []


def has_settled(site: Site, count: int) -> bool:
    """Whether so many requests have begun, and no more do."""
    assert until(lambda: len(entered(site)) >= count, PATIENCE)
    return not until(lambda: len(entered(site)) > count, 0.5)


@contextmanager
def asking(site: Site, count: int = AT_ONCE) -> Iterator[list[socket.socket]]:
    """So many clients ask at once, and none gets its answer before the block lets it."""
    (site.scratch / "hold").touch()
    connections = [site.connect() for _ in range(count)]
    try:
        for each in connections:
            each.settimeout(PATIENCE)
            each.sendall(message("/held"))
        yield connections
    finally:
        (site.scratch / "hold").unlink(missing_ok=True)
        for each in connections:
            each.close()


def answers(site: Site, connections: list[socket.socket]) -> set[str]:
    """The processes that have answered."""
    (site.scratch / "hold").unlink()
    replies = [read_reply(each) for each in connections]
    assert {reply.status for reply in replies} == {200}
    return {reply.text.strip(".") for reply in replies}


def test_two_processes_of_one_thread_serve_two_at_once(serve: Serve) -> None:
    site = serve(located(processes=2, threads=1), files=FILES, processes=AT_ONCE + 2)
    with asking(site) as connections:
        assert has_settled(site, 2)
        assert len({word.split("-")[0] for word in entered(site)}) == 2
        assert len(site.spawned()) == 2
        assert len(answers(site, connections)) == 2


def test_a_process_of_three_threads_serves_three_at_once(serve: Serve) -> None:
    site = serve(located(processes=1, threads=3), files=FILES, processes=AT_ONCE + 2)
    with asking(site) as connections:
        assert has_settled(site, 3)
        assert len(set(entered(site))) == 3
        assert len(site.spawned()) == 1
        assert len(answers(site, connections)) == 1


def test_a_request_that_no_thread_takes_is_given_up_and_the_process_is_not(serve: Serve) -> None:
    """The other request has sent something all the time.

    Known of the incumbent: #456.
    """
    site = serve(located(processes=1, threads=1, timeout=1), files=FILES, processes=3)
    site.expects(
        r"MW0621: process \d+ of held has not begun /held within 1 s \(mod_wsgi.timeout\)"
    )
    with asking(site, 1) as connections:
        assert until(lambda: entered(site), PATIENCE)
        (before,) = site.spawned()
        assert site.get("/held").status_code == 504
        assert answers(site, connections) == {str(before)}
    assert site.get("/held").text == str(before)


# ---- Starts ----------------------------------------------------------------------------------

STARTS_SLOWLY = '#!/bin/sh\nsleep 4\nexec {program} "$@"\n'
TICKS = os.sysconf("SC_CLK_TCK")


@pytest.fixture
def slow(cell: Cell, module: Path, workshop: Workshop) -> Iterator[Site]:
    """A server whose applications' processes take four seconds to get ready."""
    folder = workshop.folder / f"{cell.name}-slow"
    (folder / "mod_wsgi").mkdir(parents=True)
    shutil.copy(module, folder)
    shutil.copy(module.parent / "mod_wsgi" / "mod_wsgi-spawner", folder / "mod_wsgi")
    (real,) = (module.parent / "mod_wsgi").glob("mod_wsgi-py*")
    program = folder / "mod_wsgi" / real.name
    program.write_text(STARTS_SLOWLY.format(program=real))
    program.chmod(0o755)
    config = located(processes=8, threads=1)
    with running(
        cell, folder / module.name, workshop, config, files=FILES, processes=12
    ) as started:
        yield started
        verdict = started.watch.verdict()
    assert not verdict, verdict
    shutil.rmtree(folder)


def began(pid: int) -> float:
    """When a process began: seconds since the machine did."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]) / TICKS


def test_processes_start_one_two_and_four_in_a_second(slow: Site) -> None:
    """Nine requests wait for eight. The half second is for a machine that is busy."""
    with asking(slow, 9) as connections:
        assert until(lambda: len(slow.spawned()) >= 5, PATIENCE)
        starts = sorted(map(began, slow.spawned()))
        since = [start - starts[0] for start in starts]
        assert sum(each < 0.5 for each in since) == 1
        assert sum(each < 1.5 for each in since) <= 3
        assert sum(each < 2.5 for each in since) <= 7
        assert answers(slow, connections)
