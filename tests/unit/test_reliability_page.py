"""docs/reliability.md and the tests say the same: every row names tests, and those exist."""

import ast
import re
from itertools import takewhile
from pathlib import Path

import pytest

from command import TOP

PAGE = TOP / "docs" / "reliability.md"
PROCESSES = TOP / "docs" / "processes.md"
SOURCES = [
    path
    for folder in ("server", "unit", "hostile", "fuzz")
    for path in (TOP / "tests" / folder).rglob("test_*.py")
]

NAME = re.compile(r"`(test_\w+)`")
LINES = {"1.3", "2.0", "2.2", "2.4"}
KNOWN = re.compile(r"Known of the incumbent: ((?:#\d+(?:, )?)+)")


def docstrings() -> dict[str, str]:
    """Of each test."""
    return {
        node.name: ast.get_docstring(node) or ""
        for path in SOURCES
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def rows(path: Path, heading: str) -> list[list[str]]:
    """The cells of the first table behind a heading, without the table's own head."""
    section = path.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    assert section, f"{path.name} has no part named {heading!r}"
    lines = section[section.index("\n|") + 1 :].splitlines()
    table = list(takewhile(lambda line: line.startswith("|"), lines))
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table[2:]]


DOCSTRINGS = docstrings()
EVENTS = rows(PAGE, "When something breaks")
BOUNDS = rows(PAGE, "Bounds")
TROUBLES = rows(PAGE, "Known troubles of the incumbent")


def test_every_test_that_the_page_mentions_exists() -> None:
    assert set(NAME.findall(PAGE.read_text())) - set(DOCSTRINGS) == set()


def test_every_event_of_the_page_about_processes_has_a_row() -> None:
    said = [row[0] for row in rows(PROCESSES, "When something breaks")]
    assert [row[0] for row in EVENTS] == said


@pytest.mark.parametrize("row", [*EVENTS, *BOUNDS], ids=lambda row: row[0][:40])
def test_a_row_names_tests_and_where_they_ran(row: list[str]) -> None:
    """On lines of Apache. A test that needs no server stands for itself."""
    _, tests, ran = row
    assert NAME.findall(tests)
    assert set(re.findall(r"\d\.\d", ran)) <= LINES
    assert ran == "no server" or re.findall(r"\d\.\d", ran)


def test_troubles_of_the_incumbent_are_those_that_the_tests_name() -> None:
    page = {
        (number, test)
        for numbers, _, tests in TROUBLES
        for number in re.findall(r"#\d+", numbers)
        for test in NAME.findall(tests)
    }
    named = {
        (number, test)
        for test, text in DOCSTRINGS.items()
        for group in KNOWN.findall(text)
        for number in re.findall(r"#\d+", group)
    }
    assert page == named


@pytest.mark.parametrize("row", TROUBLES, ids=lambda row: row[0])
def test_a_trouble_has_a_test(row: list[str]) -> None:
    assert NAME.findall(row[-1])
