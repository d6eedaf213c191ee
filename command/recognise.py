"""Finds out which application a file or a folder has, if its callable is not named."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from . import Problem

USUAL = ("application", "app")
SETTINGS = re.compile(r"""DJANGO_SETTINGS_MODULE["'],\s*["'](\w+)\.""")


def callable_in(file: Path) -> str:
    """The usual name that the file has: "application" before "app", and if it has neither."""
    have = set(names(file))
    return next((name for name in USUAL if name in have), USUAL[0])


def file_in(folder: Path) -> Path:
    """The file with the folder's only application. Raises a Problem if that is not one file.

    If the folder has the manage.py of Django, it is the wsgi.py beside the settings.
    """
    manage = folder / "manage.py"
    found = SETTINGS.search(manage.read_text(errors="replace")) if manage.is_file() else None
    if found and (folder / found[1] / "wsgi.py").is_file():
        return folder / found[1] / "wsgi.py"
    files = [path for path in sorted(folder.glob("*.py")) if {*USUAL} & set(names(path))]
    if len(files) == 1:
        return files[0]
    if files:
        choice = ", ".join(f"{path}::{callable_in(path)}" for path in files)
        raise Problem(f"{folder} has several applications, name one: {choice}")
    raise Problem(f"no file of {folder} has an application or app: write file.py::callable")


def names(file: Path) -> Iterator[str]:
    """What the file defines or imports at its top. Nothing if it cannot be parsed."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)
