"""Makes a short report as Markdown, as GitHub shows it with a workflow's run."""

import re
from collections.abc import Iterator, Sequence

from matrix.results import STATES, VERDICTS, Report, Result, by_failure, counts, rows_and_columns

# A list that is longer helps nobody. The page and the logs have the rest.
_MOST = 50
_CELLS = 4


def render(report: Report) -> str:
    """The summary: what failed and what was not run comes first."""
    sections = (headline(report), failed_tests(report), reasons(report), again(report))
    more = (grid(report), durations(report), base_images(report))
    return "\n".join(line for section in (*sections, *more) for line in section)


def headline(report: Report) -> Iterator[str]:
    told = ", ".join(f"{count} {state}" for state, count in counts(report.results).items())
    yield f"# mod_wsgi matrix: {VERDICTS[report.status]}"
    yield ""
    yield f"{told} in {round(report.seconds / 60)} minutes. {report.verb} of {report.revision}."
    if report.pytest:
        yield ""
        yield f"**Only some tests ran: {code(' '.join(report.pytest))}**"
    if report.trouble:
        yield ""
        yield f"**Stopped: {report.trouble}**"
    missing = [each.cell for each in report.results if each.state == "not run"]
    if missing:
        yield ""
        yield f"**Cells that were NOT RUN, {len(missing)}: {named(missing)}**"
    yield ""


def failed_tests(report: Report) -> Iterator[str]:
    """Each failure once, with its cells."""
    found = by_failure(report.results)
    if not found:
        return
    yield "## Failed tests"
    yield ""
    for failure, cells in list(found.items())[:_MOST]:
        yield f"- {code(failure.test)}  "
        yield f"  {code(failure.why)}  "
        yield f"  in {named([each.cell for each in cells])}"
    if len(found) > _MOST:
        yield f"- and {len(found) - _MOST} more"
    yield ""


def reasons(report: Report) -> Iterator[str]:
    """Why cells failed or were not run, each reason once, if no failed test says it."""
    found: dict[tuple[str, str], list[str]] = {}
    for each in sorted(report.results, key=lambda each: STATES.index(each.state)):
        if each.reason and each.state != "excluded" and not each.failures:
            found.setdefault((each.state, each.reason), []).append(each.cell)
    if not found:
        return
    yield "## Reasons"
    yield ""
    yield "| | why | cells |"
    yield "|---|---|---|"
    for (state, reason), cells in found.items():
        yield f"| {state} | {in_table(reason)} | {named(cells)} |"
    yield ""


def again(report: Report) -> Iterator[str]:
    found = sorted({test for each in report.results for test in each.again})
    if found:
        yield "## Passed only when run again"
        yield ""
        yield from (f"- {code(test)}" for test in found[:_MOST])
        yield ""


def grid(report: Report) -> Iterator[str]:
    rows, columns = rows_and_columns(report.results)
    places = {(each.row, each.column): each for each in report.results}
    yield "## Apache x Python"
    yield ""
    yield f"| | {' | '.join(columns)} |"
    yield f"|---|{'---|' * len(columns)}"
    for row in rows:
        told = (place(places.get((row, column))) for column in columns)
        yield f"| {row} | {' | '.join(told)} |"
    yield ""


def place(result: Result | None) -> str:
    if result is None:
        return ""
    if result.state == "passed":
        return str(result.passed)
    if result.state == "failed" and result.failed:
        return f"**{result.failed} failed**"
    return result.state if result.state in ("built", "excluded") else f"**{result.state}**"


def durations(report: Report) -> Iterator[str]:
    """How long each cell took, the longest first, folded in."""
    begun = [each for each in report.results if each.build_seconds + each.test_seconds]
    if not begun:
        return
    yield f"<details><summary>Durations of {len(begun)} cells</summary>"
    yield ""
    yield "| cell | building | testing |"
    yield "|---|--:|--:|"
    for each in sorted(begun, key=lambda each: -each.build_seconds - each.test_seconds):
        yield f"| {each.cell} | {each.build_seconds:.0f} s | {each.test_seconds:.0f} s |"
    yield ""
    yield "</details>"
    yield ""


def named(cells: Sequence[str]) -> str:
    told = ", ".join(cells[:_CELLS])
    return told if len(cells) <= _CELLS else f"{told} and {len(cells) - _CELLS} more"


def code(text: str) -> str:
    """Text that Markdown leaves as it is."""
    longest = max((len(each) for each in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    space = " " if longest else ""
    return f"{fence}{space}{text}{space}{fence}"


def in_table(text: str) -> str:
    """Text in a table: its bars and tags mean nothing there."""
    return code(text).replace("|", "\\|")


def base_images(report: Report) -> Iterator[str]:
    """Which images the bases were, since one without a digest may be another one next time."""
    if report.bases:
        yield "## Bases"
        yield ""
        yield from (f"- {each}" for each in report.bases)
        yield ""
