"""The verbs report and merge: the last run's results again, or those of several machines."""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from command import Problem
from matrix import cells, data, merging, reports, results, summary, tested
from matrix.results import Report


def tell(arguments: argparse.Namespace, report: Report) -> int:
    """Prints the grid, and where the other reports are. Writes the summary."""
    console, folder = Console(), arguments.output
    console.print()
    for line in reports.grid(report, folder):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    page = folder / reports.PAGE
    if page.is_file():
        told = f"the page: {reports.shown(page)}"
        console.print(told, markup=False, highlight=False, soft_wrap=True)
    if arguments.summary:
        with arguments.summary.open("a") as stream:
            stream.write(summary.render(report))
    if report.trouble:
        print(f"matrix: {report.trouble}", file=sys.stderr)
    return report.status


def show_report(arguments: argparse.Namespace) -> int:
    """Shows the last run's report. Returns its exit status."""
    report = results.load(arguments.output / reports.JSON)
    reports.write(arguments.output, report)
    if arguments.markdown:
        earlier = [results.load(folder / reports.JSON) for folder in arguments.after]
        arguments.markdown.write_text(tested.render([*earlier, report]))
    return tell(arguments, report)


def merge(arguments: argparse.Namespace) -> int:
    """Makes one report of those in several folders. Returns the exit status of the whole."""
    folders = [Path(name) for name in arguments.patterns]
    if not folders:
        raise Problem("merge takes the folders of several runs: each was the --output of one")
    if any(folder.resolve() == arguments.output.resolve() for folder in folders):
        raise Problem(f"--output {arguments.output} is one of the folders: name another one")
    plan = merging.read_plan(arguments.plan) if arguments.plan else {}
    parts, empty = merging.read(folders, planned=bool(plan))
    for folder in empty:
        print(f"matrix: {folder} has no report", file=sys.stderr)
    order = [cell.name for cell in cells.expand(data.load(arguments.data))]
    report = merging.merge(parts, plan, order)
    merging.copy_logs(parts, arguments.output)
    reports.write(arguments.output, report)
    return tell(arguments, report)
