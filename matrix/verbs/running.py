"""The verbs build, test and run: take the chosen cells through it, and report."""

import argparse
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from command import TOP, Problem
from matrix import (
    cells,
    choice,
    containers,
    data,
    engine,
    failures,
    files,
    leftovers,
    local,
    progress,
    reports,
    schedule,
    snapshot,
)
from matrix.arguments import words_for_pytest
from matrix.cells import Cell
from matrix.containers import Site
from matrix.described import Data
from matrix.results import Report, Result
from matrix.verbs.place import surroundings
from matrix.verbs.reporting import tell
from matrix.verdict import Verdict

# Of the tests that failed in a cell, so many are told at once. All are told at the end.
_SHOWN = 5


def carry_out(arguments: argparse.Namespace) -> int:
    """Builds or tests cells, or both, and reports at the end."""
    known = data.load(arguments.data)
    with leftovers.alone_in(arguments.output):
        return carry_out_alone(arguments, known)


def carry_out_alone(arguments: argparse.Namespace, known: Data) -> int:
    if arguments.local:
        here = local.discover(arguments.output, known.limits.seconds)
        chosen = choice.choose(arguments, known, here.cells())
        plan = local_plan(arguments, here, slow_cells(arguments.slow, chosen.whole))
        revision = snapshot.revision(TOP)
        return finish(arguments, run(arguments, chosen.cells, plan, "local", revision))
    chosen = choice.choose(arguments, known, cells.expand(known))
    if all(cell.excluded for cell in chosen.cells):
        raise Problem(f"every cell selected is excluded: {chosen.cells[0].excluded}")
    with (
        engine.connected(arguments.jobs) as client,
        surroundings(arguments, known, client) as site,
    ):
        where = f"Docker {client.version()['Version']}"
        plan = docker_plan(arguments, site, slow_cells(arguments.slow, chosen.whole))
        report = run(arguments, chosen.cells, plan, where, site.snapshot.revision)
        report = replace(report, bases=containers.origins(site, chosen.cells))
        return finish(arguments, report)


def docker_plan(
    arguments: argparse.Namespace, site: Site, slow: AbstractSet[str]
) -> schedule.Plan:
    def test(cell: Cell, built: Any, say: Callable[[str], None]) -> Verdict:
        words = words_for_pytest(arguments)
        told = containers.test(site, cell, built, slow=cell.name in slow, words=words, say=say)
        return with_failures(told, cell, site.logs)

    return schedule.Plan(
        build=lambda cell, say: containers.build(site, cell, say),
        test=None if arguments.verb == "build" else test,
        jobs=arguments.jobs,
        keep_going=arguments.keep_going,
        allowed=arguments.allow_unavailable,
        stop=lambda: engine.stop(site.client, site.run),
    )


def local_plan(
    arguments: argparse.Namespace, here: local.Local, slow: AbstractSet[str]
) -> schedule.Plan:
    def build(cell: Cell, say: Callable[[str], None]) -> None:
        say("building")
        local.build(here, cell)

    def test(cell: Cell, _: object, say: Callable[[str], None]) -> Verdict:
        say("testing")
        words = words_for_pytest(arguments)
        told = local.test(here, cell, slow=cell.name in slow, words=words)
        return with_failures(told, cell, here.logs)

    return schedule.Plan(
        build=build,
        test=None if arguments.verb == "build" else test,
        jobs=arguments.jobs,
        keep_going=arguments.keep_going,
        allowed=arguments.allow_unavailable,
        stop=here.stop,
    )


def with_failures(told: Verdict, cell: Cell, logs: Path) -> Verdict:
    return replace(told, failures=failures.of_cases(logs / f"{cell.name}.xml", cell.plain))


def slow_cells(how: str, chosen: Sequence[Cell]) -> set[str]:
    """The cells that run the slow tests. chosen has those of other machines' parts, too."""
    if how == "once":
        return cells.one_of_each_line([cell for cell in chosen if not cell.excluded])
    return {cell.name for cell in chosen} if how == "all" else set()


def run(
    arguments: argparse.Namespace,
    chosen: Sequence[Cell],
    plan: schedule.Plan,
    where: str,
    revision: str,
) -> Report:
    """Carries out a plan. Earlier results of these cells are removed."""
    for cell in chosen:
        for suffix in (".log", ".xml"):
            (arguments.output / f"{cell.name}{suffix}").unlink(missing_ok=True)
    console = Console()

    def explain(result: Result) -> Iterator[str]:
        yield from reports.failed_tests(arguments.output, [result], _SHOWN)
        log = reports.log_of(arguments.output, result)
        if log and not result.failures:
            yield f"  see {log}"

    started, begun = datetime.now(UTC), time.monotonic()
    active = sum(cell.excluded is None for cell in chosen)
    with progress.shown(console, active, explain) as shown:
        outcome = schedule.carry_out(plan, chosen, shown)
    return Report(
        started=started.strftime("%Y-%m-%d %H:%M UTC"),
        seconds=round(time.monotonic() - begun, 1),
        where=f"{where}, {platform.machine()}",
        revision=revision,
        verb=arguments.verb,
        results=outcome.results,
        trouble=outcome.trouble,
        shard=str(arguments.shard or ""),
        pytest=tuple(arguments.pytest),
    )


def finish(arguments: argparse.Namespace, report: Report) -> int:
    """Writes the reports, and tells the result."""
    try:
        reports.write(arguments.output, report)
    except OSError as error:
        report = replace(report, trouble=report.trouble or files.complaint(error))
    return tell(arguments, report)
