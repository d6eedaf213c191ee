"""One report of several: the parts that several machines ran, and what is told of failed tests."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from matrix import __main__, page, reports, results, summary
from matrix.failures import Failure
from matrix.results import Report, Result

BAD = Failure(test="tests/server/body/test_a.py::test_bad", why="assert '<b>' | 2 == `1`")
CASE = '<testsuites><testsuite><testcase classname="t" name="a"/></testsuite></testsuites>'


def result(cell: str, state: str = "passed", **facts: Any) -> Result:
    row, _, column = cell.rpartition("-")
    known = {
        "passed": 9 if state == "passed" else 0,
        "reason": "" if state == "passed" else f"why {state}",
        "log": f"{cell}.log",
        "test_seconds": 60.0,
    }
    return Result(cell=cell, row=row, column=column, state=state, **{**known, **facts})


FAILED = result(
    "apache2.2-worker-py3.9", "failed", reason="1 of 9 tests failed", failed=1, failures=(BAD,)
)


def report(*ended: Result, **facts: Any) -> Report:
    known = {
        "started": "2026-01-02 03:04 UTC",
        "seconds": 600.0,
        "where": "Docker 1",
        "revision": "abc",
        "verb": "run",
    }
    return Report(results=ended, **{**known, **facts})


def part(folder: Path, shard: str, *ended: Result, **facts: Any) -> Path:
    """What a run of a part leaves."""
    place = folder / f"matrix-{shard[0]}"
    place.mkdir(parents=True)
    for each in ended:
        (place / each.log).write_text(f"the log of {each.cell}")
        (place / f"{each.cell}.xml").write_text(CASE)
    reports.write(place, report(*ended, shard=shard, **facts))
    return place


@pytest.fixture
def two_of_three(tmp_path: Path) -> list[str]:
    """The words that merge two parts. The third has left nothing."""
    first = part(tmp_path, "1/3", result("apache1.3-prefork-py2.7"), FAILED)
    last = part(
        tmp_path, "3/3", result("apache1.3-prefork-py3.11"), started="2026-01-02 03:09 UTC"
    )
    plan = [
        {"shard": "1/3", "cells": ["apache1.3-prefork-py2.7", "apache2.2-worker-py3.9"]},
        {"shard": "2/3", "cells": ["apache2.4-event-py3.9-processes-bookworm"]},
        {"shard": "3/3", "cells": ["apache1.3-prefork-py3.11", "apache2.0-worker-py3.11"]},
    ]
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    folders = [str(first), str(tmp_path / "matrix-2"), str(last)]
    output = ["--output", str(tmp_path / "whole"), "--summary", str(tmp_path / "summary.md")]
    return ["merge", *folders, "--plan", str(tmp_path / "plan.json"), *output]


def test_parts_become_one_report(tmp_path: Path, two_of_three: list[str]) -> None:
    assert __main__.main(two_of_three) == results.FAILED
    whole = results.load(tmp_path / "whole" / reports.JSON)
    assert [(each.cell, each.state) for each in whole.results] == [
        ("apache1.3-prefork-py2.7", "passed"),
        ("apache1.3-prefork-py3.11", "passed"),
        ("apache2.0-worker-py3.11", "not run"),
        ("apache2.2-worker-py3.9", "failed"),
        ("apache2.4-event-py3.9-processes-bookworm", "not run"),
    ]
    assert (whole.seconds, whole.revision, whole.where) == (900.0, "abc", "Docker 1")


def test_a_part_that_left_nothing_was_not_run(tmp_path: Path, two_of_three: list[str]) -> None:
    __main__.main(two_of_three)
    whole = results.load(tmp_path / "whole" / reports.JSON)
    missing = {each.cell: each for each in whole.results if each.state == "not run"}
    lost = missing["apache2.4-event-py3.9-processes-bookworm"]
    assert "the part 2/3 left no report" in lost.reason
    assert (lost.row, lost.column) == ("apache2.4-event-processes-bookworm", "py3.9")
    assert "3/3 did not come to this cell" in missing["apache2.0-worker-py3.11"].reason


def test_a_merged_report_has_its_parts_logs_and_cases(
    tmp_path: Path, two_of_three: list[str]
) -> None:
    __main__.main(two_of_three)
    log = tmp_path / "whole" / "1-of-3" / "apache2.2-worker-py3.9.log"
    assert log.read_text() == "the log of apache2.2-worker-py3.9"
    told = (tmp_path / "whole" / reports.PAGE).read_text()
    assert 'href="1-of-3/apache2.2-worker-py3.9.log"' in told
    cases = (tmp_path / "whole" / reports.JUNIT).read_text()
    assert 'classname="apache1.3-prefork-py2.7.t"' in cases


def test_all_parts_may_be_missing(tmp_path: Path, two_of_three: list[str]) -> None:
    for folder in ("matrix-1", "matrix-3"):
        (tmp_path / folder / reports.JSON).unlink()
    assert __main__.main(two_of_three) == results.FAILED
    told = (tmp_path / "summary.md").read_text()
    assert "**Cells that were NOT RUN, 5: " in told


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["merge"], "takes the folders"),
        (["merge", "nosuch"], "there is no folder nosuch: merge takes the --output of several"),
        (["merge", "docs"], "docs has no report.json, so it is the --output of no run: leave it"),
        (["merge", "nosuch", "--plan", "nosuch.json"], "cannot read nosuch.json"),
        (["merge", ".", "--output", "."], "is one of the folders"),
    ],
)
def test_what_cannot_be_merged_is_a_usage_error(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert __main__.main(words) == results.USAGE
    told = capsys.readouterr().err
    assert complaint in told
    assert told.count("\n") == 1


def test_parts_of_several_revisions_are_no_whole(tmp_path: Path) -> None:
    one = part(tmp_path, "1/2", result("apache1.3-prefork-py2.7"))
    two = part(tmp_path, "2/2", result("apache1.3-prefork-py3.11"), revision="def")
    output = tmp_path / "whole"
    assert __main__.main(["merge", str(one), str(two), "--output", str(output)]) == results.USAGE
    assert "of several revisions: abc, def" in results.load(output / reports.JSON).trouble


def test_a_part_that_was_run_again_counts_as_it_was_last(tmp_path: Path) -> None:
    cell = "apache1.3-prefork-py2.7"
    one = part(tmp_path, "1/1", result(cell, "failed", failed=1))
    two = part(tmp_path / "again", "1/1", result(cell), started="2026-01-02 04:00 UTC")
    output = tmp_path / "whole"
    assert __main__.main(["merge", str(two), str(one), "--output", str(output)]) == results.PASSED
    assert (output / "1-of-1-2").is_dir()


def test_the_terminal_names_failed_tests_and_logs(tmp_path: Path) -> None:
    (tmp_path / FAILED.log).touch()
    (tmp_path / "py3.9.log").touch()
    other = result("apache2.0-worker-py3.9", "failed", reason="no image", log="py3.9.log")
    again = result("apache2.2-worker-py3.11", again=("tests/a.py::test_c",))
    second = replace(FAILED, cell="apache2.2-prefork-py3.9", row="apache2.2-prefork")
    lines = reports.grid(report(FAILED, second, other, again), tmp_path)
    assert "[1] 1 of 9 tests failed" in lines
    assert f"[2] no image: see {tmp_path}/py3.9.log" in lines
    at = lines.index("failed tests:")
    assert lines[at + 1 : at + 4] == [
        f"  {BAD.test}",
        f"      {BAD.why}",
        f"      in {tmp_path}/{FAILED.log}, and in 1 more cells",
    ]
    assert lines[lines.index("passed only when run again:") + 1] == "  tests/a.py::test_c"


def test_the_page_names_failed_tests() -> None:
    told = page.render(report(FAILED, pytest=("-k", "a b")), frozenset({FAILED.log}))
    assert f"<code>{BAD.test}</code>" in told
    assert "assert &#x27;&lt;b&gt;&#x27; | 2 == `1`" in told
    assert f'<a href="{FAILED.log}"><code>{FAILED.cell}</code></a>' in told
    assert '<p class="why">Only some tests ran: -k &#x27;a b&#x27;</p>' in told


def test_the_summary_names_failed_tests_first() -> None:
    told = summary.render(report(result("apache1.3-prefork-py3.9"), FAILED)).splitlines()
    assert told[0] == "# mod_wsgi matrix: failed"
    at = told.index("## Failed tests")
    assert at < told.index("## Apache x Python")
    assert told[at + 2 : at + 5] == [
        f"- `{BAD.test}`  ",
        "  `` assert '<b>' | 2 == `1` ``  ",
        "  in apache2.2-worker-py3.9",
    ]
    assert "| apache1.3-prefork | 9 |" in told
    assert "| apache2.2-worker | **1 failed** |" in told


def test_the_summary_is_no_longer_than_it_helps() -> None:
    many = tuple(Failure(test=f"tests/t.py::test_{at}", why="x") for at in range(60))
    told = summary.render(report(replace(FAILED, failures=many)))
    assert "- and 10 more" in told
    assert len(re.findall("^- `tests", told, re.MULTILINE)) == 50


def test_bars_and_tags_of_a_reason_do_not_break_a_table() -> None:
    assert summary.in_table("a|b <c>") == "`a\\|b <c>`"
