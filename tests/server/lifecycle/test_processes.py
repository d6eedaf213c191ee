"""Processes and threads: many requests at once, restarts under load, and a clean end."""

import os
import signal
import threading
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
from tests.harness.site import Site, parent_of, session


def test_requests_at_the_same_time_get_their_own_answers(site: Site) -> None:
    def ask(number: int) -> bool:
        return site.ask(f"/respond/query?{number}").text == str(number)

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(ask, range(300)))


def test_uploads_at_the_same_time_are_not_mixed(site: Site) -> None:
    def send(number: int) -> bool:
        body = bytes([number]) * 20_000
        return site.ask("/bodies/read_all", method="POST", body=body).body == body

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(send, range(60)))


def test_a_slow_request_does_not_hold_up_another(site: Site) -> None:
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(site.get, "/streams/does_its_work_slowly?held-up")
        site.told("held-up")
        assert site.get("/hello/named").text == "hello from named"
        site.go("held-up")
        assert slow.result().text == "done"


@pytest.mark.needs("threads")
def test_threads_of_a_process_serve_at_the_same_time(serve: Serve) -> None:
    """Python's lock is given up while an application waits: one process, two answers."""
    site = serve(processes=1)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(site.get, "/streams/does_its_work_slowly?threads")
        site.told("threads")
        assert site.get("/hello/named").text == "hello from named"
        site.go("threads")
        assert slow.result().text == "done"


def test_thread_locals_live_on_between_requests(serve: Serve) -> None:
    """A thread of the server is the same thread to Python in every request."""
    site = serve(processes=1)
    seen: dict[int, int] = {}
    for _ in range(30):
        told = site.get("/states/local").json()
        assert told["count"] == seen.get(told["thread"], 0) + 1
        seen[told["thread"]] = told["count"]


def test_an_application_may_start_threads(site: Site) -> None:
    assert site.get("/states/thread").json()["done"] == ["worked"]


def test_the_application_runs_as_an_unprivileged_user(site: Site) -> None:
    uid = site.get("/states/process").json()["uid"]
    assert uid != 0
    assert uid == os.geteuid() or os.geteuid() == 0


def test_the_python_inside_is_the_one_of_the_cell(site: Site, cell: Cell) -> None:
    told = site.get("/states/process").json()
    assert told["release"] == cell.python.release.removesuffix("+").split("rc")[0].split("b")[0]


@contextmanager
def light_load(site: Site) -> Iterator[list[str]]:
    """Asks again and again from two clients; gives what went wrong."""
    ended = threading.Event()
    wrong: list[str] = []
    answers = []

    def ask() -> None:
        client = session()
        while not ended.is_set():
            try:
                answer = client.get(f"{site.url}/respond/a_generator", timeout=10).text
            except requests.RequestException as error:
                answer = repr(error)
            answers.append(answer)
            if answer != "a generator":
                wrong.append(answer)

    clients = [threading.Thread(target=ask) for _ in range(2)]
    for client in clients:
        client.start()
    try:
        yield wrong
        # A busy machine may have let few through: the load goes on until it was one.
        until(lambda: len(answers) > 20, 30)
    finally:
        ended.set()
        for client in clients:
            client.join(20)
    assert len(answers) > 20, "the load was no load"


def test_graceful_restarts_lose_no_request(serve: Serve) -> None:
    site = serve()
    with light_load(site) as wrong:
        for _ in range(3):
            time.sleep(0.3)
            restart_and_wait(site)
            time.sleep(0.3)
    assert wrong == []


def restart_and_wait(site: Site) -> None:
    before = set(site.children())
    site.restart()
    assert until(lambda: set(site.children()) - before, 10), "no new process came"


def test_a_restarted_server_loads_changed_applications(serve: Serve) -> None:
    """New processes start with a fresh Python: nothing of the old one is left."""
    site = serve(processes=1)
    before = site.get("/states/mark?marked").json()
    site.restart()
    assert until(lambda: site.get("/states/mark").json()["pid"] != before["pid"], 10)
    assert site.get("/states/mark").json()["before"] is None


def test_a_request_under_way_survives_a_graceful_restart(serve: Serve) -> None:
    site = serve()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(site.get, "/streams/does_its_work_slowly?restart")
        site.told("restart")
        site.restart()
        time.sleep(1)
        site.go("restart")
        assert slow.result().text == "done"


def test_no_process_is_left_when_the_server_stops(serve: Serve) -> None:
    site = serve()
    for _ in range(8):
        site.get("/hello/named")
    processes = {*site.children(), *site.processes()}
    os.kill(site.pid, signal.SIGTERM)
    assert until(lambda: all(parent_of(pid) is None for pid in processes), 15)
    assert processes


@pytest.mark.needs("python-in-the-module")
def test_a_child_that_reached_its_number_of_requests_ends_cleanly(serve: Serve) -> None:
    site = serve("MaxRequestsPerChild 3\n@{base}\n@{applications}", processes=2)
    seen = {site.get("/states/process").json()["pid"] for _ in range(20)}
    assert len(seen) > 2


def test_a_child_that_never_served_python_never_started_it(serve: Serve) -> None:
    """Python starts with the first request for us; those who never ask pay nothing."""
    site = serve("DocumentRoot @{www}\n@{base}\n@{applications}", files={"plain.txt": "plain"})
    assert site.get("/plain.txt").text == "plain"
    try:
        maps = [Path(f"/proc/{pid}/maps").read_text() for pid in site.children()]
    except PermissionError:
        pytest.skip("CAP_SYS_PTRACE is missing here, to look into processes of another user")
    assert maps
    assert not any("lib-dynload" in each or "encodings" in each for each in maps)
