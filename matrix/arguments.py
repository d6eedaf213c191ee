"""The command line of the matrix."""

import argparse
import os
from collections.abc import Iterable
from pathlib import Path

from command import TOP
from matrix import HERE

FOLDER = TOP / "build" / "matrix"


def parser(verbs: Iterable[str], description: str | None) -> argparse.ArgumentParser:
    """What the verbs take. Each verb looks at the options that concern it."""
    top = argparse.ArgumentParser(
        prog="dev matrix",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("verb", choices=tuple(verbs), metavar="VERB", help=", ".join(verbs))
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
