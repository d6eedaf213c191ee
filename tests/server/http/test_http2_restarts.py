"""HTTP/2 while applications' processes and the server's own end: no stream ends as if whole."""

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.conftest import Serve
from tests.harness.cells import Cell
from tests.harness.errorlog import until
from tests.harness.http2 import CONFIG, Conversation, conversation
from tests.harness.site import Site

pytestmark = [pytest.mark.needs("http2"), pytest.mark.needs("processes")]

STREAMS = (
    CONFIG
    + """
<Location /parts>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application parts
    SetEnv mod_wsgi.directory "@{www}"
</Location>
"""
)
FILES = {
    "parts.py": """
import os, time


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"first"
    for _ in range(100):
        if os.path.exists("@{scratch}/over"):
            break
        time.sleep(0.1)
        yield b"."
    yield b"last"
"""
}
PATIENCE = 20.0


@pytest.fixture
def site(serve: Serve, cell: Cell) -> Site:
    if not (cell.server.modules / "mod_http2.so").is_file():
        pytest.skip("mod_http2: this Apache was built without it")
    values = {"modules": str(cell.server.modules)}
    return serve(STREAMS, files=FILES, values=values, processes=2, deaths=True)


def rest(talk: Conversation) -> None:
    """Until the server closes the connection, or breaks it."""
    talk.connection.settimeout(PATIENCE)
    with suppress(ConnectionError):
        while talk.receive():
            pass


def end_of_process(site: Site) -> None:
    for pid in site.spawned():
        os.kill(pid, signal.SIGKILL)


def hard_restart(site: Site) -> None:
    os.kill(site.pid, signal.SIGHUP)


def stop(site: Site) -> None:
    os.kill(site.pid, signal.SIGTERM)


@pytest.mark.parametrize("what", [end_of_process, hard_restart, stop])
def test_a_stream_that_is_cut_does_not_look_whole(
    site: Site, what: Callable[[Site], None]
) -> None:
    """Beside it another stream is cut, and one that has ended before stays whole."""
    site.tolerates("MW0607|signal 9 after|it is killed|still did not exit|AH")
    with conversation(site) as talk:
        whole = talk.ask("/hello/named")
        cut = [talk.ask("/parts"), talk.ask("/parts")]
        talk.receive_until(lambda: whole.ended and all(b"first." in each.body for each in cut))
        what(site)
        if what is end_of_process:
            talk.finish()
        else:
            rest(talk)
    assert (whole.status, whole.body) == ("200", b"hello from named")
    for each in cut:
        assert each.status == "200"
        assert not each.ended
        assert b"last" not in each.body


def test_streams_under_way_end_whole_after_a_graceful_restart(site: Site) -> None:
    with conversation(site) as talk:
        talk.connection.settimeout(PATIENCE)
        streams = [talk.ask("/parts") for _ in range(3)]
        talk.receive_until(lambda: all(b"first" in each.body for each in streams))
        before = set(site.spawned())
        site.restart()
        assert until(lambda: set(site.spawned()) - before, PATIENCE)
        (site.scratch / "over").touch()
        talk.finish()
    assert {(each.status, each.ended, each.body[-4:]) for each in streams} == {
        ("200", True, b"last")
    }


def test_graceful_restarts_cut_no_answer(site: Site) -> None:
    """Clients ask all the time. An answer that has begun ends whole.

    Streams without a status are not counted: Apache closes some connections whose streams it has
    not begun, with this module and without it (docs/processes.md).
    """
    answered, wrong, over = [0], list[str](), threading.Event()

    def ask() -> None:
        while not over.is_set():
            with conversation(site) as talk:
                for _ in range(5):
                    talk.ask("/hello/named")
                rest_of(talk)
            for number, stream in talk.streams.items():
                if stream.ended and (stream.status, stream.body) == ("200", b"hello from named"):
                    answered[0] += 1
                elif stream.status or stream.ended:
                    wrong.append(f"{number}, last {talk.last}: {stream}")

    clients = [threading.Thread(target=ask) for _ in range(3)]
    for each in clients:
        each.start()
    for _ in range(3):
        goes_on(answered)
        before = site.spawned()
        site.restart()
        assert has_swapped(site, before)
    goes_on(answered)
    over.set()
    for each in clients:
        each.join(PATIENCE)
    assert wrong == []


def goes_on(answered: list[int]) -> None:
    wanted = answered[0] + 20
    assert until(lambda: answered[0] >= wanted, PATIENCE)


def has_swapped(site: Site, before: list[int]) -> bool:
    return bool(until(lambda: not set(before) & set(site.spawned()), PATIENCE))


def rest_of(talk: Conversation) -> None:
    """Until all streams are over, or the server closes the connection."""
    with suppress(ConnectionError):
        while not all(each.is_over for each in talk.streams.values()) and talk.receive():
            pass
