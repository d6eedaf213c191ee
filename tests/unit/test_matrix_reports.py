"""What a run of the matrix says: its verdicts, its exit status, its reports."""

import signal
import sys
import threading
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from command import Problem
from matrix import (
    CellFailed,
    Unavailable,
    containers,
    failures,
    local,
    page,
    progress,
    reports,
    results,
    schedule,
    suite,
    tested,
    verdict,
    work,
)
from matrix.cells import Cell
from matrix.failures import Failure
from matrix.progress import Progress
from matrix.results import Report, Result
from matrix.verdict import Verdict
from tests.harness.errorlog import until

CELL = Cell(line="2.4", mpm="event", python="3.14t", suite="sid")


def entry(**facts: Any) -> dict[str, Any]:
    known = {
        "cell": CELL.plain,
        "apache": "2.4.71",
        "python": "3.14.2",
        "passed": 9,
        "failed": 0,
        "not_run": 2,
        "reasons": {"no threads": 2},
        "reason": None,
    }
    return {"cells": [{**known, **facts}]}


def result(state: str, name: str = "apache2.4-event-py3.14", **facts: Any) -> Result:
    row, _, column = name.rpartition("-")
    known = {"reason": "" if state in ("passed", "built") else f"why {state}"}
    return Result(cell=name, row=row, column=column, state=state, **{**known, **facts})


def report(*ended: Result, **facts: Any) -> Report:
    known = {
        "started": "2026-01-02 03:04 UTC",
        "seconds": 61.0,
        "where": "Docker 1",
        "revision": "abc",
        "verb": "run",
    }
    return Report(results=ended, **{**known, **facts})


def test_a_cell_passes_when_its_tests_ran_and_passed() -> None:
    told = verdict.judge(CELL, entry(), 0)
    assert (told.reason, told.passed, told.left_out) == ("", 9, 2)
    assert told.left_out_reasons == ("2 x no threads",)


def test_a_verdict_names_the_tests_that_passed_only_when_run_again() -> None:
    again = [f"tests/server/test_a.py::test_b[{CELL.plain}-x]"]
    told = verdict.judge(CELL, entry(passed_again=again), 0)
    assert told.again == ("tests/server/test_a.py::test_b[x]",)


@pytest.mark.parametrize(
    ("grid", "status", "reason"),
    [
        ({"cells": []}, 0, "another cell"),
        (entry(cell="apache2.4-prefork-py3.14t"), 0, "another cell"),
        (entry(reason="no Python.h"), 0, "not tested: no Python.h"),
        (entry(apache="2.4.70"), 0, "Apache 2.4.70 was tested instead of 2.4.71"),
        (entry(python="3.1.4"), 0, "Python 3.1.4 was tested instead of 3.14"),
        (entry(failed=3), 1, "3 of 12 tests failed"),
        (entry(passed=0), 0, "no test ran"),
        (entry(), 2, "pytest ended with status 2"),
    ],
)
def test_a_cell_that_was_not_tested_is_never_green(
    grid: dict[str, Any], status: int, reason: str
) -> None:
    assert reason in verdict.judge(CELL, grid, status, "2.4.71").reason


@pytest.mark.parametrize(
    ("ended", "status"),
    [
        (["passed", "passed"], results.PASSED),
        (["built"], results.PASSED),
        (["passed", "excluded"], results.PASSED),
        (["passed", "failed"], results.FAILED),
        (["passed", "not run"], results.FAILED),
        (["passed", "failed", "unavailable"], results.FAILED),
        (["passed", "unavailable"], results.UNAVAILABLE),
        (["excluded"], results.UNAVAILABLE),
        ([], results.UNAVAILABLE),
    ],
)
def test_the_exit_status_is_that_of_the_worst_cell(ended: list[str], status: int) -> None:
    assert report(*(result(state) for state in ended)).status == status


def test_an_unavailable_cell_may_be_allowed() -> None:
    allowed = result("unavailable", allowed=True)
    assert report(result("passed"), allowed).status == results.PASSED


def test_a_run_of_nothing_but_allowed_cells_is_not_green() -> None:
    assert report(result("unavailable", allowed=True)).status == results.UNAVAILABLE


def test_trouble_with_the_machine_has_a_status_of_its_own() -> None:
    stopped = report(result("passed"), result("not run"), trouble="the disk is full")
    assert stopped.status == results.USAGE


def test_a_report_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    failures = (Failure(test="tests/a.py::test_b", why="assert 1"),)
    first = report(
        result("passed", left_out_reasons=("2 x no threads",), again=("tests/a.py::test_c",)),
        result("failed", failures=failures),
        shard="2/6",
        pytest=("-k", "b"),
    )
    results.save(tmp_path / "report.json", first)
    assert results.load(tmp_path / "report.json") == first


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"status": 0, "results": []}'])
def test_what_is_no_report_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(text)
    with pytest.raises(Problem, match=r"is not a report"):
        results.load(path)


