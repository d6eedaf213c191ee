"""mod_wsgi.interpreters and mod_wsgi.gil: one application in several interpreters, at once."""

import os
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Serve
from tests.harness import extension, limits
from tests.harness.cells import Cell
from tests.harness.errorlog import until
from tests.harness.serving import Workshop
from tests.harness.site import Site, parent_of

POOL = """
SetEnv mod_wsgi.directory "@{apps}"
SetEnv tests.scratch "@{scratch}"
<Location /pool>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.interpreters 3
    SetEnv mod_wsgi.interpreter pool
</Location>
<Location /pool/who>
    SetEnv mod_wsgi.application parallel::who
</Location>
<Location /pool/held>
    SetEnv mod_wsgi.application parallel::held
</Location>
<Location /alone>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.interpreter alone
    SetEnv mod_wsgi.application parallel::who
</Location>
"""

OWN = """
SetEnv mod_wsgi.directory "@{apps}:@{extension}:@{www}"
SetEnv tests.scratch "@{scratch}"
<Location /own>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.gil own
    SetEnv mod_wsgi.interpreters 2
    SetEnv mod_wsgi.interpreter own
</Location>
<Location /own/who>
    SetEnv mod_wsgi.application parallel::who
</Location>
<Location /own/computes>
    SetEnv mod_wsgi.application parallel::computes
</Location>
<Location /own/helpers>
    SetEnv mod_wsgi.application parallel::helpers
</Location>
<Location /own/daemon>
    SetEnv mod_wsgi.application parallel::leaves_a_daemon
</Location>
<Location /own/refused>
    SetEnv mod_wsgi.application ensures::application
</Location>
<Location /own/imports>
    SetEnv mod_wsgi.application importing
</Location>
<Location /own/holds>
    SetEnv mod_wsgi.application parallel::holds_the_lock
</Location>
<Location /pair>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.interpreters 2
    SetEnv mod_wsgi.interpreter pair
</Location>
<Location /pair/who>
    SetEnv mod_wsgi.application parallel::who
</Location>
<Location /pair/holds>
    SetEnv mod_wsgi.application parallel::holds_the_lock
</Location>
<Location /shared>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.interpreter shared
    SetEnv mod_wsgi.application parallel::computes
</Location>
<Location /alone>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.interpreter alone
</Location>
<Location /alone/who>
    SetEnv mod_wsgi.application parallel::who
</Location>
<Location /alone/holds>
    SetEnv mod_wsgi.application parallel::holds_the_lock
</Location>
<Location /disagrees>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.interpreter shared
    SetEnv mod_wsgi.gil own
    SetEnv mod_wsgi.application parallel::who
</Location>
<Location /main>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.interpreter main_interpreter
    SetEnv mod_wsgi.gil own
    SetEnv mod_wsgi.application parallel::who
</Location>
"""


FILES = {"importing.py": "import gilstate\n"}


@pytest.fixture
def own(serve: Serve, cell: Cell, workshop: Workshop) -> Site:
    built = extension.build(cell, workshop.folder / cell.name / "extension")
    return serve(OWN, processes=1, files=FILES, values={"extension": str(built)})


@contextmanager
def held(site: Site, *names: str) -> Iterator[list[Any]]:
    """Requests that stay inside of the pool; what each said is there in the end."""
    told: list[Any] = []
    with ThreadPoolExecutor(len(names)) as pool:
        replies = []
        for name in names:
            replies.append(pool.submit(site.get, f"/pool/held?{name}"))
            site.told(name)
        try:
            yield told
        finally:
            for name in names:
                site.go(name)
            told.extend(reply.result().json() for reply in replies)


@pytest.mark.needs("threads")
def test_requests_at_the_same_time_are_in_different_interpreters(serve: Serve) -> None:
    site = serve(POOL, processes=1)
    with held(site, "a", "b", "c") as told:
        pass
    assert len({each["interpreter"] for each in told}) == 3
    assert len({each["pid"] for each in told}) == 1


