"""The results of the cells, and the exit status that follows from them."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from command import Problem
from matrix import files
from matrix.failures import Failure
from matrix.work import INTERRUPTED

# From the worst to the best: the order of counts and of reasons.
STATES = ("failed", "unavailable", "not run", "passed", "built", "excluded")

# What the suite says if a test needs something that the cell's system lacks: tests/README.md.
_MISSING = " is not installed"

# The format of the time at which a run began.
STARTED = "%Y-%m-%d %H:%M UTC"

VERDICTS = {0: "passed", 1: "failed", 2: "stopped", 3: "incomplete", 130: "interrupted"}

PASSED, FAILED, USAGE, UNAVAILABLE = 0, 1, 2, 3
STOPPED = 130  # by the user, as shells say it


@dataclass(frozen=True, kw_only=True)
class Result:
    """One cell's result. The reason is empty if it passed. The log is beside the report."""

    cell: str
    row: str
    column: str
    state: str
    reason: str = ""
    passed: int = 0
    failed: int = 0
    left_out: int = 0
    left_out_reasons: tuple[str, ...] = ()
    build_seconds: float = 0.0
    test_seconds: float = 0.0
    server: str = ""
    python: str = ""
    log: str = ""
    allowed: bool = False
    failures: tuple[Failure, ...] = ()
    again: tuple[str, ...] = ()  # tests that passed only when they were run again


@dataclass(frozen=True, kw_only=True)
class Report:
    """A whole run."""

    started: str
    seconds: float
    where: str
    revision: str
    verb: str
    results: tuple[Result, ...]
    trouble: str = ""  # a fault of the machine that stopped the run, or ""
    shard: str = ""
    pytest: tuple[str, ...] = ()  # the user's words for pytest
    bases: tuple[str, ...] = ()  # which images the cells' bases were

    @property
    def status(self) -> int:
        """0 only if every selected cell did what was asked, or was allowed to be unavailable."""
        if self.trouble:
            return STOPPED if self.trouble == INTERRUPTED else USAGE
        states = [each.state for each in self.results if not each.allowed]
        if "failed" in states or "not run" in states:
            return FAILED
        if "unavailable" in states or not set(states) & {"passed", "built"}:
            return UNAVAILABLE
        return PASSED


def save(path: Path, report: Report) -> None:
    whole = {**asdict(report), "status": report.status}
    files.write_in_place(path, f"{json.dumps(whole, indent=2)}\n".encode())


def load(path: Path) -> Report:
    """A report that was saved."""
    try:
        whole: dict[str, Any] = json.loads(path.read_text())
        del whole["status"]
        entries = whole.pop("results")
        words, bases = tuple(whole.pop("pytest", ())), tuple(whole.pop("bases", ()))
        told = tuple(_result(each) for each in entries)
        return Report(**whole, pytest=words, bases=bases, results=told)
    except FileNotFoundError as error:
        raise Problem(f"there is no {path} yet: ./dev matrix run makes one") from error
    except (ValueError, TypeError, KeyError) as error:
        raise Problem(
            f"{path} is not a report of this program: ./dev matrix run makes one"
        ) from error


def _result(entry: dict[str, Any]) -> Result:
    reasons, again = tuple(entry.pop("left_out_reasons")), tuple(entry.pop("again", ()))
    failures = tuple(Failure(**each) for each in entry.pop("failures", ()))
    return Result(**entry, left_out_reasons=reasons, failures=failures, again=again)


def counts(results: Sequence[Result]) -> dict[str, int]:
    """How many cells ended in each state, for those states that occur."""
    states = [each.state for each in results]
    return {state: states.count(state) for state in STATES if state in states}


def latest(reports: Iterable[Report]) -> dict[str, Result]:
    """Each cell's result in the last run, or in the last one that came to the cell's tests."""
    in_order = sorted(reports, key=lambda report: report.started)
    told = [result for report in in_order for result in report.results]
    told.sort(key=is_tested)
    return {result.cell: result for result in told}


def is_tested(result: Result) -> bool:
    return result.passed + result.failed > 0


def by_failure(results: Iterable[Result]) -> dict[Failure, list[Result]]:
    """The cells in which each failure is, the failures of the most cells first."""
    found: dict[Failure, list[Result]] = {}
    for result in results:
        for failure in result.failures:
            found.setdefault(failure, []).append(result)
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def missing(reasons: Iterable[str]) -> list[str]:
    """Of the reasons why tests were left out, those for which somebody can install something."""
    return [reason for reason in reasons if _MISSING in reason]


def inapplicable(reasons: Iterable[str]) -> list[str]:
    """Of the reasons why tests were left out, those that are of the cell's nature."""
    return [reason for reason in reasons if _MISSING not in reason]


def how_many(reasons: Iterable[str]) -> int:
    """The tests that have these reasons, each of which begins with a number."""
    return sum(int(reason.partition(" x ")[0]) for reason in reasons)


def rows_and_columns(results: Sequence[Result]) -> tuple[list[str], list[str]]:
    """The grid's names: servers as they come, Pythons by version."""
    rows = list(dict.fromkeys(result.row for result in results))
    columns = {result.column for result in results}
    return rows, sorted(columns, key=version_key)


def version_key(column: str) -> tuple[int, int, str]:
    """Sorts py3.9 before py3.10, and py3.14 before py3.14t."""
    major, _, minor = column.removeprefix("py").partition(".")
    return int(major), int(minor.removesuffix("t")), minor
