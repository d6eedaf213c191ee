"""The combinations of Apache and Python that this machine can test, and their built modules.

A cell is one server (a line and a process model) with one Python. What cannot be tested is never
left out silently: it stays in the grid, with the reason.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools import TOP, pythons, servers
from tools.pythons import Python
from tools.servers import Server


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One Apache with one process model, and one Python inside it."""

    server: Server
    python: Python

    @property
    def name(self) -> str:
        return f"{self.server.name}-{self.python.name}"

    @property
    def traits(self) -> tuple[str, ...]:
        """What tests/limits.py may name: the line, the process model, the Python and its kind."""
        kind = "free-threaded" if self.python.abi == "t" else "locked"
        return f"apache{self.server.line}", self.server.mpm, self.python.name, kind


@dataclass(frozen=True, kw_only=True)
class Cells:
    """What was found: the cells to test, and for every other one why it is not."""

    ready: tuple[Cell, ...]
    not_run: dict[str, str]
    every: tuple[Cell, ...]


class BuildFailed(Exception):
    """scons did not make the module; the text is what it said."""


def discover(
    lines: Sequence[str], versions: Sequence[str], mpms: Sequence[str], *, only_cover: bool
) -> Cells:
    """Every combination found on the machine, or those asked for, the newest line first."""
    every = tuple(
        Cell(server=server, python=python)
        for server in servers.find(lines)
        if not mpms or server.mpm in mpms
        for python in pythons.find(versions)
    )
    not_run = {cell.name: reason for cell in every if (reason := obstacle(cell.python))}
    ready = tuple(cell for cell in every if cell.name not in not_run)
    if only_cover:
        chosen = cover(ready)
        ready, left = chosen, [cell for cell in ready if cell not in chosen]
        not_run |= {cell.name: "left out of --cells cover" for cell in left}
    return Cells(ready=ready, not_run=not_run, every=every)


def cover(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """The cells to choose where time is short.

    Every server and every Python is in one; Apache 2.4 has its oldest and its newest Python under
    prefork and event.
    """
    servers_there = list(dict.fromkeys(cell.server for cell in cells))
    pythons_there = list(dict.fromkeys(cell.python for cell in cells))
    chosen = {
        (server, pythons_there[place % len(pythons_there)])
        for place, server in enumerate(servers_there)
    }
    chosen |= {
        (servers_there[place % len(servers_there)], python)
        for place, python in enumerate(pythons_there)
    }
    chosen |= {
        (server, python)
        for server in servers_there
        if server.line == "2.4" and server.mpm in ("prefork", "event")
        for python in (pythons_there[0], pythons_there[-1])
    }
    return tuple(cell for cell in cells if (cell.server, cell.python) in chosen)


def obstacle(python: Python) -> str | None:
    """Why no server can run this Python here, or None where one can."""
    trouble = pythons.fault(python)
    if trouble:
        return trouble
    for path in (python.shared_library, python.stdlib / "os.py"):
        closed = closed_to_others(path)
        if closed:
            return f"{python.release}: {closed} is closed to the user Apache runs as: chmod o+x it"
    return None


def closed_to_others(path: Path) -> Path | None:
    """What keeps an unprivileged user from reading path; only root's Apache changes its user."""
    if os.geteuid() != 0:
        return None
    real = path.resolve()
    for folder in reversed(real.parents):
        if not folder.stat().st_mode & 0o001:
            return folder
    return None if real.stat().st_mode & 0o004 else real


def build(cell: Cell, folder: Path) -> Path:
    """The cell's module, copied into folder: a later build must not change a loaded one."""
    command = [
        *(sys.executable, "-m", "SCons", "-Q", "-j2"),
        f"apache={cell.server.line}",
        f"apxs={cell.server.apxs}",
        f"python={cell.python.executable}",
    ]
    with one_at_a_time():
        made = subprocess.run(
            command,
            cwd=TOP,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=600,
        )
        if made.returncode != 0:
            raise BuildFailed(f"{' '.join(command)}\n{made.stdout}")
        built = TOP / "build" / f"apache{cell.server.line}-{cell.python.name}" / "mod_wsgi.so"
        return Path(shutil.copy(built, folder / "mod_wsgi.so"))


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Two workers that build at once would spoil scons's own notes."""
    lock = TOP / "build" / ".tests-lock"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