@pytest.mark.needs("threads")
def test_a_request_goes_to_the_least_busy_interpreter(serve: Serve) -> None:
    site = serve(POOL, processes=1)
    with held(site, "a", "b") as told:
        others = [site.get("/pool/who").json() for _ in range(10)]
    busy = {each["interpreter"] for each in told}
    assert len(busy) == 2
    assert not busy & {each["interpreter"] for each in others}
    assert len({each["interpreter"] for each in others}) == 1


@pytest.mark.needs("threads")
def test_a_full_pool_is_shared(serve: Serve) -> None:
    site = serve(POOL, processes=1)
    with held(site, "a", "b", "c", "d", "e") as told:
        pass
    assert len({each["interpreter"] for each in told}) == 3


def test_a_pool_grows_only_when_it_has_to(serve: Serve) -> None:
    site = serve(POOL, processes=1)
    assert len({site.get("/pool/who").json()["interpreter"] for _ in range(10)}) == 1


@pytest.mark.needs("threads")
def test_applications_of_a_pool_know_that_there_are_more_of_them(serve: Serve) -> None:
    """As processes would be: what one keeps in memory the others do not see."""
    site = serve("ServerLimit 1\n" + POOL, processes=1)
    assert site.get("/alone").json()["multiprocess"] is False
    assert site.get("/pool/who").json()["multiprocess"] is True


def test_below_3_12_an_own_lock_is_one_warning_and_a_shared_lock(cell: Cell, own: Site) -> None:
    for _ in range(3):
        assert own.get("/own/who").status_code == 200
    told = [line for line in own.watch.lines() if "mod_wsgi.gil 'own' needs Python 3.12" in line]
    assert len(told) == (1 if limits.reason(cell.traits, "own-lock") else 0)


@pytest.mark.needs("own-lock")
def test_programs_and_threads_work_under_an_own_lock(own: Site) -> None:
    for _ in range(3):
        assert own.get("/own/helpers").json() == ["daemon", "program", "thread"]


@pytest.mark.needs("own-lock")
def test_an_extension_that_refuses_is_reported_with_what_to_set(own: Site) -> None:
    own.expects("set mod_wsgi.interpreter to .*mod_wsgi.gil to shared|mod_wsgi.gil")
    own.tolerates("can't be loaded")
    own.expects_traceback("ImportError: module gilstate does not support loading in subinterp")
    assert own.get("/own/imports").status_code == 500
    own.watch.wait_for("mod_wsgi.gil")


@pytest.mark.needs("own-lock")
def test_an_extension_that_refuses_later_is_reported_with_what_to_set(own: Site) -> None:
    """Many applications import what they need with the first request that needs it."""
    own.expects("mod_wsgi.gil")
    own.tolerates("raised an exception")
    own.expects_traceback("ImportError: module gilstate does not support loading in subinterp")
    assert own.get("/own/refused").status_code == 500
    own.watch.wait_for("mod_wsgi.gil")


@pytest.mark.needs("own-lock")
def test_two_applications_must_agree_about_the_lock(own: Site) -> None:
    assert own.get("/shared?1").status_code == 200
    own.expects("mod_wsgi.gil 'own' is not possible: the interpreter 'shared' was made with")
    assert own.get("/disagrees").status_code == 500


@pytest.mark.needs("own-lock")
def test_the_main_interpreter_has_no_lock_of_its_own(own: Site) -> None:
    own.expects("mod_wsgi.gil 'own' is not possible in main_interpreter")
    assert own.get("/main").status_code == 500


@pytest.mark.needs("own-lock")
def test_a_busy_daemon_thread_under_an_own_lock_ends_with_its_process(
    serve: Serve, workshop: Workshop
) -> None:
    site = serve(OWN, processes=2, files=FILES, values={"extension": str(workshop.folder)})
    site.get("/own/daemon")
    children = site.processes()
    site.restart()
    assert until(lambda: all(parent_of(pid) is None for pid in children), 15)


