"""Runs the cells of this machine's own servers and Pythons, without containers."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from command import TOP, Problem
from matrix import CellFailed, Unavailable, suite
from matrix.cells import Cell
from matrix.verdict import Verdict, judge
from tests.harness import cells as machine

_GRACE_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Local:
    """The servers and Pythons of this machine, by the cells' names."""

    found: dict[str, machine.Cell]
    obstacles: dict[str, str]
    logs: Path
    seconds: int
    under_way: set[subprocess.Popen[bytes]] = field(default_factory=set)

    def cells(self) -> tuple[Cell, ...]:
        return tuple(
            Cell(
                line=each.server.line,
                mpm=each.server.mpm,
                python=f"{each.python.version}{each.python.abi}",
                mode=each.mode,
            )
            for each in self.found.values()
        )

    def stop(self) -> None:
        """Interrupts the tests that are under way, so that they stop their servers."""
        for process in tuple(self.under_way):
            process.send_signal(signal.SIGINT)


def discover(logs: Path, seconds: int) -> Local:
    """Every combination on this machine. Those that cannot run have the reason."""
    every = machine.discover((), (), (), machine.MODES, choice="all")
    found = {cell.name: cell for cell in every.every}
    return Local(found=found, obstacles=every.not_run, logs=logs, seconds=seconds)


def build(local: Local, cell: Cell) -> None:
    """Builds the cell's module as a plain scons does."""
    known = _known(local, cell)
    folder = local.logs / "modules" / cell.name
    folder.mkdir(parents=True, exist_ok=True)
    try:
        machine.build(known, folder)
    except Problem as failure:
        (local.logs / f"{cell.name}.log").write_text(str(failure))
        raise CellFailed("the module did not build") from failure


def test(local: Local, cell: Cell, *, slow: bool, words: Sequence[str]) -> Verdict:
    """Runs the test suite in the cell, with the user's words for pytest."""
    known = _known(local, cell)
    cases, grid = (local.logs / f"{cell.name}.{kind}" for kind in ("xml", "json"))
    grid.unlink(missing_ok=True)
    python = str(known.python.executable)
    command = suite.command(sys.executable, cell, python, (cases, grid), slow=slow, words=words)
    with (local.logs / f"{cell.name}.log").open("a") as log:
        status = run(local, command, log)
    content = suite.read_grid(grid.read_bytes() if grid.is_file() else b"")
    if content is None:
        raise CellFailed(suite.ended_early(status))
    grid.unlink()
    return judge(cell, content, status, known.server.version)


def run(local: Local, command: Sequence[str], log: TextIO) -> int:
    """Runs a command. If it takes too long, it is interrupted, so that it stops its servers.

    It has its own session, so a terminal's Ctrl-C reaches it only once, by Local.stop.
    """
    with subprocess.Popen(
        command, cwd=TOP, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:
        local.under_way.add(process)
        try:
            return process.wait(local.seconds)
        except subprocess.TimeoutExpired as late:
            process.send_signal(signal.SIGINT)
            raise CellFailed(f"the tests took longer than {local.seconds} s") from late
        finally:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE_SECONDS)
            process.kill()
            local.under_way.discard(process)


def _known(local: Local, cell: Cell) -> machine.Cell:
    if cell.name in local.obstacles:
        raise Unavailable(local.obstacles[cell.name])
    return local.found[cell.name]
