"""docs/conformance.md and the tests say the same: every duty is there, every test named exists."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from command import TOP

DUTIES = range(1, 77)
SOURCES = sorted((TOP / "tests" / "server").rglob("test_*.py"))
PAGE = TOP / "docs" / "conformance.md"

ROW = re.compile(r"^\| (\d+) \| .* \| ([^|]*) \|$", re.MULTILINE)
NAME = re.compile(r"`(test_\w+)`")
NUMBERS = re.compile(r"\b[Dd]ut(?:y|ies) ((?:\d+(?:, | and |, and )?)+)")


def rows() -> dict[int, list[str]]:
    """The tests that the page names for each duty."""
    found: dict[int, list[str]] = {}
    for number, cell in ROW.findall(PAGE.read_text()):
        found.setdefault(int(number), []).extend(NAME.findall(cell))
    return found


def functions(path: Path) -> Iterator[tuple[str, str]]:
    """Name and docstring of each test of a file."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.name, ast.get_docstring(node) or ""


def duties_in(docstring: str) -> set[int]:
    return {
        int(each) for group in NUMBERS.findall(docstring) for each in re.findall(r"\d+", group)
    }


DOCSTRINGS = {name: text for path in SOURCES for name, text in functions(path)}
NUMBERED = {
    name: duties_in(text)
    for path in SOURCES
    if path.name.startswith("test_pep3333_")
    for name, text in functions(path)
}


def test_every_duty_has_one_row() -> None:
    numbers = [int(number) for number, _ in ROW.findall(PAGE.read_text())]
    assert numbers == list(DUTIES)


@pytest.mark.parametrize("duty", DUTIES)
def test_a_duty_names_tests_that_exist_and_carry_its_number(duty: int) -> None:
    named = rows()[duty]
    assert named, f"the row of duty {duty} names no test"
    assert not [name for name in named if name not in DOCSTRINGS]
    assert [name for name in named if duty in NUMBERED.get(name, set())]


def test_every_test_that_the_page_mentions_exists() -> None:
    assert not set(NAME.findall(PAGE.read_text())) - set(DOCSTRINGS)


def test_every_file_that_the_page_mentions_exists() -> None:
    files = re.findall(r"`((?:tests|core)/[\w/]+\.\w+)`", PAGE.read_text())
    assert files
    assert not [name for name in files if not (TOP / name).exists()]


@pytest.mark.parametrize("name", sorted(NUMBERED))
def test_a_numbered_test_stands_in_the_rows_of_its_numbers(name: str) -> None:
    named = rows()
    assert not [duty for duty in NUMBERED[name] if name not in named[duty]]
