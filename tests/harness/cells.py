"""The combinations of Apache and Python that this machine can test, and their built modules.

A cell is one server (a line and a process model) with one Python. The Python is embedded in the
server's processes, or applications run in processes of their own. What cannot be tested is never
left out silently: it stays in the grid, with the reason.
"""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import command.build
from command import Problem, access, pythons, servers
from command.pythons import Python
from command.servers import Server

CHOICES = ("own", "all", "cover")
MODES = ("embedded", "processes")
SYSTEM_PYTHON = "/usr/bin/python3"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One Apache with one process model, and one Python inside it."""

    server: Server
    python: Python
    mode: str = "embedded"

    @property
    def name(self) -> str:
        return f"{self.server.name}-{self.python.name}{self._ending}"

    @property
    def row(self) -> str:
        """All but the Python: a row of the grid."""
        return f"{self.server.name}{self._ending}"

    @property
    def _ending(self) -> str:
        return "" if self.mode == "embedded" else f"-{self.mode}"

    @property
    def traits(self) -> tuple[str, ...]:
        """What limits.py may name: the line, the process model, the Python, its kind, the mode."""
        kind = "free-threaded" if self.python.abi == "t" else "locked"
        return f"apache{self.server.line}", self.server.mpm, self.python.name, kind, self.mode


@dataclass(frozen=True, kw_only=True)
class Cells:
    """What was found: the cells to test, and for every other one why it is not."""

    ready: tuple[Cell, ...]
    not_run: dict[str, str]
    every: tuple[Cell, ...]


def discover(
    lines: Sequence[str],
    versions: Sequence[str],
    mpms: Sequence[str],
    modes: Sequence[str] = (),
    *,
    choice: str,
) -> Cells:
    """The combinations on the machine that the choice wants, the newest line first.

    Of those of the lines, Pythons, process models and modes named, or of all where none are.
    """
    if choice == "own":
        lines = lines or [servers.line_of(servers.choose_apxs())]
        versions = versions or [str(own_python().executable)]
    every = tuple(
        Cell(server=server, python=python, mode=mode)
        for mode in modes or MODES
        for server in servers.find(lines)
        if not mpms or server.mpm in mpms
        for python in pythons.find(versions)
    )
    if choice == "own" and not modes:
        every = own(every)
    not_run = {cell.name: reason for cell in every if (reason := access.fault(cell.python))}
    ready = tuple(cell for cell in every if cell.name not in not_run)
    if choice == "cover":
        chosen = cover(ready)
        ready, left = chosen, [cell for cell in ready if cell not in chosen]
        not_run |= {cell.name: "left out of --cells cover" for cell in left}
    return Cells(ready=ready, not_run=not_run, every=every)


def own(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """All that are embedded, and one with processes, under the most modern process model."""
    apart = [cell for cell in cells if cell.mode == "processes"]
    chosen = max(apart, key=lambda cell: servers.MPMS.index(cell.server.mpm), default=None)
    return tuple(cell for cell in cells if cell.mode == "embedded" or cell is chosen)


def crowded(cells: Sequence[Cell]) -> str | None:
    """What to say where each Python to test has a crowd; None where one has none."""
    crowds = {cell.python.executable: cell.python.crowd for cell in cells}
    if not crowds or not all(crowds.values()):
        return None
    named = "; ".join(f"{program}: {', '.join(crowd)}" for program, crowd in crowds.items())
    return (
        "NO PLAIN PYTHON was tested: .pth files import modules into every interpreter of these, "
        f"which hides faults ({named}). Add --python /usr/bin/python3, or another without them."
    )


def own_python() -> Python:
    """The system's Python, or else the first on PATH that a server can run."""
    with suppress(Problem):
        return pythons.choose(SYSTEM_PYTHON, refuse=access.fault)
    return pythons.choose(refuse=access.fault)


def rest(tested: Cells, *, slow: bool, without_server: bool) -> str:
    """What this machine has and the run leaves out, in words; empty if nothing."""
    every = [server.name for server in servers.find()]
    known = {cell.server.name for cell in tested.every}
    versions = {cell.python.name for cell in tested.every}
    parts = [
        ", ".join(name for name in every if name not in known),
        ", ".join(each.name for each in pythons.find() if each.name not in versions),
        "" if slow else "the slow tests",
        "" if without_server else "the tests that need no server (./dev check runs them)",
    ]
    return "; ".join(part for part in parts if part)


def cover(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """The cells to choose where time is short.

    Every server and every Python is in one; Apache 2.4 has its oldest Python under prefork, and
    its newest under event. Each line has one with processes.
    """
    embedded = cover_embedded([cell for cell in cells if cell.mode == "embedded"])
    apart = cover_processes([cell for cell in cells if cell.mode == "processes"])
    return tuple(cell for cell in cells if cell in embedded or cell in apart)


def cover_embedded(cells: Sequence[Cell]) -> list[Cell]:
    servers_there = list(dict.fromkeys(cell.server for cell in cells))
    pythons_there = list(dict.fromkeys(cell.python for cell in cells))
    chosen = {
        (server, pythons_there[place % len(pythons_there)])
        for place, server in enumerate(servers_there)
    }
    extremes = {"prefork": pythons_there[:1], "event": pythons_there[-1:]}
    chosen |= {
        (server, python)
        for server in servers_there
        if server.line == "2.4"
        for python in extremes.get(server.mpm, [])
    }
    tested = {python for _, python in chosen}
    missing = [python for python in pythons_there if python not in tested]
    chosen |= {
        (servers_there[place % len(servers_there)], python) for place, python in enumerate(missing)
    }
    return [cell for cell in cells if (cell.server, cell.python) in chosen]


def cover_processes(cells: Sequence[Cell]) -> list[Cell]:
    """For each line its most modern process model. The Pythons are spread from old to new."""
    pythons_there = list(dict.fromkeys(cell.python for cell in cells))
    if not pythons_there:
        return []
    spread = [pythons_there[place * (len(pythons_there) - 1) // 2] for place in range(3)]
    modern = {
        server.line: server
        for mpm in servers.MPMS
        for server in (cell.server for cell in cells)
        if server.mpm == mpm
    }
    chosen = {
        (server, spread[place % len(spread)])
        for place, server in enumerate(sorted(modern.values(), key=lambda server: server.line))
    }
    return [cell for cell in cells if (cell.server, cell.python) in chosen]


def build(cell: Cell, folder: Path, profile: str = command.build.RELEASE) -> Path:
    """The cell's module, copied into folder: a later build must not change a loaded one.

    With processes it has no Python, and the two programs of the cell are beside it.
    """
    if cell.mode == "embedded":
        return Path(shutil.copy(command.build.module(cell.server, cell.python, profile), folder))
    module, *programs = command.build.module_and_programs(cell.server, cell.python, profile)
    (folder / "mod_wsgi").mkdir(exist_ok=True)
    for program in programs:
        shutil.copy(program, folder / "mod_wsgi")
    return Path(shutil.copy(module, folder))
