"""The verbs beside a run: bases, shell, patch and clean."""

import argparse
import shutil
import subprocess
import sys

from command import Problem
from matrix import (
    CellFailed,
    Unavailable,
    cells,
    containers,
    data,
    engine,
    leftovers,
    patch,
    results,
)
from matrix.explained import explained
from matrix.verbs import pinning
from matrix.verbs.place import cache, runs, surroundings


def make_bases(arguments: argparse.Namespace) -> int:
    """Gets every base image. Returns 3 if one cannot be had."""
    known = data.load(arguments.data)
    wanted = set(arguments.patterns) or set(known.bases)
    if not wanted <= set(known.bases):
        raise Problem(f"the bases are {', '.join(known.bases)}")
    if arguments.refresh:
        chosen = [base for name, base in known.bases.items() if name in wanted]
        return pinning.refresh(arguments, chosen)
    status = 0
    with engine.connected() as client, surroundings(arguments, known, client) as site:
        for name in [each for each in known.bases if each in wanted]:
            try:
                with explained():
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


def open_shell(arguments: argparse.Namespace) -> int:
    """Opens a shell in one cell. Uses the docker program, which can deal with a terminal."""
    known = data.load(arguments.data)
    chosen = cells.select(cells.expand(known), arguments.patterns)
    if len(chosen) != 1 or not arguments.patterns:
        raise Problem("shell takes the name of one cell: ./dev matrix list shows them")
    if shutil.which("docker") is None:
        raise Problem("shell needs the docker program: install docker-cli or docker.io")
    with engine.connected() as client, surroundings(arguments, known, client) as site:
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
    leftovers.refuse_while_running(runs())
    with leftovers.alone_in(arguments.output), engine.connected() as client:
        removed = engine.clean(client)
    for folder in (cache() / "stamps", runs(), arguments.output):
        if folder.exists():
            shutil.rmtree(folder)
    print("removed " + ", ".join(f"{count} {what}" for what, count in removed.items()))
    return 0
