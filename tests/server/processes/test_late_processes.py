"""Processes that are to end and do not: they are killed, and the log says why."""

import os
import signal
import socket

import pytest

from tests.conftest import Serve
from tests.harness.errorlog import until
from tests.harness.site import Site, message, receive_until

pytestmark = pytest.mark.needs("processes")

CONFIG = """
<Location /late>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application late
    SetEnv mod_wsgi.directory "@{www}"
    SetEnv mod_wsgi.process late
    SetEnv mod_wsgi.processes 1
    SetEnv mod_wsgi.threads 2
    SetEnv mod_wsgi.timeout %d
</Location>
"""

APPLICATION = """
import atexit, os, signal, time


def stop():
    if os.path.exists("@{scratch}/stop"):
        os.kill(os.getpid(), signal.SIGSTOP)


atexit.register(stop)


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield ("%d," % os.getpid()).encode("ascii")
    while environ["QUERY_STRING"] == "goes-on" and not os.path.exists("@{scratch}/over"):
        time.sleep(0.1)
        yield b"."
"""

FILES = {"late.py": APPLICATION}
PATIENCE = 20.0
MOST = 8  # processes of a group that may be about to end, however few it may have


def started(serve: Serve, timeout: int) -> Site:
    return serve(CONFIG % timeout, files=FILES, processes=MOST + 4, deaths=True)


def pid(site: Site) -> int:
    return int(site.get("/late").text.strip(","))


def begun(site: Site) -> tuple[socket.socket, int]:
    """A request that goes on, and its process."""
    connection = site.connect()
    connection.sendall(message("/late?goes-on"))
    return connection, int(receive_until(connection, b",").split()[-1].strip(b",."))


def rest_of(connection: socket.socket) -> bytes:
    with connection:
        connection.settimeout(PATIENCE)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def swap(site: Site, old: int) -> None:
    """Has a fresh process take the place of an old one."""
    (spawner,) = site.spawners()
    os.kill(spawner, signal.SIGHUP)
    assert until(lambda: pid(site) != old, PATIENCE)


def expect(site: Site, process: int, why: str) -> None:
    site.expects(rf"MW0708: process {process} of \S+/late {why}: it is killed")


def has_gone(site: Site, process: int) -> bool:
    return bool(until(lambda: process not in site.spawned(), PATIENCE))


def test_a_request_that_never_ends_is_cut_after_a_restart(serve: Serve) -> None:
    """After the one second of mod_wsgi.timeout, and five seconds more."""
    site = started(serve, timeout=1)
    connection, old = begun(site)
    expect(site, old, "has not ended its requests in 6 s")
    site.expects(rf"process {old} of late has ended, serving /late")
    site.restart()
    assert until(lambda: pid(site) != old, PATIENCE)
    assert not rest_of(connection).endswith(b"0\r\n\r\n")
    assert has_gone(site, old)


def test_a_process_that_stops_at_its_end_is_killed(serve: Serve) -> None:
    """It has no request then. The server waits six seconds."""
    site = started(serve, timeout=3)
    old = pid(site)
    expect(site, old, "does not end, though it has no request")
    (site.scratch / "stop").touch()
    site.restart()
    assert has_gone(site, old)
    (site.scratch / "stop").unlink()
    assert pid(site) != old


def test_processes_with_requests_do_not_pile_up_over_restarts(serve: Serve) -> None:
    site = started(serve, timeout=60)
    requests = []
    for _ in range(MOST + 1):
        requests.append(begun(site))
        assert len({process for _, process in requests}) == len(requests)
        swap(site, requests[-1][1])
    (first, old), *others = requests
    expect(site, old, "is one too many of those that end")
    site.expects(rf"process {old} of late has ended, serving /late")
    assert not rest_of(first).endswith(b"0\r\n\r\n")
    assert has_gone(site, old)
    assert {process for _, process in others} <= set(site.spawned())
    (site.scratch / "over").touch()
    assert all(rest_of(each).endswith(b"0\r\n\r\n") for each, _ in others)
