"""The applications that the tests serve are valid on every Python, the oldest included."""

import ast
import subprocess
from pathlib import Path

import pytest

from command import pythons
from command.pythons import Python
from tests.harness.config import APPS, applications
from tests.server.applications.test_validator import VALIDATED

SOURCES = sorted(APPS.glob("*.py"))

COMPILE = """
import sys
for path in sys.argv[1:]:
    with open(path, "rb") as source:
        compile(source.read(), path, "exec")
"""


@pytest.mark.parametrize("every", pythons.find(), ids=lambda python: python.name)
def test_every_application_compiles(every: Python) -> None:
    command = [str(every.executable), "-c", COMPILE, *map(str, SOURCES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_an_application_says_what_it_shows(path: Path) -> None:
    assert path.read_text().startswith('"""')


def test_applications_are_found_by_what_they_take() -> None:
    found = set(applications())
    assert ("hello", "application") in found
    assert ("answers", "plain") not in found


def test_the_validator_is_asked_for_modules_that_it_has() -> None:
    """A new module is one of those, or test_validator.py says why not."""
    body = ast.parse((APPS / "validated.py").read_text()).body
    imports = [each for each in body if isinstance(each, ast.Import)]
    there = {alias.name for statement in imports for alias in statement.names}
    assert {name.partition(".")[0] for name in VALIDATED} <= there
