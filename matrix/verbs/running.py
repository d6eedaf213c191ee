"""The verbs build, test and run: take the chosen cells through it, and report."""

import argparse
import platform
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from command import TOP, Problem
from matrix import cells, containers, data, engine, local, progress, reports, schedule, snapshot
from matrix.cells import Cell
from matrix.containers import Site
from matrix.results import Report
from matrix.verbs.place import surroundings
from matrix.verbs.reporting import tell
from matrix.verdict import Verdict


def carry_out(arguments: argparse.Namespace) -> int:
    """Builds or tests cells, or both, and reports at the end."""
    known = data.load(arguments.data)
    if arguments.local:
        here = local.discover(arguments.output, known.limits.seconds)
        chosen = cells.select(here.cells(), arguments.patterns)
        arguments.output.mkdir(parents=True, exist_ok=True)
        plan = local_plan(arguments, here, chosen)
        return finish(arguments, chosen, plan, "local", snapshot.revision(TOP))
    chosen = cells.select(cells.expand(known), arguments.patterns)
    if all(cell.excluded for cell in chosen):
        raise Problem(f"every cell selected is excluded: {chosen[0].excluded}")
    with engine.connected(arguments.jobs) as client:
        where = f"Docker {client.version()['Version']}"
        site = surroundings(arguments, known, client)
        plan = docker_plan(arguments, site, chosen)
        return finish(arguments, chosen, plan, where, site.snapshot.revision)


def docker_plan(
    arguments: argparse.Namespace, site: Site, chosen: Sequence[Cell]
) -> schedule.Plan:
    slow = slow_cells(arguments.slow, chosen)

    def test(cell: Cell, built: Any, say: Callable[[str], None]) -> Verdict:
        return containers.test(site, cell, built, slow=cell.name in slow, say=say)

    return schedule.Plan(
        build=lambda cell, say: containers.build(site, cell, say),
        test=None if arguments.verb == "build" else test,
        jobs=arguments.jobs,
        keep_going=arguments.keep_going,
        allowed=arguments.allow_unavailable,
        stop=lambda: engine.stop(site.client, site.run),
    )


def local_plan(
    arguments: argparse.Namespace, here: local.Local, chosen: Sequence[Cell]
) -> schedule.Plan:
    slow = slow_cells(arguments.slow, chosen)

    def build(cell: Cell, say: Callable[[str], None]) -> None:
        say("building")
        local.build(here, cell)

    def test(cell: Cell, _: object, say: Callable[[str], None]) -> Verdict:
        say("testing")
        return local.test(here, cell, slow=cell.name in slow)

    return schedule.Plan(
        build=build,
        test=None if arguments.verb == "build" else test,
        jobs=arguments.jobs,
        keep_going=arguments.keep_going,
        allowed=arguments.allow_unavailable,
        stop=here.stop,
    )


def slow_cells(how: str, chosen: Sequence[Cell]) -> set[str]:
    """The cells that run the slow tests."""
    if how == "once":
        return cells.first_of_each_line([cell for cell in chosen if not cell.excluded])
    return {cell.name for cell in chosen} if how == "all" else set()


def finish(
    arguments: argparse.Namespace,
    chosen: Sequence[Cell],
    plan: schedule.Plan,
    where: str,
    revision: str,
) -> int:
    """Carries out a plan and reports. Earlier results of these cells are removed."""
    for cell in chosen:
        for suffix in (".log", ".xml"):
            (arguments.output / f"{cell.name}{suffix}").unlink(missing_ok=True)
    console = Console()
    started, begun = datetime.now(UTC), time.monotonic()
    active = sum(cell.excluded is None for cell in chosen)
    with progress.shown(console, active) as shown:
        outcome = schedule.carry_out(plan, chosen, shown)
    report = Report(
        started=started.strftime("%Y-%m-%d %H:%M UTC"),
        seconds=round(time.monotonic() - begun, 1),
        where=f"{where}, {platform.machine()}",
        revision=revision,
        verb=arguments.verb,
        results=outcome.results,
        trouble=outcome.trouble,
    )
    reports.write(arguments.output, report)
    status = tell(console, arguments.output, report)
    if outcome.trouble == schedule.INTERRUPTED:
        raise KeyboardInterrupt
    return status
