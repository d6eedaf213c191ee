"""The grid at the end of a run: what was tested on which Apache with which Python, and what not.

A cell that was not run says why. It is printed also when everything passed, since a run that
tested nothing must not look like one that tested everything.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.harness.cells import Cell, Cells

WORST = ("failed", "passed", "not run")


@dataclass(kw_only=True, eq=False)
class Results:
    """What became of each test of each cell. Not frozen: it collects while the tests run."""

    outcomes: dict[tuple[str, str], str] = field(default_factory=dict)
    again: set[tuple[str, str]] = field(default_factory=set)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    seconds: Counter[str] = field(default_factory=Counter)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        cell = str(dict(report.user_properties).get("cell", ""))
        if not cell:
            return
        self.seconds[cell] += round(report.duration * 1000)
        outcome = outcome_of(report)
        if str(report.outcome) == "rerun":  # of pytest-rerunfailures
            self.again.add((cell, report.nodeid))
        if outcome:
            known = self.outcomes.get((cell, report.nodeid), "not run")
            self.outcomes[cell, report.nodeid] = min(known, outcome, key=WORST.index)
        if outcome == "not run":
            self.reasons[cell, reason_of(report)] += 1

    def passed_again(self, cell: str) -> list[str]:
        """The tests that failed at first, and passed when they were run again (--reruns)."""
        again = sorted(each for each in self.again if each[0] == cell)
        return [name for cell, name in again if self.outcomes.get((cell, name)) == "passed"]

    def counts(self, cell: str) -> Counter[str]:
        return Counter(outcome for (name, _), outcome in self.outcomes.items() if name == cell)


def outcome_of(report: pytest.TestReport) -> str:
    """What this part of a test says of the whole; nothing where it says nothing yet."""
    if report.failed:
        return "failed"
    if report.skipped:
        return "not run"
    return "passed" if report.passed and report.when == "call" else ""


def reason_of(report: pytest.TestReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")


def cell_text(results: Results, cells: Cells, name: str | None, notes: list[str]) -> str:
    """What stands in one cell of the grid; a reason goes below it, under a number."""
    if name is None:
        return ""
    if name in cells.not_run:
        return f"not run {note(notes, cells.not_run[name])}"
    counts = results.counts(name)
    if not counts:
        return "no test"
    told = [f"{counts[outcome]} {outcome}" for outcome in ("failed", "passed") if counts[outcome]]
    reasons = [reason for cell, reason in results.reasons if cell == name]
    if reasons:
        numbers = "".join(sorted({note(notes, reason) for reason in reasons}))
        told.append(f"{counts['not run']} not run {numbers}")
    return ", ".join(told)


def note(notes: list[str], reason: str) -> str:
    if reason not in notes:
        notes.append(reason)
    return f"[{notes.index(reason) + 1}]"


def render(results: Results, cells: Cells) -> list[str]:
    """The grid as lines: a row for each Apache and process model, a column for each Python."""
    rows = list(dict.fromkeys(cell.row for cell in cells.every))
    columns = list(dict.fromkeys(cell.python.name for cell in cells.every))
    names = {(cell.row, cell.python.name): cell.name for cell in cells.every}
    notes: list[str] = []
    table = [["", *columns]]
    for row in rows:
        texts = (cell_text(results, cells, names.get((row, column)), notes) for column in columns)
        table.append([row, *texts])
    table.append(["seconds", *(str(column_seconds(results, cells, name)) for name in columns)])
    return [*aligned(table), *(f"[{number}] {text}" for number, text in enumerate(notes, 1))]


def column_seconds(results: Results, cells: Cells, python: str) -> int:
    names = (cell.name for cell in cells.every if cell.python.name == python)
    return round(sum(results.seconds[name] for name in names) / 1000)


def aligned(table: list[list[str]]) -> Iterable[str]:
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for row in table:
        yield " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True))


def write_json(path: Path, results: Results, cells: Cells) -> None:
    """The grid for a program: what matrix/verdict.py judges a cell by."""
    path.write_text(
        json.dumps(
            {
                "cells": [describe(cell, results, cells) for cell in cells.every],
            },
            indent=2,
        )
        + "\n"
    )


def describe(cell: Cell, results: Results, cells: Cells) -> dict[str, Any]:
    counts = results.counts(cell.name)
    return {
        "cell": cell.name,
        "apache": cell.server.version,
        "python": cell.python.release,
        "passed": counts["passed"],
        "failed": counts["failed"],
        "not_run": counts["not run"],
        "passed_again": results.passed_again(cell.name),
        "reasons": {
            reason: count for (name, reason), count in results.reasons.items() if name == cell.name
        },
        "reason": cells.not_run.get(cell.name),
    }
