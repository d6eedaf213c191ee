"""Makes the report as one page that needs only the logs beside it."""

import shlex
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from html import escape
from string import Template

from matrix import HERE
from matrix.results import (
    VERDICTS,
    Report,
    Result,
    by_failure,
    counts,
    inapplicable,
    is_tested,
    missing,
    rows_and_columns,
)

_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>mod_wsgi matrix: $verdict</title>
<style>
$style</style>
</head>
<body>
<h1>mod_wsgi matrix: $verdict</h1>
<p class="faint">$about</p>
$trouble
<ul class="tiles">
$tiles
</ul>
$failed_tests
$reasons
<h2>Apache x Python</h2>
<div class="scroll"><table class="grid">
<thead><tr><td></td>$columns</tr></thead>
<tbody>
$rows
</tbody>
</table></div>
$again
<h2>Cells</h2>
<p class="faint">The bar shows building, then testing; the longest cell is as long as the bar.</p>
<div class="scroll"><table class="list">
<thead><tr><th>Cell</th><th></th><th>Server, Python</th><th class="number">Tests</th>
<th class="number">Build</th><th class="number">Test</th><th></th></tr></thead>
<tbody>
$cells
</tbody>
</table></div>
$left_out
$bases
</body>
</html>
""")


def render(report: Report, logs: AbstractSet[str]) -> str:
    """The page. logs are the files that may be linked to."""
    rows, columns = rows_and_columns(report.results)
    places = {(result.row, result.column): result for result in report.results}
    return _PAGE.substitute(
        verdict=VERDICTS[report.status],
        style=(HERE / "page.css").read_text(),
        about=escape(about(report)),
        trouble="\n".join(f'<p class="why">{escape(line)}</p>' for line in trouble(report)),
        tiles="\n".join(tiles(report)),
        columns="".join(f'<th scope="col">{escape(column)}</th>' for column in columns),
        rows="\n".join(grid_row(row, columns, places, logs) for row in rows),
        failed_tests=failed_tests(report, logs),
        again=again(report.results),
        reasons=reasons(report, logs),
        cells="\n".join(cell_rows(report.results, logs)),
        left_out=left_out(report.results),
        bases=base_images(report.bases),
    )


def about(report: Report) -> str:
    minutes, seconds = divmod(round(report.seconds), 60)
    parts = [f"{report.verb} of {report.revision}", report.started, report.where]
    parts += [f"part {report.shard}"] if report.shard else []
    return " · ".join([*parts, f"{minutes} min {seconds:02} s", f"exit status {report.status}"])


def trouble(report: Report) -> Iterator[str]:
    """What makes less of this run than a whole one."""
    if report.trouble:
        yield f"Stopped: {report.trouble}"
    if report.pytest:
        yield f"Only some tests ran: {shlex.join(report.pytest)}"


def tiles(report: Report) -> Iterator[str]:
    for state, count in counts(report.results).items():
        yield f'<li class="{css(state)}"><b>{count}</b> {state}</li>'
    tests = sum(result.passed + result.failed for result in report.results)
    if tests:
        yield f"<li><b>{tests:,}</b> tests</li>"


def grid_row(
    row: str, columns: Sequence[str], places: dict[tuple[str, str], Result], logs: AbstractSet[str]
) -> str:
    cells = "".join(grid_cell(places.get((row, column)), logs) for column in columns)
    return f'<tr><th scope="row">{escape(row)}</th>{cells}</tr>'


def grid_cell(result: Result | None, logs: AbstractSet[str]) -> str:
    if result is None:
        return '<td class="none"></td>'
    seconds = result.build_seconds + result.test_seconds
    told = f"{result.failed} failed" if result.failed else result.state
    told = str(result.passed) if result.state == "passed" else told
    begun = is_tested(result) or result.state == "built"
    inner = f"{told}<small>{seconds:.0f} s</small>" if begun else told
    title = escape(f"{result.cell}: {result.state} {result.reason}".strip(), quote=True)
    return f'<td class="{css(result.state)}" title="{title}">{linked(result, inner, logs)}</td>'


def linked(result: Result, inner: str, logs: AbstractSet[str]) -> str:
    if result.log not in logs:
        return f"<span>{inner}</span>"
    return f'<a href="{escape(result.log, quote=True)}">{inner}</a>'


def failed_tests(report: Report, logs: AbstractSet[str]) -> str:
    """Each failure once, with its cells, those of the most cells first."""
    lines = [
        f'<tr><td class="test"><code>{escape(failure.test)}</code><br>'
        f'<code class="why">{escape(failure.why)}</code></td>'
        f'<td class="number">{len(cells)}</td><td class="cells">{named(cells, logs)}</td></tr>'
        for failure, cells in by_failure(report.results).items()
    ]
    head = '<tr><th>Test, and why</th><th class="number">Cells</th><th></th></tr>'
    return section("Failed tests", lines, head)


def again(results: Sequence[Result]) -> str:
    """The tests that passed only when they were run again."""
    found = sorted({test for result in results for test in result.again})
    lines = [f"<tr><td><code>{escape(test)}</code></td></tr>" for test in found]
    return section("Passed only when run again", lines)


def reasons(report: Report, logs: AbstractSet[str]) -> str:
    """Each reason that no failed test says, once, with its cells. The worst state comes first."""
    found: dict[tuple[str, str], list[Result]] = {}
    for result in report.results:
        if result.reason and not result.failures:
            found.setdefault((result.state, result.reason), []).append(result)
    order = list(counts(report.results))
    lines = [
        f'<tr><td><span class="badge {css(state)}">{state}</span></td><td>{escape(reason)}</td>'
        f'<td class="cells">{named(cells, logs)}</td></tr>'
        for (state, reason), cells in sorted(
            found.items(), key=lambda item: order.index(item[0][0])
        )
    ]
    return section("Reasons", lines)


def section(heading: str, lines: Sequence[str], head: str = "") -> str:
    """A heading with a table, or nothing if the table has no line."""
    if not lines:
        return ""
    table = "\n".join((f"<thead>{head}</thead><tbody>", *lines, "</tbody>"))
    return f'<h2>{heading}</h2>\n<div class="scroll"><table class="list">{table}</table></div>'


def named(cells: Sequence[Result], logs: AbstractSet[str]) -> str:
    told = ", ".join(
        linked(cell, f"<code>{escape(cell.cell)}</code>", logs) for cell in cells[:_SHOWN]
    )
    return told if len(cells) <= _SHOWN else f"{told} and {len(cells) - _SHOWN} more"


_SHOWN = 4


def cell_rows(results: Sequence[Result], logs: AbstractSet[str]) -> Iterator[str]:
    """A line for each cell that was begun."""
    begun = [result for result in results if result.state in ("failed", "passed", "built")]
    longest = max((each.build_seconds + each.test_seconds for each in begun), default=0) or 1
    for result in begun:
        yield (
            f"<tr><td>{linked(result, f'<code>{escape(result.cell)}</code>', logs)}</td>"
            f'<td><span class="badge {css(result.state)}">{result.state}</span></td>'
            f"<td>{escape(' · '.join(filter(None, [result.server, result.python])))}</td>"
            f'<td class="number">{result.passed}/{result.passed + result.failed}</td>'
            f'<td class="number">{result.build_seconds:.1f} s</td>'
            f'<td class="number">{result.test_seconds:.1f} s</td>'
            f'<td><div class="bar">{bar(result.build_seconds, longest)}'
            f"{bar(result.test_seconds, longest)}</div></td></tr>"
        )


def bar(seconds: float, longest: float) -> str:
    return f'<i style="width:{100 * seconds / longest:.1f}%"></i>'


def base_images(bases: Sequence[str]) -> str:
    """Which images the cells' bases were."""
    if not bases:
        return ""
    lines = "\n".join(f"<li>{escape(each)}</li>" for each in bases)
    return f"<h2>Bases</h2>\n<ul>\n{lines}\n</ul>"


def left_out(results: Sequence[Result]) -> str:
    """The tests that the suite leaves out in some cells, by whose fault that is."""
    told = sorted({why for result in results for why in result.left_out_reasons})
    return "\n".join(
        [
            *listed("Tests that were not run: something is not installed", missing(told)),
            *listed("Tests that do not apply to a cell", inapplicable(told)),
        ]
    )


def listed(heading: str, told: Sequence[str]) -> Iterator[str]:
    if told:
        lines = "\n".join(f"<li>{escape(why)}</li>" for why in told)
        yield f"<h2>{heading}</h2>\n<ul>\n{lines}\n</ul>"


def css(state: str) -> str:
    return state.replace(" ", "-")
