"""The cells that a command line chooses: by patterns, by name, by what has changed, by parts."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from command import Problem
from matrix import cells, shards, since
from matrix.cells import Cell
from matrix.described import Data

_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The chosen cells. Those of the other parts are in whole, too, if there is --shard."""

    cells: tuple[Cell, ...]
    whole: tuple[Cell, ...]


def choose(arguments: argparse.Namespace, known: Data, every: Sequence[Cell]) -> Choice:
    """What the options say. --only stands alone, and takes a cell that is excluded, too.

    A word of the command line may have several patterns. So a variable of a shell can hold them.
    """
    if arguments.only:
        if arguments.patterns or arguments.since or arguments.shard:
            raise Problem("--only names one cell: no PATTERN, --since or --shard fits to that")
        one = only(every, arguments.only)
        return Choice(cells=one, whole=one)
    patterns = [pattern for words in arguments.patterns for pattern in words.split()]
    whole = tuple(cells.select(every, patterns))
    if arguments.since:
        found = since.touched(whole, known, arguments.since)
        whole = found.cells
        explain(arguments.since, found, len(every))
    part = tuple(shards.part(known, whole, arguments.shard)) if arguments.shard else whole
    return Choice(cells=part, whole=whole)


def only(every: Sequence[Cell], name: str) -> tuple[Cell, ...]:
    """The one cell of this name."""
    for cell in every:
        if cell.name == name:
            return (replace(cell, excluded=None),)
    raise Problem(f"--only {name}: no cell has this name: ./dev matrix list shows them")


def explain(ref: str, found: since.Touched, of: int) -> None:
    """Says on standard error what has changed, and which cells that can touch."""
    print(f"matrix: --since {ref}: {len(found.cells)} of {of} cells", file=sys.stderr)
    for told, files in sorted(found.reasons.items()):
        more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
        print(f"matrix:   {told}: {', '.join(files[:_SHOWN])}{more}", file=sys.stderr)
    print("matrix:   always: one cell of each line from an archive", file=sys.stderr)
