"""Makes the page docs/tested.md: the results of several runs of the matrix as one table."""

import shlex
from collections.abc import Iterable, Sequence

from command import Problem
from matrix.results import (
    Report,
    Result,
    inapplicable,
    is_tested,
    latest,
    missing,
    rows_and_columns,
)

_HEAD = """\
# What was tested

Written by `./dev matrix report --markdown docs/tested.md` from the reports of the runs below;
nothing in it is written by hand. A number is how many tests of `tests/server` passed on that very
server and Python; where a number stands, none failed.
"""


def render(reports: Sequence[Report]) -> str:
    """The page. If two runs tested the same cell, the later one counts."""
    for report in reports:
        if report.pytest:
            raise Problem(
                f"the run of {report.started} had only some tests ({shlex.join(report.pytest)}): "
                "this page is for runs of the whole suite"
            )
    in_order = sorted(reports, key=lambda report: report.started)
    results = [each for each in latest(in_order).values() if each.state != "excluded"]
    return "\n".join(
        [
            _HEAD,
            *table(results),
            "",
            "## Versions",
            "",
            *versions(results),
            "",
            "## Runs",
            "",
            *runs(in_order),
            "",
            "## Tests that a cell has no use for",
            "",
            *listed(inapplicable(left_out(results))),
            "",
            "## Tests that were not run, because something is not installed",
            "",
            *listed(missing(left_out(results))),
            "",
        ]
    )


def table(results: Sequence[Result]) -> list[str]:
    rows, columns = rows_and_columns(results)
    places = {(result.row, result.column): result for result in results}
    lines = [f"| | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for row in sorted(rows):
        told = (tell(places.get((row, column))) for column in columns)
        lines.append(f"| {row} | {' | '.join(told)} |")
    return lines


def tell(result: Result | None) -> str:
    """The text of one place of the table."""
    if result is None:
        return "not run"
    if result.state == "passed":
        return str(result.passed)
    return f"**{result.state}**: {result.reason}"


def versions(results: Sequence[Result]) -> Iterable[str]:
    """The releases of servers and Pythons that were in the cells."""
    lines = sorted({(each.row.partition("-")[0], each.server) for each in results if each.server})
    pythons = {each.python for each in results if each.python}
    yield f"- {', '.join(f'{server} ({name})' for name, server in lines)}"
    in_order = sorted(pythons, key=lambda release: [int(n) for n in release.split(".")[:2]])
    yield f"- Python {', '.join(in_order)}"


def runs(reports: Sequence[Report]) -> Iterable[str]:
    for report in reports:
        tested = sum(is_tested(each) for each in report.results)
        yield (
            f"- {report.started}, commit {report.revision}, {report.where}: "
            f"{tested} cell{'s' if tested > 1 else ''} in {round(report.seconds / 60)} minutes"
        )


def left_out(results: Sequence[Result]) -> list[str]:
    """The reasons without counts, which differ from cell to cell."""
    reasons = {
        reason.partition(" x ")[2] for result in results for reason in result.left_out_reasons
    }
    return sorted(reasons)


def listed(reasons: Sequence[str]) -> list[str]:
    return [f"- {reason}" for reason in reasons] or ["None."]
