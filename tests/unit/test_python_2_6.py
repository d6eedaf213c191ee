"""What Python 2.6 has to understand: the applications of the tests, and what asks a host.

Hardly a machine has that Python, so the sources are read for what came later.
"""

import ast
import json
import re
import subprocess
from pathlib import Path

import pytest

from command import TOP
from command.discovery.pythons import _QUESTION
from command.pythons import find

UNDERSTOOD = sorted(
    path
    for folder in ("tests/apps", "command/pages", "command/discovery")
    for path in (TOP / folder).glob("*.py")
)
LATER = (ast.DictComp, ast.SetComp, ast.Set, ast.JoinedStr)
UNNUMBERED = re.compile(r"(?<!\{)\{[:!}]")


def is_later(node: ast.AST) -> bool:
    """Whether it came with Python 2.7: {x for ...}, {x}, with a, b, '{}'.format."""
    if isinstance(node, ast.With):
        return len(node.items) > 1
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        text = node.func.value
        if node.func.attr != "format" or not isinstance(text, ast.Constant):
            return False
        return isinstance(text.value, str) and bool(UNNUMBERED.search(text.value))
    return isinstance(node, LATER)


@pytest.mark.parametrize("path", UNDERSTOOD, ids=lambda path: str(path.relative_to(TOP)))
def test_python_2_6_understands(path: Path) -> None:
    nodes = ast.walk(ast.parse(path.read_text()))
    found = [getattr(node, "lineno", 0) for node in nodes if is_later(node)]
    assert found == [], f"{path.relative_to(TOP)}: came with Python 2.7"


@pytest.mark.parametrize("text", ["{x for x in y}", "{1}", "{1: x for x in y}", "'{}'.format(1)"])
def test_what_came_later_would_be_found(text: str) -> None:
    assert any(is_later(node) for node in ast.walk(ast.parse(text)))


def test_a_python_without_sysconfig_is_asked_by_its_distutils() -> None:
    old = next((each for each in find() if each.version == "2.7"), None)
    if old is None:
        pytest.skip("no Python 2.7 on PATH or in pyenv")
    hidden = "import sys\nsys.modules['sysconfig'] = None\n"
    told = [
        json.loads(
            subprocess.run(
                [str(old.executable), "-E", "-s", "-c", code],
                capture_output=True,
                check=True,
                text=True,
            ).stdout
        )
        for code in (_QUESTION, hidden + _QUESTION)
    ]
    assert told[0] == told[1]
