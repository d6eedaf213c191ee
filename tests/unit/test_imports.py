"""The modules of the tools, of the matrix and of the benchmarks import each other one way only.

An import inside of a function counts as well: it hides a circle and does not open it.
"""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from command import TOP

PACKAGES = ("bench", "command", "matrix", "tools")


def module_of(path: Path, top: Path) -> str:
    return ".".join(path.relative_to(top).with_suffix("").parts).removesuffix(".__init__")


def names_in(path: Path, top: Path) -> Iterator[str]:
    """All that a file imports; for `from a import b` both a and a.b, since b may be a module."""
    folders = path.relative_to(top).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = folders[: len(folders) + 1 - node.level] if node.level else ()
            module = ".".join([*above, *filter(None, [node.module])])
            yield from (f"{module}.{alias.name}" for alias in node.names)
            beside = [path.with_name(f"{alias.name}.py") for alias in node.names]
            if node.module or not all(file.is_file() for file in beside):
                yield module  # `from . import b` needs no more than b, where b is a module


def imports(top: Path, *packages: str) -> dict[str, set[str]]:
    """The modules of these packages, each with those of them that it imports."""
    files = [path for package in packages for path in sorted((top / package).rglob("*.py"))]
    known = {module_of(path, top): path for path in files}
    return {name: set(names_in(path, top)) & set(known) - {name} for name, path in known.items()}


def circle(graph: dict[str, set[str]]) -> list[str]:
    """A circle of modules, the first of them again at the end; empty where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as found:
        whole: list[str] = found.args[1]
        return whole
    return []


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = imports(TOP, *PACKAGES)
    assert "command.servers" in graph["command.build"]
    assert circle(graph) == []


@pytest.mark.parametrize(
    "back",
    ["from house import door\n", "from . import door\n", "def open():\n    import house.door\n"],
)
def test_a_circle_is_found(tmp_path: Path, back: str) -> None:
    (tmp_path / "house").mkdir()
    (tmp_path / "house" / "__init__.py").touch()
    (tmp_path / "house" / "door.py").write_text("from house.wall import STONE\n")
    (tmp_path / "house" / "wall.py").write_text(back)
    assert set(circle(imports(tmp_path, "house"))) == {"house.door", "house.wall"}
