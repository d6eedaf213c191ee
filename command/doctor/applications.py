"""Whether the applications are where the variables say, and open to whom they run as."""

import ast
import os
import pwd
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .. import access
from .patient import PREFIX, Finding, Patient, Variable
from .spelling import nearest

SYSTEM = ("/usr/lib/python3/dist-packages", "/usr/local/lib/python*/*-packages")


@dataclass(frozen=True, kw_only=True)
class Application:
    """One that a line names, with the variables that count there."""

    variable: Variable
    around: Mapping[str, Variable]

    def value(self, name: str) -> str:
        found = self.around.get(name)
        return found.value if found and found.is_plain else ""

    @property
    def directories(self) -> list[Path]:
        return [Path(each) for each in self.value("directory").split(":") if each]


def applications(patient: Patient) -> list[Application]:
    return [
        Application(variable=each, around=patient.around(each.line))
        for each in patient.variables
        if each.short == "application" and each.is_plain
    ]


def check(patient: Patient) -> Iterator[Finding]:
    for variable in patient.variables:
        if variable.short in {"directory", "virtualenv"} and variable.is_plain:
            yield from paths(patient, variable)
    for variable in patient.variables:
        if variable.short == "virtualenv" and variable.is_plain:
            yield from environment(patient, variable)
    for each in applications(patient):
        yield from application(patient, each)


def paths(patient: Patient, variable: Variable) -> Iterator[Finding]:
    """Each directory is there, is absolute, and can be read."""
    where, name = variable.line.where, f"{PREFIX}{variable.short}"
    for text in filter(None, variable.value.split(":")):
        path = Path(text)
        if not path.is_absolute():
            yield Finding(
                where=where, what=f"{name} {text} is no absolute path", remedy="begin it with /"
            )
        elif not is_there(path):
            yield Finding(
                where=where,
                what=f"there is no directory {path}",
                remedy=similar(path) or f"make it, or name the right one in {name}",
            )
        elif not path.is_dir():
            yield Finding(
                where=where,
                what=f"{path} is a file, and {name} names directories",
                remedy=f"write SetEnv {name} {path.parent}",
            )
        else:
            yield from opened(patient, variable, path)


def is_there(path: Path) -> bool:
    """Whether it is there, as far as we may look."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def similar(path: Path) -> str:
    """What was meant, if a neighbour has nearly the name."""
    with suppress(OSError):
        meant = nearest(path.name, [each.name for each in path.parent.iterdir()])
        return f"did you mean {path.parent / meant}?" if meant else ""
    return ""


def user_at(patient: Patient, variable: Variable) -> pwd.struct_passwd | None:
    """Who the application runs as where this variable is set."""
    named = patient.around(variable.line).get("user")
    if named and named.is_plain:
        with suppress(KeyError):
            return pwd.getpwnam(named.value)
    return patient.user


def opened(patient: Patient, variable: Variable, path: Path) -> Iterator[Finding]:
    """Each directory on the way is open to the user, by its mode and by the system's own word."""
    user = user_at(patient, variable)
    if user is None or user.pw_uid == 0:
        return
    try:
        closed = access.obstacles(path, user)
    except OSError:
        return
    may = allowed(path, user)
    if may is None:
        may = not closed
    if may:
        return
    if closed:
        named = ", ".join(str(each) for each in closed)
        yield Finding(
            where=variable.line.where,
            what=f"{user.pw_name} cannot enter or read {named}",
            remedy=access.remedy({path: closed}),
        )
    else:
        yield Finding(
            where=variable.line.where,
            what=f"the system keeps {user.pw_name} from {path}, although the modes allow it",
            remedy=f"look at getfacl {path}, and at how its file system is mounted",
        )


def allowed(path: Path, user: pwd.struct_passwd) -> bool | None:
    """What the system says to a process of that user. None if we cannot become the user."""
    if os.geteuid() != 0:
        return None
    child = os.fork()
    if child == 0:
        status = 2
        try:
            os.initgroups(user.pw_name, user.pw_gid)
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
            wanted = os.R_OK | (os.X_OK if path.is_dir() else 0)
            status = 0 if os.access(path, wanted) else 1
        except PermissionError:
            status = 1
        finally:
            os._exit(status)
    _, result = os.waitpid(child, 0)
    return {0: True, 1: False}.get(os.waitstatus_to_exitcode(result))


def python_at(patient: Patient, variable: Variable) -> str:
    """The version of the Python that serves there, or "" if that is not known."""
    around = patient.around(variable.line)
    process, named = around.get("process"), around.get("python")
    if process and process.value not in {"", "off"}:
        if named:
            return named.value
        return patient.python or max(patient.programs, key=_number, default="")
    return patient.python


def _number(version: str) -> list[int]:
    return [int(each) for each in re.findall(r"\d+", version)]


