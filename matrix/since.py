"""Which cells a change can touch: what --since chooses."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from command import TOP, Problem
from matrix import data, snapshot
from matrix.cells import Cell
from matrix.described import Data
from matrix.seen import by_python

PYTHONS_HEADER = "core/python/python.h"
DATA_FILE = "matrix/matrix.toml"

EVERY, SOME, NONE = "every cell", "every line and every Python", "no cell"

# What a change below each of these can touch. The first that fits counts. A file that none fits
# counts as one that can touch every cell.
RULES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("adapters/apache13/",), "Apache 1.3"),
    (("adapters/apache2x/",), "Apache 2.0, Apache 2.2, Apache 2.4"),
    (("adapters/bare/",), NONE),
    (("docs/guides/",), SOME),  # tests/server/guides carries them out
    (("tests/unit/", "tests/fuzz/", "tests/soak/", "tests/README.md"), NONE),
    (("docs/", "examples/", "packaging/", "bench/", "tools/", ".github/", ".ci/"), NONE),
    (("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "SECURITY.md"), NONE),
    (("LICENSE", "mkdocs.yml", "requirements-docs.txt", ".clang-", ".pre-commit", ".git"), NONE),
    ((".editorconfig", ".dockerignore"), NONE),
    (("matrix/", "tests/", "command/", "dev", "VERSION", "requirements.txt"), SOME),
    (("pyproject.toml",), SOME),
)


@dataclass(frozen=True, kw_only=True)
class Touched:
    """The cells that were chosen, and for each reason the files that are it."""

    cells: tuple[Cell, ...]
    reasons: Mapping[str, Sequence[str]]


def touched(cells: Sequence[Cell], known: Data, ref: str, top: Path = TOP) -> Touched:
    """The cells that the changes since a commit can touch, in their order.

    The first cell of each line that is built from an archive is always among them.
    """
    names: set[str] = {cell.name for cell in first_of_each_archive(cells, known)}
    reasons: dict[str, list[str]] = {}
    for path, told in changes(known, ref, top):
        names |= {cell.name for cell in meant(cells, told)}
        reasons.setdefault(told, []).append(path)
    return Touched(cells=tuple(cell for cell in cells if cell.name in names), reasons=reasons)


def changes(known: Data, ref: str, top: Path) -> Iterator[tuple[str, str]]:
    """Each file that is not as it was where this branch left the commit's, and what it touches."""
    base = (snapshot.git(top, "merge-base", ref, "HEAD") or "").strip()
    if not base:
        raise Problem(f"--since {ref}: git knows no commit of this name that HEAD comes from")
    known_to_git = snapshot.git(top, "diff", "--name-only", "--no-renames", "-z", base) or ""
    new = snapshot.git(top, "ls-files", "-z", "--others", "--exclude-standard") or ""
    for path in sorted(set((known_to_git + new).split("\0")) - {""}):
        yield path, told_by_content(known, base, path, top) or rule(path)


def told_by_content(known: Data, base: str, path: str, top: Path) -> str:
    """What a file of which only a part has changed touches, or "" if its name says that."""
    if path not in (PYTHONS_HEADER, DATA_FILE) or not (top / path).is_file():
        return ""
    before = snapshot.git(top, "show", f"{base}:{path}")
    if before is None:
        return ""
    if path == DATA_FILE:
        return data_told(known, before)
    return pythons_told(known, before, (top / path).read_text())


def rule(path: str) -> str:
    return next((told for starts, told in RULES if path.startswith(starts)), EVERY)


def pythons_told(known: Data, before: str, after: str) -> str:
    """The Pythons for which the header is another one now."""
    differ = [each for each in known.pythons if by_python(before, each) != by_python(after, each)]
    return EVERY if len(differ) == len(known.pythons) else names_of("py", differ)


def data_told(known: Data, before: str) -> str:
    """The Apaches, Pythons and packaged servers whose description is another one now."""
    try:
        old = data.parse(before)
    except Problem:
        return EVERY  # it was written for an earlier program
    if tools(old) != tools(known):
        return EVERY
    pythons = [key for key in known.pythons if python(old, key) != python(known, key)]
    apaches = [key for key in known.apaches if apache(old, key) != apache(known, key)]
    parts = (
        names_of("py", pythons),
        names_of("Apache ", apaches),
        names_of("packaged ", packaged_that_differ(old, known)),
    )
    return ", ".join(part for part in parts if part != NONE) or NONE


def names_of(kind: str, names: Sequence[str]) -> str:
    return ", ".join(f"{kind}{name}" for name in names) or NONE


def tools(known: Data) -> Any:
    return known.tools, of_base(known, known.tools.base)


def python(known: Data, version: str) -> Any:
    found = known.pythons.get(version)
    return (found, of_base(known, found.base)) if found else None


def apache(known: Data, line: str) -> Any:
    found = known.apaches.get(line)
    return (found, of_base(known, found.base)) if found else None


def of_base(known: Data, name: str) -> Any:
    return known.bases.get(name)


def packaged_that_differ(old: Data, new: Data) -> list[str]:
    """The bases whose packaged servers' cells are others now."""
    return [
        base
        for base, packaged in new.packaged.items()
        if base not in old.packaged
        or replace(old.packaged[base], bases=packaged.bases) != packaged
        or of_base(old, base) != of_base(new, base)
    ]


def meant(cells: Sequence[Cell], told: str) -> Iterator[Cell]:
    """The cells of what a rule says."""
    if told == EVERY:
        yield from cells
    elif told == SOME:
        yield from cover(cells)
    else:
        parts = told.split(", ")
        yield from (cell for cell in cells if any(fits(cell, part) for part in parts))


def fits(cell: Cell, part: str) -> bool:
    """Whether a cell is of a part: of a line, of a Python, or of a packaged server."""
    if part.startswith("Apache "):
        return cell.line == part.removeprefix("Apache ")
    return part in (cell.column, f"packaged {cell.suite}")


def cover(cells: Sequence[Cell]) -> list[Cell]:
    """A few cells that have every line, packaged server, process model, mode and Python.

    The next is always the one that adds the most, and of several the first.
    """
    left = {feature for cell in cells if cell.excluded is None for feature in features(cell)}
    chosen = []
    while left:
        best = max(
            (cell for cell in cells if cell.excluded is None),
            key=lambda cell: len(left & features(cell)),
        )
        chosen.append(best)
        left -= features(best)
    return chosen


def features(cell: Cell) -> set[tuple[str, ...]]:
    return {(cell.line, cell.suite, cell.mode), (cell.line, cell.mpm), (cell.column,)}


def first_of_each_archive(cells: Sequence[Cell], known: Data) -> list[Cell]:
    """A cell of each line that is built from an archive, with the Python of the tools' base.

    That base is needed anyway. If no Python is of it, the first cell of the line is meant.
    """
    found: dict[str, Cell] = {}
    for cell in cells:
        if cell.suite or cell.excluded:
            continue
        first = found.setdefault(cell.line, cell)
        if is_near(cell, known) and not is_near(first, known):
            found[cell.line] = cell
    return list(found.values())


def is_near(cell: Cell, known: Data) -> bool:
    here = known.pythons.get(cell.python)
    return here is not None and here.unavailable is None and here.base == known.tools.base
