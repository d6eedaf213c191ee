"""Copies of a process that applications fork: what they are given, and where they end.

Each test asks an interpreter that is not Python's first one before: in such a process Python's
own way to make a copy hangs or ends it.
"""

import os
import re
import signal
import socket
from contextlib import suppress

import pytest

from tests.conftest import Serve
from tests.harness.cells import Cell
from tests.harness.errorlog import until
from tests.harness.site import Site, parent_of

OPTIONS = {"processes": 1}

NAMES = (
    *("exits", "returns", "raises", "streams", "uses_the_request", "starts_threads"),
    *("from_a_thread", "listens", "stays", "handles_signals", "processes"),
    *("prepares_programs", "starts_programs"),
)

CONFIG = "@{base}\n@{applications}\n" + "".join(
    f"""
<Location /main/{name}>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application forking::{name}
    SetEnv mod_wsgi.interpreter main_interpreter
</Location>
"""
    for name in NAMES
)

OWN_LOCK = """
<Location /own/named>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application hello::named
    SetEnv mod_wsgi.interpreter own
    SetEnv mod_wsgi.gil own
</Location>
"""


def ask(site: Site, name: str) -> str:
    """The answer of an application in Python's first interpreter, when there is another one."""
    assert site.get("/hello/named").text == "hello from named"
    reply = site.get(f"/main/{name}", timeout=30)
    assert reply.status_code == 200, reply.text
    assert site.get("/hello/named").text == "hello from named"
    return reply.text


def is_free(port: int) -> bool:
    """Whether a server could be started on this port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@pytest.mark.parametrize(("code", "status"), [("nothing", 0), ("3", 3)])
def test_a_copy_ends_with_the_code_of_sys_exit(site: Site, code: str, status: int) -> None:
    assert site.get("/hello/named").status_code == 200
    told = site.get(f"/main/exits?{code}", timeout=30).json()
    assert told["ending"] == status
    assert told["pid"] in site.processes()


def test_words_for_sys_exit_are_logged_by_the_copy(site: Site) -> None:
    site.expects("last words")
    assert site.get("/main/exits?words", timeout=30).json()["ending"] == 1


def test_a_copy_that_returns_a_response_ends_and_sends_none(site: Site) -> None:
    assert re.fullmatch(r'\{"pid": \d+, "ending": 0\}', ask(site, "returns"))


def test_what_a_copy_raises_is_logged(site: Site) -> None:
    site.expects("in a copy of the process, which it forked, the application raised an exception")
    site.expects_traceback("ValueError: in the copy")
    assert '"ending": 1' in ask(site, "raises")


def test_a_copy_made_in_the_middle_of_a_response_sends_nothing_of_it(site: Site) -> None:
    assert ask(site, "streams") == "before;after;0"


def test_a_copy_is_refused_what_is_its_originals_request(site: Site) -> None:
    site.expects("the copy logs")
    told = ask(site, "uses_the_request")
    assert "wsgi.input was used in a copy of the process: the request is the original's" in told


def test_a_copy_may_start_threads(site: Site) -> None:
    assert '"said": "worked", "ending": 7' in ask(site, "starts_threads")


def test_a_copy_made_by_a_thread_ends_with_it(site: Site) -> None:
    assert '"ending": 0' in ask(site, "from_a_thread")


@pytest.mark.needs("python-in-the-module")
def test_a_copy_has_none_of_the_servers_listening_sockets(site: Site) -> None:
    """One that the application has opened stays open."""
    assert site.get("/hello/named").status_code == 200
    told = site.get("/main/listens", timeout=30).json()
    assert set(told["here"]) > {told["own"]}
    assert told["said"] == told["own"]


def test_a_copy_that_lives_on_does_not_keep_the_servers_port(serve: Serve) -> None:
    site = serve(CONFIG, processes=1)
    copy = site.get("/main/stays", timeout=30).json()["copy"]
    site.tolerates("Bad file descriptor: AH03092")  # event stops while a connection lingers
    try:
        assert parent_of(copy) in site.processes()
        os.kill(site.pid, signal.SIGTERM)
        assert until(lambda: parent_of(site.pid) is None, 15)
        assert parent_of(copy) is not None
        assert until(lambda: is_free(site.port), 5), "the copy listens to the server's port"
    finally:
        with suppress(ProcessLookupError):
            os.kill(copy, signal.SIGKILL)


def test_a_copy_may_handle_signals(site: Site) -> None:
    """They are its own: only the server's processes are steered with them."""
    assert '"said": "True", "ending": 7' in ask(site, "handles_signals")


def test_multiprocessing_makes_copies(site: Site) -> None:
    assert ask(site, "processes") == "[25, 0]"


@pytest.mark.needs("own-lock")
def test_copies_are_made_beside_interpreters_with_a_lock_of_their_own(serve: Serve) -> None:
    site = serve(CONFIG + OWN_LOCK, processes=1)
    for _ in range(5):
        assert site.get("/own/named").text == "hello from named"
        assert ask(site, "processes") == "[25, 0]"


def test_a_program_can_be_prepared_by_a_copy(site: Site) -> None:
    assert ask(site, "prepares_programs") == '["prepared", 0]'


@pytest.mark.parametrize("place", ["main", "forking"])
def test_programs_are_started_from_any_interpreter(site: Site, place: str) -> None:
    assert site.get("/hello/named").status_code == 200
    told = site.get(f"/{place}/starts_programs", timeout=30).json()
    assert told[:3] == ["subprocess", "popen", 5]
    assert told[3:] in ([], [6])


def test_a_fork_in_another_interpreter_says_what_to_set(site: Site, cell: Cell) -> None:
    """Python 3.8, and from 3.12 on, itself refuses; before, nothing is in the way."""
    told = site.get("/programs/forked").json()
    minor = int(cell.python.version.split(".")[1]) if cell.python.version[0] == "3" else 0
    if minor < 8:
        assert told == {"status": 7}
    elif 8 < minor < 12:
        site.expects("forks in the interpreter 'tests'.*set mod_wsgi.interpreter to main_int")
        assert told == {"status": 1}
    else:
        assert "subinterpreter" in told["refused"]
    assert site.get("/hello/named").text == "hello from named"