def test_a_report_that_was_never_made_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="run makes one"):
        results.load(tmp_path / "report.json")


def test_the_grid_has_a_row_for_each_server_and_a_column_for_each_python() -> None:
    lines = reports.grid(
        report(
            result("passed", "apache2.4-event-py3.14t", passed=12),
            result("unavailable", "apache2.4-event-py3.9"),
            result("unavailable", "apache1.3-prefork-py3.9"),
            result("failed", "apache1.3-prefork-py3.14"),
        ),
        Path("nosuch"),
    )
    assert lines[0].split() == ["py3.9", "py3.14", "py3.14t"]
    assert lines[1].split() == ["apache2.4-event", "unavailable", "[1]", "12", "ok"]
    assert lines[2].split() == ["apache1.3-prefork", "unavailable", "[1]", "failed", "[2]"]
    assert lines[3:5] == ["[1] why unavailable", "[2] why failed"]
    summary = "1 failed, 2 unavailable, 1 passed in 1 min 01 s, exit status 1"
    assert lines[-1] == summary


def test_junit_has_a_suite_for_each_cell_and_none_without_a_case(tmp_path: Path) -> None:
    (tmp_path / "apache2.4-event-py3.14.xml").write_text(
        '<testsuites><testsuite><testcase classname="t" name="a"/>'
        '<testcase classname="t" name="b"><skipped message="m"/></testcase>'
        "</testsuite></testsuites>"
    )
    whole = ET.fromstring(  # noqa: S314  made here
        reports.junit(
            tmp_path,
            report(
                result("passed", passed=2),
                result("unavailable", "apache1.3-prefork-py2.7"),
                result("unavailable", "apache1.3-prefork-py3.9", allowed=True),
                result("failed", "apache2.0-worker-py3.9"),
                result("excluded", "apache2.2-event-py3.9"),
            ),
        )
    )
    told = [
        tuple(suite.get(key) for key in ("tests", "failures", "errors", "skipped"))
        for suite in whole
    ]
    assert told == [
        ("2", "0", "0", "1"),
        ("1", "0", "1", "0"),
        ("1", "0", "0", "1"),
        ("1", "1", "0", "0"),
        ("1", "0", "0", "1"),
    ]
    assert whole[0][0].get("classname") == "apache2.4-event-py3.14.t"


def test_cases_of_an_earlier_run_do_not_count(tmp_path: Path) -> None:
    old = '<testsuites><testsuite><testcase classname="t" name="a"/></testsuite></testsuites>'
    (tmp_path / "apache2.4-event-py3.14.xml").write_text(old)
    suite = reports.suite(tmp_path, result("unavailable"))
    assert [case.get("name") for case in suite] == ["the cell"]


def test_cases_that_pytest_could_not_write_to_the_end_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "apache2.4-event-py3.14.xml").write_text("<testsuites><testsuite><testc")
    suite = reports.suite(tmp_path, result("failed", passed=3, failed=1))
    assert [case.get("name") for case in suite] == ["the cell"]


@pytest.mark.parametrize("content", [b"", b'{"cells": [{"cell"', b"[]", b"\xff"])
def test_a_grid_that_pytest_could_not_write_to_the_end_is_none(content: bytes) -> None:
    assert suite.read_grid(content) is None


def test_the_page_needs_nothing_else_and_links_only_to_logs_that_are_there() -> None:
    text = page.render(
        report(
            result("passed", passed=7, log="apache2.4-event-py3.14.log"),
            result("failed", "apache2.0-worker-py3.9", reason="<b> & co", log="gone.log"),
        ),
        frozenset({"apache2.4-event-py3.14.log"}),
    )
    assert 'href="apache2.4-event-py3.14.log"' in text
    assert "gone.log" not in text
    assert "&lt;b&gt; &amp; co" in text
    assert "<b> &" not in text
    for outside in ("http:", "https:", "<script", "<link", "url("):
        assert outside not in text


def carried_out(*, keep_going: bool = True, test: bool = True) -> schedule.Outcome:
    """A run of four cells that end in four ways, one after the other."""
    ends: dict[str, Exception | None] = {
        "py2.7": Unavailable("no archive"),
        "py3.9": CellFailed("broken"),
        "py3.13": None,
    }

    def build(cell: Cell, say: Any) -> str:
        say("building")
        end = ends[cell.column]
        if end:
            raise end
        return "built"

    def tested(_: Cell, built: Any, __: Any) -> Verdict:
        assert built == "built"
        return verdict.judge(CELL, entry(), 0)

    plan = schedule.Plan(
        build=build,
        test=tested if test else None,
        jobs=1,
        keep_going=keep_going,
        allowed=["*-py2.7"],
        stop=lambda: None,
    )
    chosen = [
        Cell(line="2.4", mpm="event", python=python, excluded="why" if python == "3.6" else None)
        for python in ("2.7", "3.6", "3.9", "3.13")
    ]
    silent = Progress(phase=lambda _cell, _phase: None, ended=lambda _result: None)
    return schedule.carry_out(plan, chosen, silent)


