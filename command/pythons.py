"""Finds the Pythons of this machine, and asks each what a program that embeds it must know.

Debian, pyenv and virtual environments put headers and libraries in different places. Only the
interpreter itself knows them, so it is run and asked. The question is valid on 2.7, too.
"""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from . import Problem

_QUESTION = """
import sys
crowd = sorted({"enum", "functools", "subprocess", "tempfile", "threading"} & set(sys.modules))
import json, platform, sysconfig
names = ("VERSION", "LDVERSION", "INCLUDEPY", "LIBDIR", "LIBPL", "MULTIARCH", "LIBS", "SYSLIBS",
         "Py_ENABLE_SHARED", "Py_GIL_DISABLED")
facts = dict((name, sysconfig.get_config_var(name)) for name in names)
facts["executable"] = getattr(sys, "_base_executable", None) or sys.executable
facts["implementation"] = platform.python_implementation()
facts["release"] = platform.python_version()
facts["stdlib"] = sysconfig.get_path("stdlib")
facts["crowd"] = " ".join(crowd)
print(json.dumps(facts))
"""

_PROGRAM = re.compile(r"python(\d(\.\d+t?)?)?")
_VERSION = re.compile(r"\d+(\.\d+)*t?")

INSTALL = (
    "install python3-dev (Debian, Alpine) or python3-devel (Fedora), "
    "or name another Python by its version or path"
)


# Says why a Python can't be used and how to mend that, or None.
Refuse = Callable[["Python"], str | None]


@dataclass(frozen=True, kw_only=True)
class Python:
    """One Python, as a program that embeds it sees it."""

    version: str
    release: str
    abi: str
    executable: Path
    include: Path
    libdir: Path
    library: str
    libs: tuple[str, ...]
    shared: bool
    stdlib: Path
    system_library: bool
    # Modules that its .pth files import into every interpreter, and that a plain Python does not
    # import. They hide faults that show only in an interpreter without them.
    crowd: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"py{self.version}{self.abi}"

    @property
    def shared_library(self) -> Path:
        return self.libdir / f"lib{self.library}.so"


def find(wanted: Sequence[str] = ()) -> list[Python]:
    """The Pythons wanted, in that order. If none is named, one for each version found.

    A Python that can be embedded is preferred, then one without a crowd. Otherwise the first found
    is taken: PATH comes first, then pyenv.
    """
    if wanted:
        return [_find_one(want) for want in wanted]
    found: dict[str, Python] = {}
    for python in _machine():
        known = found.get(python.name)
        if known is None or _rank(python) < _rank(known):
            found[python.name] = python
    return sorted(found.values(), key=lambda python: _numbers(python.version + python.abi))


def choose(wanted: str = "", refuse: Refuse | None = None) -> Python:
    """The Python to build for: the first that is not refused, of those wanted or of all.

    By default fault() decides what is refused. refuse may be stricter.
    """
    refusals = []
    for python in _candidates(wanted):
        why = (refuse or fault)(python)
        if why is None:
            return python
        refusals.append(why)
    raise Problem(refusals[0] if refusals else _missing(wanted))


def fault(python: Python) -> str | None:
    """Why this Python cannot be embedded, and how to mend that. None if it can."""
    told = f"Python {python.release} ({python.executable})"
    if not (python.include / "Python.h").is_file():
        return f"{told} has no {python.include}/Python.h: {INSTALL}"
    if not python.shared:
        return (
            f"{told} has no shared library: build it with --enable-shared (pyenv: "
            "PYTHON_CONFIGURE_OPTS=--enable-shared), or name another by its version or path"
        )
    if not python.shared_library.exists():
        return f"{told} has no {python.shared_library}: {INSTALL}"
    return None


def _find_one(want: str) -> Python:
    matches = list(_candidates(want))
    if not matches:
        raise Problem(_missing(want))
    return min(matches, key=_rank)


def _rank(python: Python) -> tuple[bool, bool]:
    """Decides between two Pythons of a version: the lower rank is better."""
    return fault(python) is not None, python.crowd != ()


def _candidates(want: str) -> Iterator[Python]:
    """The Pythons of this machine that a version or a program's path may mean.

    All if want is "".
    """
    if want and not _VERSION.fullmatch(want):
        named = _ask(Path(want).expanduser().absolute() if "/" in want else Path(want))
        if named is None:
            raise Problem(f"{want} is not a CPython that runs: name a version or a program")
        yield named
    else:
        yield from (python for python in _machine(want) if not want or _is_version(python, want))


