"""The verb report: the last run's results again."""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from command import TOP
from matrix import reports, results, tested
from matrix.results import Report


def tell(console: Console, folder: Path, report: Report) -> int:
    """Prints the grid, and where the other reports are."""
    console.print()
    for line in reports.grid(report):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    page = folder / reports.PAGE
    shown = page.relative_to(TOP) if page.is_relative_to(TOP) else page
    console.print(f"the page: {shown}", markup=False, highlight=False, soft_wrap=True)
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
    return tell(Console(), arguments.output, report)
