"""The command that runs the project's own tests in one cell."""

import json
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

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


def read_grid(content: bytes) -> dict[str, Any] | None:
    """pytest's grid, or nothing if pytest was ended before it had written the whole."""
    try:
        grid = json.loads(content)
    except ValueError:
        return None
    return grid if isinstance(grid, dict) else None


def ended_early(status: int) -> str:
    """Why there is no grid, by pytest's exit status."""
    known = {4: "pytest refused its arguments", 5: "no test fits the arguments of pytest"}
    return known.get(status, f"pytest ended with status {status} before any test")
