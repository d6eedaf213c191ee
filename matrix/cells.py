"""The cells of the matrix: their names, and the choice of some by shell patterns.

A cell's name is its only name: on the command line, of its log, in every report.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from command import Problem
from matrix.described import Data


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One server with one process model, and one Python: embedded, or in processes of its own.

    For a packaged server, suite is the base that packages it. For a server of an archive it is "".
    """

    line: str
    mpm: str
    python: str
    suite: str = ""
    mode: str = "embedded"
    excluded: str | None = None

    @property
    def row(self) -> str:
        """A cell's name without the Python, which names a row of the grid."""
        plain = f"apache{self.line}-{self.mpm}{self._ending}"
        return f"{plain}-{self.suite}" if self.suite else plain

    @property
    def column(self) -> str:
        return f"py{self.python}"

    @property
    def plain(self) -> str:
        """The cell's name in the test suite, which does not know suites."""
        return f"apache{self.line}-{self.mpm}-{self.column}{self._ending}"

    @property
    def _ending(self) -> str:
        return "" if self.mode == "embedded" else f"-{self.mode}"

    @property
    def name(self) -> str:
        return f"{self.plain}-{self.suite}" if self.suite else self.plain


def expand(data: Data) -> tuple[Cell, ...]:
    """Every cell of the data, with the excluded ones.

    Servers come in the data's order. Those with processes come last. A pattern of the data that
    matches no cell is a mistake.
    """
    embedded = tuple(_embedded(data))
    chosen = [cell for cell in embedded if matches(cell.name, data.with_processes)]
    every = (*embedded, *(replace(cell, mode="processes") for cell in chosen))
    for pattern in data.with_processes:
        _check_pattern("with_processes", pattern, embedded)
    for at, time in enumerate(data.times):
        _check_pattern(f"times[{at}].cells", time.cells, every)
    for at, each in enumerate(data.exclusions):
        _check_pattern(f"exclusions[{at}].cells", each.cells, every)
    return tuple(replace(cell, excluded=_exclusion(data, cell)) for cell in every)


def _check_pattern(key: str, pattern: str, cells: Sequence[Cell]) -> None:
    if not any(fnmatchcase(cell.name, pattern) for cell in cells):
        raise Problem(f"{key} matches no cell: {pattern!r}. Correct the pattern, or remove it")


def _exclusion(data: Data, cell: Cell) -> str | None:
    reasons = (each.reason for each in data.exclusions if fnmatchcase(cell.name, each.cells))
    return next(reasons, None)


def _embedded(data: Data) -> Iterator[Cell]:
    for apache in data.apaches.values():
        for mpm in apache.mpms:
            for python in data.pythons.values():
                yield Cell(line=apache.line, mpm=mpm, python=python.version)
    for base, packaged in data.packaged.items():
        for mpm in packaged.mpms:
            for python in data.pythons.values():
                if base in python.on or (python.base == base and python.source is None):
                    yield Cell(line=packaged.line, mpm=mpm, python=python.version, suite=base)


def select(cells: Sequence[Cell], patterns: Sequence[str]) -> list[Cell]:
    """The cells that match a pattern, and no pattern that begins with "!".

    If no pattern selects cells, all are meant. A pattern that matches nothing is a mistake.
    """
    wanted = [pattern for pattern in patterns if not pattern.startswith("!")] or ["*"]
    unwanted = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    for pattern in (*wanted, *unwanted):
        if not any(fnmatchcase(cell.name, pattern) for cell in cells):
            raise Problem(f"no cell matches {pattern!r}: ./dev matrix list shows their names")
    chosen = [
        cell for cell in cells if matches(cell.name, wanted) and not matches(cell.name, unwanted)
    ]
    if not chosen:
        raise Problem(f"no cell is left of {' '.join(patterns)}: ./dev matrix list shows them")
    return chosen


def matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def by_python(cells: Sequence[Cell]) -> list[Cell]:
    """The cells with those of the same Python's images beside each other."""
    order = {name: at for at, name in enumerate(dict.fromkeys(cell.python for cell in cells))}
    return sorted(cells, key=lambda cell: (order[cell.python], cell.suite))


def one_of_each_line(cells: Sequence[Cell]) -> set[str]:
    """The cells that run the slow tests, too: one for each line of Apache and mode.

    Each has another Python than the one before, if there are several. So the tests that are for
    some Pythons only have their turn, and the parts of --shard stay alike. A packaged server has
    them only if its line has no other: more things can keep its cells from running.
    """
    alike: dict[tuple[str, str], list[Cell]] = {}
    for cell in by_python(cells):
        alike.setdefault((cell.line, cell.mode), []).append(cell)
    chosen = set()
    for at, group in enumerate(alike.values()):
        sure = [cell for cell in group if not cell.suite] or group
        chosen.add(sure[at * len(sure) // len(alike)].name)
    return chosen
