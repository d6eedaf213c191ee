"""The applications that the tests serve are valid on every Python, the oldest included."""

import subprocess
from pathlib import Path

import pytest

from tests.harness.config import APPS, applications
from tools import pythons
from tools.pythons import Python

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