def _missing(want: str) -> str:
    return f"no Python {want} on PATH or in pyenv: {INSTALL}".replace("  ", " ")


def _is_version(python: Python, want: str) -> bool:
    """Whether want ("3", "3.12", "3.13t", "3.12.1") names this Python."""
    number = want.removesuffix("t")
    threaded = want.endswith("t") == (python.abi == "t")
    return threaded and f"{python.release}.".startswith(f"{number}.")


def _machine(want: str = "") -> Iterator[Python]:
    """The machine's Pythons, each once.

    A generator, because asking one takes tens of milliseconds.
    """
    seen: set[Path] = set()
    for program in _programs(want):
        python = _ask(program)
        if python is not None and python.executable not in seen:
            seen.add(python.executable)
            yield python


def _programs(want: str) -> Iterator[Path]:
    """Programs that may be a Python, without those whose name says another version."""
    folders = [Path(entry) for entry in os.get_exec_path() if entry.startswith("/")]
    for folder in (*folders, *_pyenv_folders()):
        if not folder.is_dir():
            continue
        for program in sorted(folder.glob("python*")):
            match = _PROGRAM.fullmatch(program.name)
            if match and _may_be(match[1] or "", want):
                yield program


def _may_be(named: str, want: str) -> bool:
    shorter, longer = sorted((named.removesuffix("t"), want.removesuffix("t")), key=len)
    return not shorter or f"{longer}.".startswith(f"{shorter}.")


def _pyenv_folders() -> list[Path]:
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    versions = sorted(root.glob("versions/*/bin"), key=lambda path: _numbers(path.parent.name))
    return [path for path in versions if not path.parent.is_symlink()]


def _numbers(text: str) -> tuple[tuple[int, ...], str]:
    """A key for sorting: 3.9 comes before 3.10, and 3.13 before 3.13t."""
    return tuple(int(number) for number in re.findall(r"\d+", text)), text


@cache
def _ask(program: Path) -> Python | None:
    """What the interpreter says about itself. None if it does not run or is not CPython.

    With -c the first entry of sys.path is the current directory, and Python 2.7 has no -I. So it
    is run in a directory of the system's: the user's current directory may be somebody else's.
    """
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    try:
        answer = subprocess.run(
            [str(program), "-E", "-s", "-c", _QUESTION],
            cwd="/",
            capture_output=True,
            check=True,
            text=True,
            timeout=30,
            env=environment,
        ).stdout
        facts = json.loads(answer)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return _describe(facts) if facts["implementation"] == "CPython" else None


def _describe(facts: dict[str, str | int | None]) -> Python:
    def text(name: str) -> str:
        return str(facts[name] or "")

    version = text("VERSION")
    library = f"python{text('LDVERSION') or version}"
    system = _system_folders(text("MULTIARCH"))
    libdir = _library_folder(library, text("LIBDIR"), text("LIBPL"), text("MULTIARCH"))
    words = f"{text('LIBS')} {text('SYSLIBS')}".split()
    return Python(
        version=version,
        release=text("release"),
        abi="t" if facts["Py_GIL_DISABLED"] else "",
        executable=Path(text("executable")).resolve(),
        include=Path(text("INCLUDEPY")),
        libdir=libdir,
        library=library,
        libs=tuple(dict.fromkeys(word[2:] for word in words if word.startswith("-l"))),
        shared=bool(facts["Py_ENABLE_SHARED"]),
        stdlib=Path(text("stdlib")),
        system_library=libdir in system,
        crowd=tuple(text("crowd").split()),
    )


def _system_folders(multiarch: str) -> set[Path]:
    """Folders that the dynamic linker searches by itself, so that no rpath is needed."""
    roots = [Path("/lib"), Path("/usr/lib"), Path("/lib64"), Path("/usr/lib64")]
    return {*roots, *(root / multiarch for root in roots[:2] if multiarch)}


def _library_folder(library: str, libdir: str, libpl: str, multiarch: str) -> Path:
    """The folder that holds the shared library: LIBDIR, except in some distributions."""
    folders = [Path(libdir), Path(libdir, multiarch), Path(libpl)]
    return next((each for each in folders if (each / f"lib{library}.so").exists()), folders[0])
