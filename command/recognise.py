"""Finds out which application a file or a folder has, if its callable is not named."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from . import Problem

USUAL = ("application", "app")
FACTORIES = ("create_app", "make_app", "create_application")
MANAGED = re.compile(r"""DJANGO_SETTINGS_MODULE["'],\s*["']([\w.]+)["']""")
CHOSEN = re.compile(r"""^WSGI_APPLICATION\s*=\s*["']([\w.]+)\.(\w+)["']""", re.MULTILINE)
SETTINGS = re.compile(r"^(?:INSTALLED_APPS|ROOT_URLCONF)\b", re.MULTILINE)

CALLED = "from {module} import {name}\n\napplication = {name}()\n"
DJANGO = """import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "{settings}")

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
"""


@dataclass(frozen=True, kw_only=True)
class Found:
    """The callable of a file. Or the text of a module that has to be made, and its sys.path."""

    file: Path
    name: str = ""
    made: str = ""
    top: Path | None = None
    others: tuple[str, ...] = ()


def callable_in(file: Path) -> Found:
    """The usual name that the file has: "application" before "app", and if it has neither.

    A factory, such as create_app, counts if the file has no such name.
    """
    have = set(names(file))
    fit = [name for name in USUAL if name in have]
    factories = [name for name in FACTORIES if name in have]
    others = tuple(f"{file}::{name}" for name in fit[1:])
    others += tuple(f"{file}::{name}()" for name in factories[0 if fit else 1 :])
    if fit or not factories:
        return Found(file=file, name=(fit or USUAL)[0], others=others)
    return replace(called(file, factories[0]), others=others)


def called(file: Path, factory: str) -> Found:
    """What the file's factory returns."""
    name, top = dotted(file)
    return Found(file=file, made=CALLED.format(module=name, name=factory), top=top)


def dotted(file: Path) -> tuple[str, Path]:
    """The file's name for import, with the packages that it is in, and the folder above them."""
    found, folder = file.stem, file.parent
    while (folder / "__init__.py").is_file():
        found, folder = f"{folder.name}.{found}", folder.parent
    return found, folder


def in_folder(folder: Path) -> Found:
    """The folder's only application: Django's, or that of a file.

    Raises a Problem that names all of them if there are several.
    """
    django = project(folder)
    if django:
        return django
    files = {path: {*names(path)} for path in sorted(folder.glob("*.py"))}
    for wanted in (USUAL, FACTORIES):
        fit = [path for path, have in files.items() if have & {*wanted}]
        if len(fit) == 1:
            return callable_in(fit[0])
        if fit:
            choice = ", ".join(map(shown, fit))
            raise Problem(f"{folder} has several applications, name one: {choice}")
    raise Problem(f"no file of {folder} has an application or app: write file.py::callable")


def shown(file: Path) -> str:
    """How the file's application is named to mod_wsgi serve."""
    found = callable_in(file)
    if found.name:
        return f"{file}::{found.name}"
    return f"{file}::{next(name for name in FACTORIES if name in {*names(file)})}()"


def project(folder: Path) -> Found | None:
    """The application of a project of Django's: what WSGI_APPLICATION says, or its wsgi.py.

    The settings are those of manage.py. Without it they are those of a package in the folder.
    """
    top = folder
    while (top / "__init__.py").is_file():
        top = top.parent
    manage = folder / "manage.py"
    match = MANAGED.search(manage.read_text(errors="replace")) if manage.is_file() else None
    settings = match[1] if match else only_settings(folder, top)
    if not settings:
        return None
    file = module_file(top, settings)
    chosen = CHOSEN.search(file.read_text(errors="replace")) if file else None
    if chosen and (named := module_file(top, chosen[1])):
        return Found(file=named, name=chosen[2])
    wsgi = top / settings.split(".", maxsplit=1)[0] / "wsgi.py"
    if wsgi.is_file():
        return Found(file=wsgi, name=USUAL[0])
    return Found(file=file, made=DJANGO.format(settings=settings), top=top) if file else None


def only_settings(folder: Path, top: Path) -> str:
    """The module with Django's settings, as import from top names it, or "".

    Raises a Problem if there are several.
    """
    files = [*folder.glob("settings.py"), *folder.glob("*/settings.py")]
    files += folder.glob("*/settings/__init__.py")
    fit = [path for path in sorted(files) if SETTINGS.search(path.read_text(errors="replace"))]
    if len(fit) > 1:
        choice = " or ".join(str(path.parent) for path in fit)
        raise Problem(f"{folder} has several projects of Django, name one by its folder: {choice}")
    parts = fit[0].relative_to(top).with_suffix("").parts if fit else ()
    return ".".join(parts).removesuffix(".__init__")


def module_file(folder: Path, name: str) -> Path | None:
    path = folder.joinpath(*name.split("."))
    files = (path.with_name(f"{path.name}.py"), path / "__init__.py")
    return next((file for file in files if file.is_file()), None)


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
