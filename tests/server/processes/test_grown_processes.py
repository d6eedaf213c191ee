"""A process of an application that needs too much memory is replaced, and no request is lost."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.conftest import Serve
from tests.harness.errorlog import until
from tests.harness.site import Site

pytestmark = pytest.mark.needs("processes")

CONFIG = """
<Location /grown>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application grown
    SetEnv mod_wsgi.directory "@{www}"
    SetEnv mod_wsgi.process grown
    SetEnv mod_wsgi.threads 4
    SetEnv mod_wsgi.processes 1
    SetEnv mod_wsgi.memory 64
</Location>
"""

LOADS = """
loaded = [b"x" * (1 << 20) for _ in range(70)]
"""

APPLICATION = """
import os

kept = []


def application(environ, start_response):
    size = int(environ["QUERY_STRING"] or "0")
    pieces = [b"x" * (1 << 20) for _ in range(size)]
    kept.extend(pieces)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("%d %d" % (os.getpid(), len(kept))).encode("ascii")]
"""

PATIENCE = 20.0
GROWN = (
    r"MW0618: the process has (\d+) MB of memory, more than the 64 that mod_wsgi.memory, or "
    r"memory= in MOD_WSGI_LIMITS, allows: another takes its place"
)


def started(serve: Serve) -> Site:
    return serve(CONFIG, files={"grown.py": APPLICATION})


def asked(site: Site, megabytes: int = 0) -> tuple[int, int]:
    answer = site.get(f"/grown?{megabytes}")
    assert answer.status_code == 200, answer.text
    pid, kept = answer.text.split()
    return int(pid), int(kept)


@contextmanager
def asking(site: Site, answers: list[int]) -> Iterator[None]:
    """Others ask all the time."""
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            answers.append(site.get("/grown").status_code)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for each in threads:
        each.start()
    try:
        yield
    finally:
        over.set()
        for each in threads:
            each.join()


def test_a_process_that_has_grown_is_replaced_and_no_request_is_lost(serve: Serve) -> None:
    site = started(serve)
    first, _ = asked(site)
    answers: list[int] = []
    with asking(site, answers):
        assert asked(site, 70) == (first, 70)
        assert until(lambda: asked(site)[0] != first, PATIENCE)
        assert until(lambda: first not in site.spawned(), PATIENCE)
    line = re.search(GROWN, "\n".join(site.watch.lines()))
    assert line
    assert 70 < int(line[1]) < 110
    assert answers.count(200) == len(answers) > 20
    assert len(site.spawned()) == 1


def test_an_application_that_does_not_fit_is_not_loaded_again_and_again(serve: Serve) -> None:
    site = serve(CONFIG, files={"grown.py": LOADS + APPLICATION})
    first, _ = asked(site)
    assert until(lambda: asked(site)[0] != first, PATIENCE)
    line = r"MW0741: process (\d+) of \S+/grown has more .+ it has loaded: it stays for 2 min"
    assert until(lambda: re.search(line, "\n".join(site.watch.lines())), PATIENCE)
    second, _ = asked(site)
    assert not until(lambda: asked(site)[0] != second, 2.5)


def test_a_process_below_its_bound_stays(serve: Serve) -> None:
    site = started(serve)
    first, _ = asked(site, 20)
    assert not until(lambda: asked(site)[0] != first, 2.5)


def test_at_twice_its_bound_an_application_gets_a_memory_error(serve: Serve) -> None:
    """Nobody else is the worse for it."""
    site = started(serve)
    first, _ = asked(site)
    site.expects_traceback("MemoryError")
    assert site.get("/grown?400").status_code == 500
    assert asked(site) == (first, 0)
