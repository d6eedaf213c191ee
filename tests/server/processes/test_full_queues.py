"""So many requests wait for an application's processes, and no more: 64 for each."""

import select
import socket
import time

import pytest

from tests.conftest import Serve
from tests.harness.cells import Cell
from tests.harness.errorlog import until
from tests.harness.serving import threads
from tests.harness.site import Site, message

pytestmark = pytest.mark.needs("processes")

CONFIG = """
<Location /full>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application full
    SetEnv mod_wsgi.directory "@{www}"
    SetEnv mod_wsgi.process full
    SetEnv mod_wsgi.processes 1
    SetEnv mod_wsgi.threads 1
</Location>
"""

APPLICATION = """
import os, time


def application(environ, start_response):
    if environ["QUERY_STRING"] == "file":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return environ["wsgi.file_wrapper"](open("@{scratch}/large", "rb"))
    with open("@{scratch}/entered", "a") as noted:
        noted.write("x")
    while os.path.exists("@{scratch}/hold"):
        time.sleep(0.02)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"served"]
"""

REQUESTS = 72


def sent(site: Site) -> socket.socket:
    connection = site.connect()
    connection.sendall(message("/full"))
    return connection


def received(connection: socket.socket) -> bytes:
    with connection:
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_requests_beyond_the_queue_are_refused_at_once(serve: Serve, cell: Cell) -> None:
    """All processes are there and busy. The log tells of it once.

    Known of the incumbent: #777.
    """
    processes = 75 // threads(cell) + 1
    site = serve(CONFIG, files={"full.py": APPLICATION}, processes=processes)
    site.expects(r"MW0615: mod_wsgi.process 'full': all busy, queue full: refused 1, since 64")
    (site.scratch / "hold").touch()
    waiting = [sent(site)]
    assert until((site.scratch / "entered").exists, 20)
    for _ in range(REQUESTS - 1):
        waiting.append(sent(site))
        time.sleep(0.02)
    (site.scratch / "hold").unlink()
    answers = [received(each) for each in waiting]
    served = [each for each in answers if each.endswith(b"served")]
    refused = [each for each in answers if b" 503 " in each.splitlines()[0]]
    assert len(served) + len(refused) == REQUESTS
    assert all(b"\r\nRetry-After: 1\r\n" in each for each in refused)
    assert 64 <= len(served) <= 67
    assert len((site.scratch / "entered").read_text()) == len(served)


def slow_clients(site: Site) -> list[socket.socket]:
    """Downloads that nobody reads. The application has done its part of them."""
    with (site.scratch / "large").open("wb") as large:
        large.truncate(100_000_000)
    slow = []
    for _ in range(REQUESTS):
        slow.append(site.connect())
        slow[-1].sendall(message("/full?file"))
        assert slow[-1].recv(12) == b"HTTP/1.1 200"
    return slow


@pytest.mark.parametrize("is_busy", [False, True])
def test_clients_that_are_slow_do_not_wait_for_a_process(
    serve: Serve, cell: Cell, is_busy: bool
) -> None:
    site = serve(CONFIG, files={"full.py": APPLICATION}, processes=75 // threads(cell) + 1)
    slow = slow_clients(site)
    if is_busy:
        (site.scratch / "hold").touch()
        slow.append(sent(site))
        assert until((site.scratch / "entered").exists, 20)
    with sent(site) as another:
        if is_busy:
            assert not select.select([another], [], [], 0.5)[0]
            (site.scratch / "hold").unlink()
        assert another.recv(12) == b"HTTP/1.1 200"
    for each in slow:
        each.close()
