"""Parts of the matrix for several machines: what --shard chooses.

Every machine has to come to the same parts, so only the data file says how long cells take, not
what this machine happens to know. Neighbours stay together, since they share images.
"""

import argparse
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from command import Problem
from matrix.cells import Cell, by_python
from matrix.described import Data

# If the data file says nothing of a cell.
SECONDS = 180

# A machine of its own is worth at least this many seconds of cells: it makes images first.
LEAST_SECONDS = 600


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One of several parts, as "2/6" names it."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def shard(text: str) -> Shard:
    """What --shard takes."""
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is not a part like 2/6")
    return Shard(number=int(found[1]), of=int(found[2]))


def seconds(known: Data, cell: Cell) -> int:
    """How long a cell takes to build and to test, as the data file has it."""
    python = known.pythons.get(cell.python)
    if cell.excluded or (python and python.unavailable):
        return 0
    return next(
        (each.seconds for each in known.times if fnmatchcase(cell.name, each.cells)), SECONDS
    )


def part(known: Data, cells: Sequence[Cell], wanted: Shard) -> list[Cell]:
    """The cells of one part, in their order."""
    parts = split(known, cells, wanted.of)
    if len(parts) < wanted.of:
        raise Problem(
            f"--shard {wanted}: {len(parts)} cells can't be so many parts: "
            "./dev matrix list --shards says how many"
        )
    return parts[wanted.number - 1]


def worthwhile(known: Data, cells: Sequence[Cell], most: int) -> int:
    """How many parts are worth it. Another architecture needs a machine of its own."""
    running = [cell for cell in cells if cell.excluded is None]
    enough = sum(seconds(known, cell) for cell in running) // LEAST_SECONDS
    return max(1, len(_by_architecture(known, running)), min(most, enough, len(running)))


def split(known: Data, cells: Sequence[Cell], number: int) -> list[list[Cell]]:
    """Parts of about the same time. None is empty, unless there are too few cells.

    If there are enough parts, each of them has one architecture. The first has the most parts.
    """
    running = [cell for cell in by_python(cells) if cell.excluded is None]
    rows = _by_architecture(known, running)
    rows = rows if len(rows) <= number else [running]
    counts = [number - len(rows) + 1, *(1 for _ in rows[1:])]
    pieces = [
        piece for row, count in zip(rows, counts, strict=True) for piece in _cut(known, row, count)
    ]
    names = {cell.name: at for at, piece in enumerate(pieces) for cell in piece}
    # Excluded cells are only reported: by the first part.
    found = [[cell for cell in cells if names.get(cell.name, 0) == at] for at in range(number)]
    return [part for part in found if part]


def architecture(known: Data, cells: Sequence[Cell]) -> str:
    """The architecture of all these cells, or "" if it is any machine's own, or not the same."""
    found = {_architecture(known, cell) for cell in cells}
    return found.pop() if len(found) == 1 else ""


def _architecture(known: Data, cell: Cell) -> str:
    base = known.bases.get(cell.suite)
    return base.architecture if base else ""


def _by_architecture(known: Data, cells: Sequence[Cell]) -> list[list[Cell]]:
    """The cells in a row for each architecture, that of any machine first."""
    rows: dict[str, list[Cell]] = {}
    for cell in sorted(cells, key=lambda cell: _architecture(known, cell)):
        rows.setdefault(_architecture(known, cell), []).append(cell)
    return list(rows.values()) or [[]]


def _cut(known: Data, cells: Sequence[Cell], number: int) -> Iterator[list[Cell]]:
    """Cuts a row of cells. Each piece gets its share of what is left, and leaves some cells."""
    left = list(cells)
    for pieces in range(number, 0, -1):
        target = sum(seconds(known, cell) for cell in left) / pieces
        piece, total = left[:1], seconds(known, left[0]) if left else 0
        while len(left) - len(piece) >= pieces > 1:
            following = seconds(known, left[len(piece)])
            if total + following / 2 > target:
                break
            piece, total = left[: len(piece) + 1], total + following
        if pieces == 1:
            piece = left
        left = left[len(piece) :]
        yield piece
