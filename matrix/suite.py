"""The command that runs the project's own tests in one cell."""

from collections.abc import Sequence
from pathlib import PurePath

from matrix.cells import Cell

FOLDERS = ("tests/server", "tests/hostile")


def command(
    tests_python: str,
    cell: Cell,
    python: str,
    output: tuple[PurePath, PurePath],
    *,
    slow: bool,
    words: Sequence[str],
) -> list[str]:
    """pytest with what it needs, then the user's own words.

    tests_python runs the tests, python is what they are about. output has the files for pytest's
    cases and for the grid. Files or folders of tests among the words stand in for all tests.
    """
    chosen = any(word.startswith("tests/") for word in words)
    cases, grid = output
    return [
        *(tests_python, "-m", "pytest", "-p", "no:cacheprovider", *(() if chosen else FOLDERS)),
        *("--apache", cell.line, "--mpm", cell.mpm, "--python", python, "--mode", cell.mode),
        *("--slow", "all" if slow else "none"),
        *("--junitxml", str(cases), "--grid-json", str(grid)),
        *words,
    ]


def ended_early(status: int) -> str:
    """Why there is no grid, by pytest's exit status."""
    known = {4: "pytest refused its arguments", 5: "no test fits the arguments of pytest"}
    return known.get(status, f"pytest ended with status {status} before any test")