def is_held_up(site: Site, path: str, by: str) -> bool:
    """Whether a request waits for another that never gives its lock up."""
    name = by.strip("/").replace("/", "-")
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(site.get, f"{by}?{name}", timeout=60)
        site.told(name)
        assert site.get(path, timeout=60).status_code == 200
        answer = busy.done()
        assert busy.result().status_code == 200
    return answer


@pytest.mark.needs("own-lock", "threads")
def test_two_own_locks_do_not_wait_for_each_other(own: Site) -> None:
    """Once both are made: a free-threaded Python stops all threads to import an extension."""
    effort(own, "/own/computes?100")
    assert not is_held_up(own, "/own/who", by="/own/holds")


@pytest.mark.needs("shared-lock", "threads")
def test_two_interpreters_that_share_a_lock_wait_for_each_other(own: Site) -> None:
    own.get("/pair/who")
    assert is_held_up(own, "/pair/who", by="/pair/holds")


@dataclass(frozen=True, kw_only=True)
class Effort:
    """What eight requests by so many clients took."""

    seconds: float
    processor: float


def effort(site: Site, path: str, clients: int = 2) -> Effort:
    site.get(path, timeout=60)  # processes of its own begin with the first request
    begin, used = time.monotonic(), processor_seconds(site)
    with ThreadPoolExecutor(clients) as pool:
        replies = list(pool.map(lambda _: site.get(path, timeout=60), range(8)))
    assert {reply.status_code for reply in replies} == {200}
    return Effort(seconds=time.monotonic() - begin, processor=processor_seconds(site) - used)


def processor_seconds(site: Site) -> float:
    """Of all processes that have Python."""
    stats = [Path(f"/proc/{pid}/stat").read_text() for pid in site.processes()]
    fields = [stat.rpartition(")")[2].split() for stat in stats]
    return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")


@pytest.mark.needs("free-threads", "threads")
def test_two_free_threads_of_an_interpreter_do_not_wait_for_each_other(own: Site) -> None:
    own.get("/alone/who")
    assert not is_held_up(own, "/alone/who", by="/alone/holds")


def told_ratios(
    cell: Cell, capsys: pytest.CaptureFixture[str], pairs: list[tuple[Effort, Effort]]
) -> list[float]:
    """How much more the second of each pair does at once, by processor time; prints both."""
    clock = [one.seconds / two.seconds for one, two in pairs]
    work = [2 * one.processor / two.processor for one, two in pairs]
    with capsys.disabled():
        for meaning, ratios in (("by the clock", clock), ("by processor time", work)):
            print(f"\n{cell.name}, {meaning}: {' '.join(f'{ratio:.2f}' for ratio in ratios)}")
    return work


@pytest.mark.slow
@pytest.mark.needs("own-lock", "shared-lock", "threads")
def test_two_own_locks_do_nearly_twice_the_work_of_a_shared_one(
    own: Site, cell: Cell, capsys: pytest.CaptureFixture[str]
) -> None:
    """The clock tells it on idle processors only; processor time does, too, where others work.

    For the same work two own locks need as much of it as a shared one, but of two processors.
    """
    for path in ("/own/computes", "/shared"):
        effort(own, f"{path}?1")
    pairs = [(effort(own, "/shared?700"), effort(own, "/own/computes?700")) for _ in range(5)]
    work = told_ratios(cell, capsys, pairs)
    assert statistics.median(work) >= 1.7


@pytest.mark.slow
@pytest.mark.needs("free-threads", "threads")
def test_two_free_threads_of_an_interpreter_do_nearly_twice_the_work_of_one(
    own: Site, cell: Cell, capsys: pytest.CaptureFixture[str]
) -> None:
    """As above: two requests at once need hardly more processor time than one after the other."""
    effort(own, "/shared?1")
    pairs = [(effort(own, "/shared?700", 1), effort(own, "/shared?700")) for _ in range(5)]
    work = told_ratios(cell, capsys, pairs)
    assert statistics.median(work) >= 1.7
