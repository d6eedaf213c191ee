"""Writes a run's reports: the grid on the terminal, JSON, JUnit XML, and the page."""

import shlex
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from pathlib import Path

from command import TOP
from matrix import files, page
from matrix.results import Report, Result, by_failure, counts, rows_and_columns, save

# More failed tests than these are in the page and in the logs.
_MOST = 20

JSON, JUNIT, PAGE = "report.json", "junit.xml", "index.html"


def write(folder: Path, report: Report) -> None:
    """Writes all reports, beside the logs that they link to."""
    folder.mkdir(parents=True, exist_ok=True)
    save(folder / JSON, report)
    files.write_in_place(folder / JUNIT, junit(folder, report))
    files.write_in_place(folder / PAGE, page.render(report, logs(folder)).encode())


def logs(folder: Path) -> frozenset[str]:
    """The logs that exist and can be linked to. Those of merged parts are in folders."""
    return frozenset(str(path.relative_to(folder)) for path in folder.rglob("*.log"))


def shown(path: Path) -> str:
    """A path as it is told: from the top of the checkout, if it is in there."""
    whole = path.absolute()
    return str(whole.relative_to(TOP) if whole.is_relative_to(TOP) else path)


def log_of(folder: Path, result: Result) -> str:
    """The path of the log that explains a result, or "" if there is none."""
    path = folder / result.log
    return shown(path) if result.log and path.is_file() else ""


def failed_tests(folder: Path, results: Sequence[Result], most: int) -> Iterator[str]:
    """The names of failed tests, the first line of why, and where the rest is to be read."""
    found = by_failure(results)
    for failure, cells in list(found.items())[:most]:
        yield f"  {failure.test}"
        yield f"      {failure.why}"
        more = f", and in {len(cells) - 1} more cells" if len(cells) > 1 else ""
        yield f"      in {log_of(folder, cells[0]) or cells[0].cell}{more}"
    if len(found) > most:
        yield f"  and {len(found) - most} more"


def grid(report: Report, folder: Path) -> list[str]:
    """The grid as lines, with numbered reasons and a legend below, then what failed."""
    rows, columns = rows_and_columns(report.results)
    places = {(result.row, result.column): result for result in report.results}
    notes: dict[str, str] = {}
    table = [["", *columns]]
    for row in rows:
        results = (places.get((row, column)) for column in columns)
        table.append([row, *(text(each, notes, folder) if each else "" for each in results)])
    widths = [max(len(line[at]) for line in table) for at in range(len(table[0]))]
    lines = [
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()
        for line in table
    ]
    lines += [f"[{number}] {note}" for number, note in enumerate(notes.values(), 1)]
    failed = list(failed_tests(folder, report.results, _MOST))
    lines += ["", "failed tests:", *failed] if failed else []
    again = sorted({test for result in report.results for test in result.again})
    lines += ["", "passed only when run again:", *(f"  {test}" for test in again)] if again else []
    return [*lines, "", summary(report)]


def text(result: Result, notes: dict[str, str], folder: Path) -> str:
    """The text of one place of the grid. Its note, by the reason, has the first cell's log."""
    told = "ok" if result.state == "passed" else result.state
    if result.state == "passed":
        told = f"{result.passed} ok"
    if not result.reason:
        return told
    log = "" if result.failures else log_of(folder, result)
    notes.setdefault(result.reason, f"{result.reason}: see {log}" if log else result.reason)
    return f"{told} [{list(notes).index(result.reason) + 1}]"


def summary(report: Report) -> str:
    """The last line of a run."""
    told = ", ".join(f"{count} {state}" for state, count in counts(report.results).items())
    minutes, seconds = divmod(round(report.seconds), 60)
    allowed = sum(each.allowed for each in report.results)
    permitted = f" ({allowed} unavailable as allowed)" if allowed else ""
    words = f", only with {shlex.join(report.pytest)}" if report.pytest else ""
    return f"{told}{permitted} in {minutes} min {seconds:02} s{words}, exit status {report.status}"


def junit(folder: Path, report: Report) -> bytes:
    """One suite for each cell: pytest's own cases, or one case with the cell's result."""
    whole = ET.Element("testsuites", name="matrix", time=f"{report.seconds:.1f}")
    for result in report.results:
        whole.append(suite(folder, result))
    ET.indent(whole)
    written: bytes = ET.tostring(whole, encoding="utf-8", xml_declaration=True)
    return written


def suite(folder: Path, result: Result) -> ET.Element:
    cases = list(cases_of(folder, result))
    told = {"failed": "failure", "unavailable": "error", "not run": "error", "excluded": "skipped"}
    kind = "skipped" if result.allowed else told.get(result.state)
    if kind and not any(case.find("failure") is not None for case in cases):
        case = ET.Element("testcase", classname=result.cell, name="the cell")
        ET.SubElement(case, kind, message=result.reason)
        cases.append(case)
    made = ET.Element("testsuite", name=result.cell, tests=str(len(cases)))
    for kind, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        made.set(attribute, str(sum(case.find(kind) is not None for case in cases)))
    made.set("time", f"{result.build_seconds + result.test_seconds:.1f}")
    made.extend(cases)
    return made


def cases_of(folder: Path, result: Result) -> Iterator[ET.Element]:
    """The cases that pytest wrote for this cell in this run, if there are any."""
    path = folder / Path(result.log).parent / f"{result.cell}.xml"
    if result.passed + result.failed == 0 or not path.is_file():
        return
    try:
        cases = ET.parse(path).iter("testcase")  # noqa: S314  pytest of our own container
    except ET.ParseError:  # pytest was ended while it wrote the file
        return
    for case in cases:
        case.set("classname", f"{result.cell}.{case.get('classname')}")
        yield case
