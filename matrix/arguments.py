"""The command line of the matrix."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from command import TOP, Problem
from matrix import HERE, shards

# The verbs that take cells through it, and those that choose cells by more than patterns.
RUNNING = ("build", "test", "run")
CHOOSING = ("list", "images", *RUNNING)

# The options that only some verbs look at.
OF_VERBS = {
    "only": CHOOSING,
    "since": CHOOSING,
    "shard": CHOOSING,
    "local": ("list", *RUNNING),
    "keep_going": RUNNING,
    "allow_unavailable": RUNNING,
    "sources": ("list", "bases", "images", "shell", *RUNNING),
    "json": ("list",),
    "shards": ("list",),
    "reruns": ("test", "run"),
    "plan": ("merge",),
    "summary": (*RUNNING, "report", "merge"),
    "markdown": ("report",),
    "after": ("report",),
    "refresh": ("bases",),
    "most": ("images",),
}

# The verbs that take no PATTERN, and why.
WITHOUT_PATTERNS = {
    "report": "it shows the whole last run",
    "clean": "it removes what all cells have left",
    "archives": "it lists every archive of the data file",
}

FOLDER = TOP / "build" / "matrix"


def read(
    verbs: Iterable[str], description: str | None, words: Sequence[str] | None
) -> argparse.Namespace:
    """The command line, split at "--". What follows is for pytest."""
    given = list(sys.argv[1:] if words is None else words)
    end = given.index("--") if "--" in given else len(given)
    arguments = parser(verbs, description).parse_intermixed_args(given[:end])
    arguments.pytest = given[end + 1 :]
    refuse_misplaced(arguments)
    return arguments


def refuse_misplaced(arguments: argparse.Namespace) -> None:
    """Refuses what the verb does not look at: it would not do what was meant."""
    for option, verbs in OF_VERBS.items():
        if getattr(arguments, option) and arguments.verb not in verbs:
            known = " and ".join(filter(None, (", ".join(verbs[:-1]), verbs[-1])))
            name = option.replace("_", "-")
            raise Problem(f"--{name} is for {known}, not for {arguments.verb}")
    if arguments.patterns and arguments.verb in WITHOUT_PATTERNS:
        raise Problem(f"{arguments.verb} takes no PATTERN: {WITHOUT_PATTERNS[arguments.verb]}")
    if arguments.pytest and arguments.verb not in ("test", "run"):
        raise Problem(f"{arguments.verb} runs no test: nothing can follow --")


def words_for_pytest(arguments: argparse.Namespace) -> list[str]:
    """The user's own words, behind what an option says."""
    reruns = ["--reruns", str(arguments.reruns)] if arguments.reruns else []
    return [*reruns, *arguments.pytest]


def parser(verbs: Iterable[str], description: str | None) -> argparse.ArgumentParser:
    """What the verbs take. Each verb looks at the options that concern it."""
    top = argparse.ArgumentParser(
        prog="dev matrix",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("verb", choices=tuple(verbs), metavar="VERB", help=", ".join(verbs))
    top.add_argument("patterns", nargs="*", metavar="PATTERN", help="which cells")
    for add_options in (add_choice, add_run, add_reports, add_images):
        add_options(top.add_argument)
    return top


def add_choice(add: Callable[..., object]) -> None:
    """Which cells."""
    add("--only", metavar="CELL", help="this one cell by its whole name, even if it is excluded")
    add(
        "--since",
        metavar="REF",
        help="of these, the cells that the changes since a commit can touch, as in "
        "--since origin/main; always one cell of each line from an archive",
    )
    add(
        "--shard",
        type=shards.shard,
        metavar="I/N",
        help="of these, one of N parts of about the same time, the same on every machine",
    )
    add(
        "--shards",
        type=positive,
        metavar="N",
        help="list: the parts, N at most, that are worth a machine each, as JSON",
    )
    add("--json", action="store_true", help="list: all that is known of the cells, as JSON")
    add("--local", action="store_true", help="this machine's own servers and Pythons, no Docker")
    add(
        "--data",
        type=Path,
        default=HERE / "matrix.toml",
        metavar="FILE",
        help="another matrix.toml; its archives.lock is beside it",
    )


def add_run(add: Callable[..., object]) -> None:
    """How cells are built and tested."""
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
    add(
        "--reruns",
        type=positive,
        metavar="N",
        help="run a failed test again, up to N times; the report names those that then pass",
    )
    add("--sources", type=Path, metavar="DIR", help="a folder that already has release archives")


def add_reports(add: Callable[..., object]) -> None:
    """What is told at the end."""
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

    add(
        "--summary",
        type=Path,
        metavar="FILE",
        help="append the grid and what failed as Markdown, as GitHub shows it with a run",
    )
    add(
        "--plan",
        type=Path,
        metavar="FILE",
        help="merge: what list --shards printed; cells of a part without a report were not run",
    )


def add_images(add: Callable[..., object]) -> None:
    """How images are kept, and which."""
    add(
        "--refresh",
        action="store_true",
        help="bases: pull the newest images, and pin the bases of --data to their digests",
    )
    add(
        "--most",
        type=size,
        metavar="SIZE",
        help="images save: how large the folder may be (default: 8g)",
    )


def size(text: str) -> int:
    """A size as Docker takes them: 500m, 8g."""
    known = re.fullmatch(r"(\d+)([kmg])", text)
    if known is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size like 8g")
    return int(known[1]) << {"k": 10, "m": 20, "g": 30}[known[2]]


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number
