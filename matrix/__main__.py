"""Builds and tests every Apache with every Python and every process model, in containers.

  list      the cells, one a line, and what keeps them from running here
  bases     pulls the base images, or makes them where no registry answers
  build     makes the images, the servers and the module of each cell
  test      tests the cells; what is missing is built first, in silence
  run       builds and tests the cells; the report has the times of both
  report    prints the grid of the last run again, and writes its pages again
  shell     opens a shell in the container that a cell's tests would get
  patch     prints commands that mend an old Apache's source, for your own build: patch 1.3
  clean     removes the matrix's images, volumes and containers, and the last report

A PATTERN is a shell pattern for names of cells. A pattern that begins with "!" takes cells out
again: 'apache1.3-*' '!*-py2.7*'. Without a pattern, every cell is meant. The exit status is 0 if
every chosen cell passed, 1 if one failed, 2 if the command or the machine is at fault, and 3 if a
cell is unavailable that --allow-unavailable does not name. docs/matrix.md says more.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from docker import DockerClient
from rich.console import Console

from command import TOP, Problem, serve
from matrix import (
    HERE,
    CellFailed,
    Unavailable,
    cells,
    containers,
    data,
    engine,
    local,
    patch,
    progress,
    reports,
    results,
    schedule,
    snapshot,
    tested,
)
from matrix.archives import Shelf
from matrix.cells import Cell
from matrix.containers import Site
from matrix.data import Data
from matrix.results import Report
from matrix.verdict import Verdict

FOLDER = TOP / "build" / "matrix"
VERBS = ("list", "bases", "build", "test", "run", "report", "shell", "patch", "clean")


def main(words: Sequence[str] | None = None) -> int:
    """Does what the command line says. Returns the exit status."""
    arguments = parser().parse_intermixed_args(words)
    serve.listen_to_signals()
    verbs: dict[str, Callable[[argparse.Namespace], int]] = {
        "list": show_list,
        "bases": make_bases,
        "build": carry_out,
        "test": carry_out,
        "run": carry_out,
        "report": show_report,
        "shell": open_shell,
        "patch": show_patch,
        "clean": clean,
    }
    try:
        return verbs[arguments.verb](arguments)
    except Problem as problem:
        print(f"matrix: {problem}", file=sys.stderr)
        return results.USAGE
    except KeyboardInterrupt:
        print("matrix: interrupted", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="dev matrix",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("verb", choices=VERBS, metavar="VERB", help=", ".join(VERBS))
    top.add_argument("patterns", nargs="*", metavar="PATTERN", help="which cells")
    add = top.add_argument
    add(
        "--jobs",
        type=positive,
        default=max(1, (os.cpu_count() or 1) // 2),
        metavar="N",
        help="cells at a time (default: half of the processors)",
    )
    add("--keep-going", action="store_true", help="go on after a cell has failed")
    add(
        "--allow-unavailable",
        action="append",
        default=[],
        metavar="PATTERN",
        help="cells that may be unavailable; may be repeated",
    )
    add(
        "--slow",
        choices=("once", "all", "none"),
        default="once",
        help="slow tests: in one cell of each line and mode (default), in every cell, or nowhere",
    )
    add("--local", action="store_true", help="this machine's own servers and Pythons, no Docker")
    add("--sources", type=Path, metavar="DIR", help="a folder that already has release archives")
    add(
        "--data",
        type=Path,
        default=HERE / "matrix.toml",
        metavar="FILE",
        help="another matrix.toml; its archives.lock is beside it",
    )
    add(
        "--output",
        type=Path,
        default=FOLDER,
        metavar="DIR",
        help="where logs and reports go (default: build/matrix)",
    )
    add("--markdown", type=Path, metavar="FILE", help="report: write docs/tested.md, too")
    add(
        "--after",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="report --markdown: an earlier run's --output, to be in it as well; may be repeated",
    )
    return top


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def cache() -> Path:
    """Where archives and notes are kept from run to run."""
    known = os.environ.get("XDG_CACHE_HOME")
    return (Path(known) if known else Path.home() / ".cache") / "mod_wsgi-matrix"


def shelf(arguments: argparse.Namespace) -> Shelf:
    if arguments.sources and not arguments.sources.is_dir():
        raise Problem(f"--sources {arguments.sources} is not a folder")
    lock: Path = arguments.data.with_name("archives.lock")
    return Shelf(sources=arguments.sources, cache=cache() / "archives", lock=lock)


def show_list(arguments: argparse.Namespace) -> int:
    """Prints the cells. The names come first on each line, so that scripts can read them."""
    known = data.load(arguments.data)
    if arguments.local:
        here = local.discover(arguments.output, known.limits.seconds)
        told = {name: f"unavailable: {why}" for name, why in here.obstacles.items()}
        chosen = cells.select(here.cells(), arguments.patterns)
        obstacles = {cell.name: told.get(cell.name, "runs here") for cell in chosen}
    else:
        chosen = cells.select(cells.expand(known), arguments.patterns)
        obstacles = outlook(arguments, known, chosen)
    width = max(len(cell.name) for cell in chosen)
    for cell in chosen:
        print(f"{cell.name:{width}}  {obstacles[cell.name]}")
    return 0


def outlook(arguments: argparse.Namespace, known: Data, chosen: Sequence[Cell]) -> dict[str, str]:
    """What is known of each cell without using the network."""
    store = shelf(arguments)
    try:
        with engine.connected() as client:
            images = {
                base.name: engine.has_image(client, base.image) for base in known.bases.values()
            }
    except Problem as problem:
        return {cell.name: f"cannot run: {problem}" for cell in chosen}
    return {cell.name: prospect(known, store, images, cell) for cell in chosen}


def prospect(known: Data, store: Shelf, images: dict[str, bool], cell: Cell) -> str:
    python = known.pythons[cell.python]
    if cell.excluded:
        return f"excluded: {cell.excluded}"
    if python.unavailable:
        return f"unavailable: {python.unavailable}"
    missing = []
    bases = {python.base} if cell.suite else {python.base, known.apaches[cell.line].base}
    missing += [
        f"the image {known.bases[name].image} is to be pulled"
        + (" or made" if known.bases[name].debootstrap else "")
        for name in sorted(bases)
        if not images[name]
    ]
    if not cell.suite:
        apache = known.apaches[cell.line]
        folders = [folder for folder in (store.sources, store.cache) if folder]
        missing += [
            f"{each.name} is to be downloaded"
            for each in (apache.archive, *apache.parts)
            if not any((folder / each.name).is_file() for folder in folders)
        ]
    return "; ".join(missing) or "runs here"


def make_bases(arguments: argparse.Namespace) -> int:
    """Gets every base image. Returns 3 if one cannot be had."""
    known = data.load(arguments.data)
    wanted = set(arguments.patterns) or set(known.bases)
    if not wanted <= set(known.bases):
        raise Problem(f"the bases are {', '.join(known.bases)}")
    status = 0
    with engine.connected() as client:
        site = surroundings(arguments, known, client)
        for name in [each for each in known.bases if each in wanted]:
            try:
                with engine.explained():
                    containers.base(site, name, unheard)
                print(f"{name}: {known.bases[name].image} is there")
            except Unavailable as reason:
                print(f"{name}: unavailable - {reason}")
                status = results.UNAVAILABLE
            except CellFailed as reason:
                print(f"{name}: failed - {reason}")
                return results.FAILED
    return status


def unheard(_: str) -> None:
    """Ignores the phases of a cell."""


def surroundings(arguments: argparse.Namespace, known: Data, client: DockerClient) -> Site:
    arguments.output.mkdir(parents=True, exist_ok=True)
    return Site(
        client=client,
        data=known,
        shelf=shelf(arguments),
        snapshot=snapshot.take(),
        logs=arguments.output,
        stamps=cache() / "stamps",
    )


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


def open_shell(arguments: argparse.Namespace) -> int:
    """Opens a shell in one cell. Uses the docker program, which can deal with a terminal."""
    known = data.load(arguments.data)
    chosen = cells.select(cells.expand(known), arguments.patterns)
    if len(chosen) != 1 or not arguments.patterns:
        raise Problem("shell takes the name of one cell: ./dev matrix list shows them")
    if shutil.which("docker") is None:
        raise Problem("shell needs the docker program: install docker-cli or docker.io")
    with engine.connected() as client:
        site = surroundings(arguments, known, client)
        try:
            built = containers.build(site, chosen[0], lambda phase: print(phase, file=sys.stderr))
        except (Unavailable, CellFailed) as reason:
            raise Problem(f"{chosen[0].name}: {reason}") from reason
        task = containers.shell_task(site, built)
        with engine.container(client, task) as made:
            made.start()
            terminal = ["-t"] if sys.stdin.isatty() else []
            command = ["docker", "exec", "-i", *terminal, str(made.id), "bash"]
            return subprocess.run(command, check=False).returncode


def show_patch(arguments: argparse.Namespace) -> int:
    """Commands for the source of one line of Apache."""
    known = data.load(arguments.data)
    if len(arguments.patterns) != 1 or arguments.patterns[0] not in known.apaches:
        raise Problem(f"patch takes one line of Apache: {', '.join(known.apaches)}")
    for line in patch.lines(known.apaches[arguments.patterns[0]]):
        print(line)
    return 0


def clean(arguments: argparse.Namespace) -> int:
    """Removes what the matrix has made.

    Base images and archives stay, since they are slow to get.
    """
    with engine.connected() as client:
        removed = engine.clean(client)
    for folder in (cache() / "stamps", arguments.output):
        shutil.rmtree(folder, ignore_errors=True)
    print("removed " + ", ".join(f"{count} {what}" for what, count in removed.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