def environment(patient: Patient, variable: Variable) -> Iterator[Finding]:
    """The virtual environment is one, and of the Python that serves."""
    path, where = Path(variable.value), variable.line.where
    if not path.is_dir():
        return
    python = python_at(patient, variable)
    make = f"python{python or '3'} -m venv {path}"
    if (path / "conda-meta").is_dir():
        yield Finding(
            where=where,
            what=f"{path} is a whole Python of conda, no virtual environment",
            remedy="make an environment with its bin/python -m venv, and a module for that Python",
        )
        return
    found = sorted(each.name.removeprefix("python") for each in path.glob("lib/python*"))
    if not found or not (path / "bin" / "python").exists():
        meant = next((each for each in sorted(path.glob("*/bin/python"))), None)
        yield Finding(
            where=where,
            what=f"{path} is no virtual environment: it lacks "
            + ("bin/python" if found else "lib/python*"),
            remedy=f"did you mean {meant.parent.parent}?" if meant else f"make one: {make}",
        )
    elif python and not any(each.startswith(python) for each in found):
        other = next((each for each in found if each in patient.programs), None)
        also = f", or SetEnv {PREFIX}python {other} and {PREFIX}process auto" if other else ""
        yield Finding(
            where=where,
            what=f"{path} is of Python {found[0]}, and Python {python} serves here",
            remedy=f"make it anew, elsewhere first: {make}{also}",
        )


def application(patient: Patient, found: Application) -> Iterator[Finding]:
    """The module is there, can be read, and has the callable."""
    where, _, name = found.variable.value.partition("::")
    if not re.fullmatch(r"\w+(\.\w+)*", where):
        return
    folders = found.directories
    if not all(folder.is_dir() for folder in folders):
        return
    file = module(patient, where, folders, found.value("virtualenv"))
    if file is None:
        yield missing(found, where, folders)
        return
    yield from opened(patient, found.variable, file)
    if file.suffix == ".py":
        yield from contents(patient, found, file, (name or "application").split(".")[0])


def module(patient: Patient, dotted: str, folders: list[Path], virtualenv: str) -> Path | None:
    """The file or folder that import would find, or None."""
    relative = Path(*dotted.split("."))
    places = [*folders]
    if virtualenv:
        places += sorted(Path(virtualenv).glob("lib/python*/site-packages"))
    home = patient.environment.get("MOD_WSGI_PYTHON_HOME")
    if home:
        places += sorted(Path(home).glob("lib/python*/site-packages"))
    places += [path for text in SYSTEM for path in sorted(Path("/").glob(text[1:]))]
    for place in places:
        path = place / relative
        for file in (path / "__init__.py", path.with_name(f"{path.name}.py")):
            if is_there(file) and file.parent.is_dir():
                return file
        extensions = sorted(path.parent.glob(f"{path.name}.*so")) if path.parent.is_dir() else []
        if extensions or path.is_dir():
            return extensions[0] if extensions else path
    return None


def missing(found: Application, dotted: str, folders: list[Path]) -> Finding:
    where = found.variable.line.where
    what = f"the application {found.variable.value} has no file"
    top = dotted.partition(".")[0]
    if not folders:
        return Finding(
            where=where,
            what=f"{what}: {PREFIX}directory is not set",
            remedy=f"write SetEnv {PREFIX}directory with the directory that holds {top}",
        )
    for folder in folders:
        if folder.name == top:
            return Finding(
                where=where,
                what=f"{what}: {folder} is {top} itself",
                remedy=f"write SetEnv {PREFIX}directory {folder.parent}",
            )
    have = [path.stem for folder in folders for path in sorted(folder.iterdir())]
    meant = nearest(top, have)
    deep = next((path for folder in folders for path in sorted(folder.glob(f"*/{top}.py"))), None)
    if meant and meant != top:
        remedy = f"did you mean {meant}?"
    elif deep:
        remedy = f"it is in {deep.parent}: write SetEnv {PREFIX}directory {deep.parent}"
    else:
        remedy = f"put it there, or name its directory in {PREFIX}directory"
    looked = ", ".join(str(folder) for folder in folders)
    return Finding(where=where, what=f"{what}: {looked} has no {dotted}", remedy=remedy)


def contents(patient: Patient, found: Application, file: Path, name: str) -> Iterator[Finding]:
    """What can be seen without running it: its grammar, and whether it has that name."""
    where = found.variable.line.where
    try:
        text = file.read_text(errors="replace")
        tree = ast.parse(text)
    except SyntaxError as error:
        if _is_known(python_at(patient, found.variable)):
            yield Finding(
                where=f"{file}:{error.lineno}: ",
                what=f"Python cannot read the application: {error.msg}",
                remedy="mend that line",
            )
        return
    except (OSError, ValueError):
        return
    names = {*_defined(tree)}
    if name in names or "*" in names or "globals" in text or "__getattr__" in names:
        return
    factory = next((each for each in ("create_app", "make_app") if each in names), None)
    usual = next((each for each in ("application", "app") if each in names), None)
    meant = usual or nearest(name, sorted(names))
    dotted = found.variable.value.partition("::")[0]
    if factory and not usual:
        remedy = f'write "application = {factory}()" at the end of the file'
    elif meant:
        remedy = f"write SetEnv {PREFIX}application {dotted}::{meant}"
    else:
        remedy = f"name the callable: SetEnv {PREFIX}application {dotted}::NAME"
    yield Finding(where=where, what=f"{file} has no {name}", remedy=remedy)


def _is_known(python: str) -> bool:
    """Whether this Python has the grammar of that one."""
    numbers = _number(python)[:2]
    return numbers[:1] == [sys.version_info.major] and numbers <= [*sys.version_info[:2]]


def _defined(tree: ast.Module) -> Iterator[str]:
    """All that any line of the module gives a name to."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).split(".")[0]