def states(outcome: schedule.Outcome) -> list[str]:
    return [each.state for each in outcome.results]


def test_every_selected_cell_has_a_result() -> None:
    outcome = carried_out()
    assert states(outcome) == ["unavailable", "excluded", "failed", "passed"]
    assert outcome.results[0].allowed
    assert outcome.results[3].passed == 9


def test_without_testing_a_cell_is_only_built() -> None:
    assert states(carried_out(test=False))[-1] == "built"


def test_a_failure_stops_the_run_unless_told_otherwise() -> None:
    outcome = carried_out(keep_going=False)
    assert states(outcome) == ["unavailable", "excluded", "failed", "not run"]
    assert "--keep-going" in outcome.results[-1].reason


def test_trouble_stops_the_run_and_leaves_a_report() -> None:
    def build(_: Cell, __: Any) -> str:
        raise Problem("the disk is full")

    plan = schedule.Plan(
        build=build, test=None, jobs=1, keep_going=True, allowed=[], stop=lambda: None
    )
    silent = Progress(phase=lambda _cell, _phase: None, ended=lambda _result: None)
    chosen = [replace(CELL, mpm=mpm) for mpm in ("prefork", "worker", "event")]
    outcome = schedule.carry_out(plan, chosen, silent)
    assert outcome.trouble == "the disk is full"
    assert states(outcome) == ["not run"] * 3


def test_an_interrupted_run_ends_what_runs_and_keeps_what_has_ended() -> None:
    begun, ended = threading.Event(), threading.Event()

    def build(cell: Cell, _: Any) -> str:
        if cell.mpm == "prefork":
            return "built"
        begun.set()
        assert ended.wait(10)
        raise CellFailed("its container was removed")

    plan = schedule.Plan(
        build=build, test=None, jobs=1, keep_going=True, allowed=[], stop=ended.set
    )

    def interrupt() -> None:
        begun.wait(10)
        # The main thread waits for a lock, which only a signal of its own interrupts.
        main = threading.main_thread().ident
        assert main is not None
        signal.pthread_kill(main, signal.SIGINT)

    silent = Progress(phase=lambda _cell, _phase: None, ended=lambda _result: None)
    chosen = [replace(CELL, mpm=mpm) for mpm in ("prefork", "worker", "event")]
    # A shell that starts programs in the background has them ignore SIGINT.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=interrupt).start()
    try:
        outcome = schedule.carry_out(plan, chosen, silent)
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended.is_set()
    assert states(outcome) == ["built", "not run", "not run"]
    assert outcome.trouble == work.INTERRUPTED


WAITS = """
print("begun", flush=True)
try:
    __import__("time").sleep(60)
except KeyboardInterrupt:
    print("stopped")
"""


def test_an_interrupted_run_of_this_machine_ends_the_tests_that_run(tmp_path: Path) -> None:
    here = local.Local(found={}, obstacles={}, logs=tmp_path, seconds=60)
    log = tmp_path / "log"
    with log.open("w") as stream, ThreadPoolExecutor() as pool:
        ended = pool.submit(local.run, here, [sys.executable, "-c", WAITS], stream)
        assert until(lambda: log.read_text() == "begun\n", 10)
        here.stop()
        assert ended.result(10) == 0
    assert log.read_text() == "begun\nstopped\n"
    assert not here.under_way


def test_the_page_of_several_runs_has_each_cell_as_it_was_last() -> None:
    facts: dict[str, Any] = {"server": "2.4.71", "python": "3.14.2", "passed": 9}
    first = report(
        result("failed", reason="1 of 9 tests failed", **facts),
        result("passed", "apache2.2-worker-py3.9", passed=7, server="2.2.34", python="3.9.18"),
    )
    again = report(
        result("passed", **facts, left_out_reasons=("2 x no threads",)),
        started="2026-01-02 04:05 UTC",
    )
    lines = tested.render([again, first]).splitlines()
    assert "| apache2.2-worker | 7 | not run |" in lines
    assert "| apache2.4-event | not run | 9 |" in lines
    assert "- 2.2.34 (apache2.2), 2.4.71 (apache2.4)" in lines
    assert "- Python 3.9.18, 3.14.2" in lines
    assert "- no threads" in lines
    assert "- 2026-01-02 04:05 UTC, commit abc, Docker 1: 1 cell in 1 minutes" in lines
    assert "**failed**: 1 of 9 tests failed" in tested.render([first])
    interrupted = report(result("not run"), started="2026-01-02 05:06 UTC")
    assert "| apache2.4-event | not run | 9 |" in tested.render([again, first, interrupted])


