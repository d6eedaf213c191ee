"""A process of an application that nobody uses ends, and no request is lost by that."""

import threading
import time

import pytest

from tests.conftest import Serve
from tests.harness.errorlog import until
from tests.harness.site import Site, exists

pytestmark = pytest.mark.needs("processes")

CONFIG = """
<Location /idle>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application idle
    SetEnv mod_wsgi.directory "@{www}"
    SetEnv mod_wsgi.process idle
    SetEnv mod_wsgi.idle 1
    SetEnv mod_wsgi.threads 1
    SetEnv mod_wsgi.processes 3
</Location>
"""

APPLICATION = """
import os, time


def application(environ, start_response):
    time.sleep(float(environ["QUERY_STRING"] or "0"))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode("ascii")]
"""

PATIENCE = 20.0


def started(serve: Serve) -> Site:
    return serve(CONFIG, files={"idle.py": APPLICATION})


def asked(site: Site, seconds: float = 0) -> int:
    answer = site.get(f"/idle?{seconds}")
    assert answer.status_code == 200
    return int(answer.text)


def test_a_process_that_nobody_uses_ends(serve: Serve) -> None:
    """The server's child still has a connection to it. A request that takes longer is no end."""
    site = started(serve)
    first = asked(site, 1.5)
    assert exists(first)
    assert until(lambda: not exists(first), PATIENCE)
    assert asked(site) != first


def test_no_request_is_lost_while_processes_come_and_go(serve: Serve) -> None:
    """Each thread asks again about when the process is to end."""
    site = started(serve)
    asked(site)
    seen: list[int] = []
    end = time.monotonic() + 6

    def ask(number: int) -> None:
        pause = 0.9 + number * 0.04
        while time.monotonic() < end:
            seen.append(asked(site, 0.01))
            time.sleep(pause)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(seen) >= 6 * 4
    assert until(lambda: not any(map(exists, set(seen))), PATIENCE)


def test_more_requests_at_once_are_more_processes(serve: Serve) -> None:
    """The server's children already have connections to the first one, and ask for another.

    The requests come one after the other. In the same instant two children may choose the same
    process: docs/processes.md says so.
    """
    site = started(serve)
    for _ in range(5):
        asked(site)
    seen: list[int] = []

    def ask() -> None:
        seen.append(asked(site, 3))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for each in threads:
        each.start()
        time.sleep(0.2)
    for each in threads:
        each.join()
    assert len(set(seen)) == 3
