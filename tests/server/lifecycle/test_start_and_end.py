"""Python's start in a process, and its end: what may go wrong, and what must not take the server.

A child that cannot start Python goes on serving everything else. A child that ends gives threads
and functions registered with atexit their time, but not more than the bound, and never crashes:
the harness fails every test whose server logs the violent end of a process.
"""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.conftest import Serve
from tests.harness.cells import Cell
from tests.harness.errorlog import until
from tests.harness.serving import CONNECTIONS_END, SLOW_TO_STOP, Workshop
from tests.harness.site import Site, message, parent_of

# wsgi_stop() waits five seconds; Apache's parent kills after ten.
BOUND = 9.0

# Nobody has waited for those five seconds.
PROMPT = 4.5

CONFIG = """
DocumentRoot "@{www}"
@{base}
@{applications}
<Location /other/sleeps>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application endings::sleeps
    SetEnv mod_wsgi.interpreter other
</Location>
<Location /other/at_exit>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application endings::at_exit
    SetEnv mod_wsgi.interpreter other
</Location>
<Location /own/computes>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application endings::computes
    SetEnv mod_wsgi.interpreter own
    SetEnv mod_wsgi.gil own
</Location>
<Location /buffered>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application hello::named
    SetEnv mod_wsgi.buffer_body on
</Location>
<Location /main/at_exit>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application endings::at_exit
    SetEnv mod_wsgi.interpreter main_interpreter
</Location>
<Location /main/spawned>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application programs::spawned
    SetEnv mod_wsgi.interpreter main_interpreter
</Location>
"""

FILES = {"plain.txt": "plain"}


# ---- the start


def start_fails(site: Site, line: str) -> None:
    """Every request for Python is a 500, one line says why, the processes live and serve."""
    site.expects(line)
    site.tolerates("Fatal Python error|ModuleNotFoundError|ImportError|Traceback")
    before = site.children()
    assert [site.get("/hello/named").status_code for _ in range(3)] == [500, 500, 500]
    assert site.get("/plain.txt").text == "plain"
    told = [each for each in site.watch.lines() if "Python" in each and "can't be started" in each]
    assert len(told) == 1, told
    assert site.children() == before