LEFT_OUT = (
    "2 x no threads",
    "7 x mod_python is not installed: libapache2-mod-python on Debian",
    "1 x mpm-itk is not installed: libapache2-mpm-itk on Debian",
)


def test_a_test_whose_package_is_missing_is_not_said_not_to_apply() -> None:
    ended = result("passed", passed=5, left_out=10, left_out_reasons=LEFT_OUT)
    text = page.render(report(ended), frozenset())
    missing, _, others = text.partition("<h2>Tests that do not apply to a cell</h2>")
    assert "no threads" in others
    assert "installed" not in others
    listed = missing.partition("<h2>Tests that were not run: something is not installed</h2>")[2]
    assert "7 x mod_python is not installed" in listed
    assert "1 x mpm-itk is not installed" in listed
    lines = tested.render([report(ended)]).splitlines()
    place = lines.index("## Tests that were not run, because something is not installed")
    assert lines.index("- no threads") < place
    assert lines[place + 2].startswith("- mod_python is not installed")


def test_the_line_of_a_cell_counts_what_was_not_run_apart() -> None:
    ended = result("passed", passed=5, left_out=10, left_out_reasons=LEFT_OUT)
    told = "5 tests, 2 not for this cell, 8 not run, as something is not installed"
    assert progress.tests_told(ended) == told


def test_the_page_of_what_was_tested_is_not_for_a_run_of_some_tests() -> None:
    with pytest.raises(Problem, match=r"only some tests \(-k upload\)"):
        tested.render([report(result("passed"), pytest=("-k", "upload"))])


CASES = """\
<testsuites><testsuite>
<testcase classname="tests.server.body.test_a" name="test_good[apache2.4-event-py3.14t]"/>
<testcase classname="tests.server.body.test_a" name="test_bad[apache2.4-event-py3.14t-x]">
  <failure message="AssertionError: no&#10;more">def test_bad</failure>
</testcase>
<testcase classname="tests.server.test_c.TestD" name="test_e[apache2.4-event-py3.14t]">
  <error message=""> \n   the second line\n</error>
</testcase>
<testcase classname="tests.server.body.test_a" name="test_bad[apache2.4-event-py3.14t-x]">
  <error message="its teardown failed, too"/>
</testcase>
</testsuite></testsuites>
"""


def test_failed_tests_are_named_with_the_first_line_of_why(tmp_path: Path) -> None:
    path = tmp_path / "cell.xml"
    assert failures.of_cases(path, CELL.plain) == ()
    path.write_text(CASES)
    assert failures.of_cases(path, CELL.plain) == (
        Failure(test="tests/server/body/test_a.py::test_bad[x]", why="AssertionError: no"),
        Failure(test="tests/server/test_c.py::TestD::test_e", why="the second line"),
    )


def test_a_long_line_is_cut() -> None:
    assert len(failures.first_line(ET.Element("failure", message="x" * 1000))) == 200


def test_users_words_for_pytest_come_last_and_their_files_take_the_place_of_all() -> None:
    files = (Path("x.xml"), Path("x.json"))
    told = suite.command("py", CELL, "/p", files, slow=True, words=["-k", "upload"])
    assert {"tests/server", "tests/hostile"} < set(told)
    assert told[-2:] == ["-k", "upload"]
    told = suite.command("py", CELL, "/p", files, slow=True, words=["tests/server/body"])
    assert not {"tests/server", "tests/hostile"} & set(told)


def test_arguments_that_leave_no_test_are_named_as_the_cause() -> None:
    assert "no test fits" in suite.ended_early(5)
    assert "status 3 before any test" in suite.ended_early(3)


def test_what_fails_while_a_shared_log_is_open_names_that_log(tmp_path: Path) -> None:
    with (
        pytest.raises(CellFailed) as ended,
        containers.Site.log(SimpleNamespace(logs=tmp_path), "py3.11"),  # type: ignore[arg-type]
    ):
        raise CellFailed("the image did not build")

    def build(_: Cell, __: Any) -> str:
        raise ended.value

    plan = schedule.Plan(
        build=build, test=None, jobs=1, keep_going=True, allowed=[], stop=lambda: None
    )
    silent = Progress(phase=lambda _cell, _phase: None, ended=lambda _result: None)
    assert schedule.carry_out(plan, [CELL], silent).results[0].log == "py3.11.log"
