"""Programs that applications start, and copies of the process: their signals and open files.

The models with threads block signals in the threads that serve, and all servers ignore some or
handle them, and have sockets and logs open. Nothing of this is for what an application starts.
"""

import os
import re
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path

from tests.conftest import Serve
from tests.harness.cells import Cell
from tests.harness.errorlog import until
from tests.harness.site import Site, parent_of

CONFIG = """
@{base}
@{applications}
<LocationMatch ^/main/>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.interpreter main_interpreter
</LocationMatch>
<Location /main/starts>
    SetEnv mod_wsgi.application programs::starts
</Location>
<Location /main/told_to_end>
    SetEnv mod_wsgi.application programs::told_to_end
</Location>
<Location /main/pooled>
    SetEnv mod_wsgi.application programs::pooled
</Location>
"""

OPTIONS = {"processes": 1}

EVERYWHERE = ("popen", "popen_with_all_files", "in_thread", "system", "os_popen")
POSIX_SPAWN = ("posix_spawn", "popen_as_posix_spawn")

# What servers handle or ignore, but SIGUSR1: Apache 1.3 sends it to all for a graceful restart.
MEANT_FOR_ALL = {
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGWINCH,
    signal.SIGALRM,
    signal.SIGCHLD,
}


def signals(text: str, name: str) -> set[int]:
    """The numbers of a set of signals, as /proc shows it."""
    found = re.search(rf"^{name}:\s+([0-9a-f]+)$", text, re.MULTILINE)
    assert found, text
    return {number for number in range(1, 65) if int(found[1], 16) >> (number - 1) & 1}


def ways(cell: Cell) -> list[str]:
    new = () if cell.python.version in ("2.6", "2.7", "3.6", "3.7") else POSIX_SPAWN
    return [f"/programs/starts?{way}" for way in (*EVERYWHERE, *new)]


def forks() -> list[str]:
    return [f"/main/starts?{way}" for way in ("spawnv", "fork", *EVERYWHERE)]


def has_signals_of_the_start(told: str) -> bool:
    """Whether a program is deaf to nothing that these tests hear.

    What they ignore, as those that nohup starts do with SIGHUP, the server hears all the same.
    """
    ours = Path("/proc/self/status").read_text()
    ignored = [signals(text, "SigIgn") & MEANT_FOR_ALL for text in (told, ours)]
    return ignored[0] <= ignored[1] and signals(told, "SigBlk") == signals(ours, "SigBlk")


def test_programs_start_with_the_signals_that_the_server_started_with(
    site: Site, cell: Cell
) -> None:
    for path in ways(cell):
        told = site.get(path).text
        assert has_signals_of_the_start(told), path + told


def test_copies_start_with_the_signals_that_the_server_started_with(site: Site) -> None:
    for path in forks():
        told = site.get(path).text
        assert has_signals_of_the_start(told), path + told


def has_three_files(told: str) -> bool:
    return set(re.findall(r"^file (\d+) ", told, re.MULTILINE)) == {"0", "1", "2"}


def test_programs_have_no_open_files_of_the_server(site: Site, cell: Cell) -> None:
    """But for the first three, of which the last is its log."""
    for path in ways(cell):
        told = site.get(path).text
        assert has_three_files(told), path + told


def test_programs_that_copies_become_have_no_open_files_of_the_server(site: Site) -> None:
    for path in forks():
        told = site.get(path).text
        assert has_three_files(told), path + told


def test_programs_end_when_they_are_told_to(site: Site) -> None:
    assert site.get("/programs/told_to_end").json() == [-signal.SIGTERM]


def test_copies_end_when_they_are_told_to(site: Site) -> None:
    """Another interpreter is there already."""
    assert site.get("/main/told_to_end?fork").json() == [-signal.SIGTERM] * 2


def test_a_pool_of_processes_works_and_ends(site: Site) -> None:
    for _ in range(5):
        assert site.get("/main/pooled", timeout=20).json() == list(range(1, 11))


def test_threads_of_the_application_take_no_signal_from_the_server(site: Site) -> None:
    for told in site.get("/programs/thread_signals").json():
        assert signals(told, "SigBlk") >= {*MEANT_FOR_ALL, signal.SIGUSR1}
        assert not signals(told, "SigBlk") & {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT}


def test_a_program_that_is_left_behind_does_not_keep_the_port(serve: Serve) -> None:
    site = serve(CONFIG, processes=1)
    left = site.get("/programs/left_behind").json()
    site.tolerates("signal 9 after")
    try:
        for child in site.processes():
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        os.kill(site.pid, signal.SIGTERM)
        assert until(lambda: can_listen(site), 15)
        assert parent_of(left) is not None, "the program has ended"
    finally:
        with suppress(ProcessLookupError):
            os.kill(left, signal.SIGKILL)


def can_listen(site: Site) -> bool:
    with socket.socket() as listener, suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((site.address, site.port))
        listener.listen()
        return True
    return False


def test_no_signal_of_the_server_is_lost_while_programs_start(serve: Serve) -> None:
    """A graceful restart and an end, again and again, beside threads that start programs."""
    site = serve(CONFIG)
    for _ in range(4):
        assert site.get("/programs/keeps_starting").json() == "begun"
        time.sleep(0.2)
        before = site.children()
        site.restart()
        assert have_ended(site, before)


def have_ended(site: Site, processes: list[int]) -> bool:
    """A child of Apache 1.3 that is told just before accept() ends after its next connection."""

    def are_gone() -> bool:
        gone = all(parent_of(pid) is None for pid in processes)
        if not gone:
            site.connect().close()
        return gone

    return until(are_gone, 15)


CGI = """
LoadModule @{cgi}_module "@{modules}/mod_@{cgi}.so"
@{socket}
ScriptAlias /cgi/ "@{www}/cgi/"
"""

SCRIPT = """#!/bin/sh
echo "a program of the server's own" >&2
echo "Content-Type: text/plain"
echo
cat
"""


def test_the_servers_own_programs_work_beside_python(serve: Serve, cell: Cell) -> None:
    """They have the request's body, the client and the log, in a process that runs Python."""
    found = [name for name in ("cgi", "cgid") if (cell.server.modules / f"mod_{name}.so").exists()]
    values = {
        "cgi": found[0],
        "modules": str(cell.server.modules),
        "socket": "ScriptSock /tmp/mod_wsgi-tests.sock" if found[0] == "cgid" else "",
    }
    site = serve(CGI + CONFIG, values=values, files={"cgi/echo": SCRIPT}, processes=1)
    (site.root / "htdocs/cgi/echo").chmod(0o755)
    assert site.get("/hello/named").text == "hello from named"
    site.tolerates("a program of the server's own")
    for number in range(2):
        assert site.post("/cgi/echo", data=b"a body").text == "a body", number
        site.watch.wait_for("a program of the server's own")
