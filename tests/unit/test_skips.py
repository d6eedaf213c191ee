"""What skips say of missing packages: the matrix knows these by their words."""

import ast
from collections.abc import Iterator
from pathlib import Path

from command import TOP
from matrix.results import missing

# Words by which a reason is of a missing package or program, whatever its words are.
OF_PACKAGES = ("on Debian", "installed", "no program", "install ", "util-linux")

FOLDERS = ("server", "hostile", "harness")


def reasons() -> Iterator[tuple[Path, str]]:
    """The reasons of pytest.skip in the suite. What is filled in when it runs is shown as X."""
    for folder in FOLDERS:
        for path in (TOP / "tests" / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.skip":
                    yield path, text(node.args[0])


def text(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(text(each) for each in node.values)
    return str(node.value) if isinstance(node, ast.Constant) else "X"


def test_a_skip_for_a_missing_package_says_that_something_is_not_installed() -> None:
    found = list(reasons())
    assert any("mod_python" in reason for _, reason in found)
    wrong = [
        f"{path.relative_to(TOP)}: {reason}"
        for path, reason in found
        if any(word in reason for word in OF_PACKAGES) and not missing([reason])
    ]
    assert wrong == [], "say 'X is not installed: PACKAGE on Debian' (tests/README.md)"
