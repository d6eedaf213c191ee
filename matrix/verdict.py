"""Judges a cell by the test suite's output. It passes only if the tests demonstrably ran."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from matrix.cells import Cell
from matrix.failures import Failure, without_cell


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The suite's counts, and why the cell failed. The reason is empty if it passed.

    again are the tests that failed at first, and passed when they were run again.
    """

    reason: str
    passed: int
    failed: int
    left_out: int
    left_out_reasons: tuple[str, ...]
    server: str
    python: str
    failures: tuple[Failure, ...] = ()
    again: tuple[str, ...] = ()


def judge(cell: Cell, grid: Mapping[str, Any], status: int, apache: str = "") -> Verdict:
    """Judges pytest's grid and status. apache is the version that must have been tested."""
    entries = [entry for entry in grid.get("cells", []) if entry["cell"] == cell.plain]
    entry: Mapping[str, Any] = entries[0] if entries else {}
    passed, failed = int(entry.get("passed", 0)), int(entry.get("failed", 0))
    tested, python = str(entry.get("apache", "")), str(entry.get("python", ""))
    version = cell.python.removesuffix("t")
    if not entry:
        reason = "the tests found another cell than this one"
    elif entry.get("reason"):
        reason = f"not tested: {entry['reason']}"
    elif apache and tested != apache:
        reason = f"Apache {tested} was tested instead of {apache}"
    elif not f"{python}.".startswith(f"{version}."):
        reason = f"Python {python} was tested instead of {version}"
    elif failed:
        reason = f"{failed} of {failed + passed} tests failed"
    elif passed == 0:
        reason = "no test ran"
    elif status != 0:
        reason = f"all tests passed, and pytest ended with status {status}"
    else:
        reason = ""
    return Verdict(
        reason=reason,
        passed=passed,
        failed=failed,
        left_out=int(entry.get("not_run", 0)),
        left_out_reasons=tuple(
            f"{count} x {why}" for why, count in dict(entry.get("reasons", {})).items()
        ),
        server=tested,
        python=python,
        again=tuple(without_cell(each, cell.plain) for each in entry.get("passed_again", ())),
    )