def test_a_home_that_is_no_python_is_said(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOD_WSGI_PYTHON_HOME", "/nonexistent/python")
    site = serve(CONFIG, files=FILES, processes=1)
    start_fails(site, "can't be started: .*MOD_WSGI_PYTHON_HOME is '/nonexistent/python'")


def test_a_home_without_a_standard_library_is_said(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, workshop: Workshop, version: str
) -> None:
    home = workshop.folder / "empty-home"
    (home / "lib" / f"python{version}" / "lib-dynload").mkdir(parents=True, exist_ok=True)
    (home / "lib" / f"python{version}" / "os.py").write_text("")
    monkeypatch.setenv("MOD_WSGI_PYTHON_HOME", str(home))
    start_fails(serve(CONFIG, files=FILES, processes=1), "can't be started: .*empty-home")


def test_the_right_home_is_used(serve: Serve, monkeypatch: pytest.MonkeyPatch, cell: Cell) -> None:
    home = str(cell.python.stdlib.parent.parent)
    monkeypatch.setenv("MOD_WSGI_PYTHON_HOME", home)
    site = serve(CONFIG, files=FILES, processes=1)
    assert site.get("/states/process").json()["prefix"] == home


def copied_home(workshop: Workshop, cell: Cell, sitecustomize: str) -> Path:
    """The cell's own Python, linked file by file, with a sitecustomize of ours."""
    home = workshop.folder / f"{cell.name}-home"
    library = home / "lib" / cell.python.stdlib.name
    shutil.rmtree(home, ignore_errors=True)
    (library / "site-packages").mkdir(parents=True)
    for entry in cell.python.stdlib.iterdir():
        if entry.name not in ("site-packages", "dist-packages", "sitecustomize.py"):
            (library / entry.name).symlink_to(entry)
    (library / "sitecustomize.py").write_text(sitecustomize)
    return home


def test_a_sitecustomize_that_raises_is_logged_and_stops_nothing(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, workshop: Workshop, cell: Cell
) -> None:
    home = copied_home(workshop, cell, "raise ValueError('raised by sitecustomize')\n")
    monkeypatch.setenv("MOD_WSGI_PYTHON_HOME", str(home))
    site = serve(CONFIG, files=FILES, processes=1)
    site.tolerates("sitecustomize")
    site.expects("ValueError: raised by sitecustomize|(Error in|import) .?sitecustomize")
    assert site.get("/hello/named").text == "hello from named"


def test_a_sitecustomize_that_leaves_takes_no_process_along(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, workshop: Workshop, cell: Cell
) -> None:
    home = copied_home(workshop, cell, "import sys\nsys.exit(3)\n")
    monkeypatch.setenv("MOD_WSGI_PYTHON_HOME", str(home))
    site = serve(CONFIG, files=FILES, processes=1)
    before = site.children()
    site.expects("can't be made, because site raised:")
    site.expects_traceback("SystemExit: 3")
    assert site.get("/hello/named").status_code == 500
    assert site.children() == before


# ---- the end


def stop(site: Site) -> float:
    """How long the processes need to end after the server was told to."""
    time.sleep(CONNECTIONS_END)
    processes, begin = {*site.children(), *site.processes()}, time.monotonic()
    os.kill(site.pid, signal.SIGTERM)
    assert until(lambda: all(parent_of(pid) is None for pid in processes), 20)
    return time.monotonic() - begin


@pytest.mark.parametrize("path", ["/endings/at_exit", "/other/at_exit", "/main/at_exit"])
def test_functions_for_the_end_run_when_the_server_stops(serve: Serve, path: str) -> None:
    site = serve(CONFIG, files=FILES, processes=1)
    site.get(f"{path}?stopped")
    assert stop(site) < BOUND
    assert site.told("stopped") == "ran"


def test_functions_for_the_end_run_on_a_graceful_restart(serve: Serve) -> None:
    site = serve(CONFIG, files=FILES, processes=1)
    site.get("/endings/at_exit?restarted")
    site.restart()
    assert site.told("restarted") == "ran"


def test_an_end_that_has_begun_is_not_cut_short_by_a_stop(serve: Serve) -> None:
    """The process is on its way out already when the server tells all of them to end."""
    site = serve(CONFIG, files=FILES, processes=1)
    site.tolerates("scoreboard is full")  # while an old process has the only place
    site.get("/endings/takes_its_time_at_exit?begun")
    site.restart()
    site.told("begun")
    assert stop(site) < BOUND
    assert site.told("begun") == "begun\nended"


def test_threads_are_waited_for_when_the_server_stops(serve: Serve) -> None:
    site = serve(CONFIG, files=FILES, processes=1)
    site.get("/endings/thread?waited-for")
    site.go("waited-for")
    assert stop(site) < BOUND
    assert site.told("waited-for") == "ended by itself"


@pytest.mark.parametrize("name", ["endless_thread", "slow_at_exit", "daemon"])
def test_nothing_holds_the_end_up_longer_than_the_bound(
    serve: Serve, cell: Cell, name: str
) -> None:
    """The old threaded servers wait five seconds before that; their parents may kill then."""
    site = serve(CONFIG, files=FILES, processes=1)
    site.get(f"/endings/{name}")
    if (cell.server.line, cell.server.mpm) in SLOW_TO_STOP:
        site.tolerates("still did not exit, sending a SIGKILL")
        assert stop(site) < BOUND + 5
    else:
        assert stop(site) < BOUND


@pytest.mark.parametrize("name", ["endless_thread", "slow_at_exit", "daemon"])
def test_nothing_holds_a_graceful_restart_up(serve: Serve, name: str) -> None:
    site = serve(CONFIG, files=FILES, processes=1)
    site.tolerates("scoreboard is full")  # while an old process has the only place
    site.get(f"/endings/{name}")
    children = site.children()
    site.restart()
    assert until(lambda: all(parent_of(pid) is None for pid in children), BOUND + 3)
    assert until(lambda: site.get("/hello/named").text == "hello from named", 5)


def test_a_thread_that_goes_on_writing_to_the_log_makes_no_end_a_crash(serve: Serve) -> None:
    site = serve(CONFIG, files=FILES, processes=1)
    site.tolerates("still talking|scoreboard is full")
    for _ in range(5):
        assert site.get("/endings/talkative").text == "started"
        children = site.children()
        site.restart()
        assert until(lambda: all(parent_of(pid) is None for pid in children), BOUND + 3)  # noqa: B023
        assert until(lambda: site.get("/hello/named").text == "hello from named", 5)


@pytest.mark.parametrize(
    "path", ["/endings/sleeps", "/endings/computes", "/endings/streams", "/other/sleeps"]
)
def test_a_request_under_way_does_not_make_the_end_a_crash(serve: Serve, path: str) -> None:
    """The server's parent has the last word: it kills who has not ended after ten seconds."""
    site = serve(CONFIG, files=FILES, processes=1)
    site.tolerates("still did not exit|sending a SIGKILL|could not make child")
    with under_way(site, path):
        assert stop(site) < 15


@contextmanager
def under_way(site: Site, path: str) -> Iterator[None]:
    """A request that ends with the process, and not before."""
    with ThreadPoolExecutor(1) as pool:
        request = pool.submit(site.get, f"{path}?under-way", timeout=30)
        site.told("under-way")
        yield
        with pytest.raises(requests.RequestException):
            request.result()


@pytest.mark.needs("end-beside-a-request")
@pytest.mark.parametrize(
    "path",
    [
        "/endings/sleeps",
        "/other/sleeps",
        *(
            pytest.param(path, marks=pytest.mark.needs("shared-lock"))
            for path in (
                "/endings/computes",
                "/endings/computes_beside_another",
                "/endings/streams",
            )
        ),
    ],
)
def test_functions_for_the_end_run_beside_a_request_under_way(serve: Serve, path: str) -> None:
    """Such a process ends within a signal's handler, which interrupts the request anywhere."""
    site = serve(CONFIG, files=FILES, processes=1)
    with under_way(site, path):
        assert stop(site) < PROMPT
    assert site.told("under-way.end") == "ran"


@pytest.mark.needs("end-beside-a-request")
def test_a_body_that_is_read_beforehand_holds_no_end_up(serve: Serve) -> None:
    site = serve(CONFIG, files=FILES, processes=1)
    site.get("/endings/at_exit?stopped")
    with site.connect() as connection:
        announced = {"Content-Length": "100"}
        connection.sendall(message("/buffered", "POST", announced) + b"not all of it")
        assert stop(site) < PROMPT
    assert site.told("stopped") == "ran"


@pytest.mark.needs("end-beside-a-request", "own-lock")
def test_functions_for_the_end_run_beside_a_request_with_a_lock_of_its_own(serve: Serve) -> None:
    """It goes on when all is done, as it does without any lock: until it is late."""
    site = serve(CONFIG, files=FILES, processes=1)
    with under_way(site, "/own/computes"):
        assert stop(site) < BOUND
    assert site.told("under-way.end") == "ran"


@pytest.mark.needs("end-beside-a-request")
def test_a_request_that_keeps_the_lock_holds_the_end_up_no_longer_than_the_bound(
    serve: Serve,
) -> None:
    site = serve(CONFIG, files=FILES, processes=1)
    with under_way(site, "/endings/keeps_the_lock"):
        assert stop(site) < BOUND


def test_many_short_lives_end_without_a_crash(serve: Serve) -> None:
    """Busy daemon threads in three interpreters, while process after process ends.

    A free-threaded Python 3.13 makes interpreters slowly beside threads that are always busy: its
    locks give the processor up forty times before they wait.
    """
    site = serve("MaxRequestsPerChild 3\n" + CONFIG, files=FILES, processes=2)
    site.tolerates("scoreboard is full")  # while those that end have all places
    seen = set()
    for number in range(24):
        path = ("/endings/daemon", "/other/at_exit", "/main/at_exit")[number % 3]
        assert site.get(f"{path}?short-{number}", timeout=60).status_code == 200
        seen.update(site.children())
    assert len(seen) > 3


# ---- programs and signals


def test_an_application_starts_programs(serve: Serve) -> None:
    site = serve(CONFIG, files=FILES, processes=1)
    told = site.get("/programs/program").json()
    assert (told["parent"], told["status"]) == (told["pid"], 3)


@pytest.mark.needs("spawn")
@pytest.mark.parametrize("path", ["/programs/spawned", "/main/spawned"])
def test_multiprocessing_spawns(serve: Serve, path: str) -> None:
    site = serve(CONFIG, files=FILES, processes=1)
    assert site.get(path, timeout=40).json() == [1, 4, 9]


def test_an_application_takes_no_signal_from_the_server(serve: Serve) -> None:
    site = serve(CONFIG, files=FILES, processes=1)
    assert site.get("/programs/handles_signals").text == "handled"
    site.watch.wait_for("call of signal.signal.. has no effect")
    before = site.children()
    site.restart()
    assert until(lambda: not set(before) & set(site.children()), 12)
    assert site.get("/programs/handles_signals").text == "handled"
    assert stop(site) < BOUND


def test_an_application_ends_no_process_by_an_alarm(serve: Serve) -> None:
    """It was told that its handler has no effect: the default would be to end the process."""
    site = serve(CONFIG, files=FILES, processes=1)
    before = site.children()
    assert site.get("/programs/alarmed").json() == [0, [0.0, 0.0]]
    site.watch.wait_for("call of signal.alarm.. has no effect")
    site.watch.wait_for("call of signal.setitimer.. has no effect")
    assert site.children() == before


def test_the_c_part_of_signal_has_no_effect_either(serve: Serve) -> None:
    site = serve(CONFIG, files=FILES, processes=1)
    before = site.children()
    assert site.get("/programs/handles_signals_in_c").json() == [0, 0]
    site.watch.wait_for("call of signal.signal.. has no effect")
    site.watch.wait_for("call of signal.alarm.. has no effect")
    assert site.children() == before


@pytest.mark.parametrize("first", ["/hello/named", "/main/at_exit?interrupted"])
def test_an_application_interrupts_nobody(serve: Serve, first: str) -> None:
    """Python's main thread is not the application's: what it does next is for all of them."""
    site = serve(CONFIG, files=FILES, processes=1)
    before = site.children()
    site.get(first)
    assert site.get("/programs/interrupts").text == "interrupted"
    assert site.get("/other/at_exit?afterwards").status_code == 200
    assert site.children() == before
