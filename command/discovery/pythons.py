"""Finds the Pythons of this machine, and asks each what a program that embeds it must know.

Debian, pyenv and virtual environments put headers and libraries in different places. Only the
interpreter itself knows them, so it is run and asked.
"""

import json
import os
import re

from . import Problem, listing, native, run, search_path, unique

TYPED = False
if TYPED:
    from typing import Any, Callable, Iterator

_QUESTION = """
import sys
crowd = [name for name in ("enum", "functools", "subprocess", "tempfile", "threading")
         if name in sys.modules]
import json, platform
try:
    import sysconfig
except ImportError: # 2.6
    from distutils import sysconfig
names = ("VERSION", "LDVERSION", "INCLUDEPY", "LIBDIR", "LIBPL", "MULTIARCH", "LIBS", "SYSLIBS",
         "Py_ENABLE_SHARED", "Py_GIL_DISABLED")
facts = dict((name, sysconfig.get_config_var(name)) for name in names)
facts["executable"] = getattr(sys, "_base_executable", None) or sys.executable
facts["implementation"] = platform.python_implementation()
facts["release"] = platform.python_version()
if hasattr(sysconfig, "get_path"):
    facts["stdlib"] = sysconfig.get_path("stdlib")
else:
    facts["stdlib"] = sysconfig.get_python_lib(standard_lib=True)
facts["crowd"] = " ".join(crowd)
print(json.dumps(facts))
"""

_PROGRAM = re.compile(r"python(\d(\.\d+t?)?)?\Z")
_VERSION = re.compile(r"\d+(\.\d+)*t?\Z")

INSTALL = (
    "install python3-dev (Debian, Alpine) or python3-devel (Fedora), "
    "or name another Python by its version or path"
)

_ASKED = {}  # type: dict[str, Python | None]


class Python(object):
    """One Python, as a program that embeds it sees it. command.pythons explains the facts."""

    def __init__(self, facts):
        # type: (dict[str, Any]) -> None
        def text(name):
            # type: (str) -> str
            return native(facts[name] or "")

        here = text("MULTIARCH")
        libraries = (text("LIBS") + " " + text("SYSLIBS")).split()
        self.version = text("VERSION")
        self.release = text("release")
        self.abi = "t" if facts["Py_GIL_DISABLED"] else ""
        self.executable = os.path.realpath(text("executable"))
        self.include = text("INCLUDEPY")
        self.library = "python" + (text("LDVERSION") or self.version)
        self.libdir = _library_folder(self.library, text("LIBDIR"), text("LIBPL"), here)
        self.libs = tuple(unique(word[2:] for word in libraries if word.startswith("-l")))
        self.shared = bool(facts["Py_ENABLE_SHARED"])
        self.stdlib = text("stdlib")
        self.system_library = self.libdir in _system_folders(here)
        self.crowd = tuple(text("crowd").split())

    @property
    def name(self):
        # type: () -> str
        return "py" + self.version + self.abi


def choose(wanted="", refuse=None):
    # type: (str, Callable[[Python], str | None] | None) -> Python
    """The Python to build for: the first that is not refused, of those wanted or of all.

    By default fault() decides what is refused. refuse may be stricter.
    """
    refusals = []  # type: list[str]
    for python in candidates(wanted):
        why = (refuse or fault)(python)
        if why is None:
            return python
        refusals.append(why)
    raise Problem(refusals[0] if refusals else missing(wanted))


def fault(python):
    # type: (Any) -> str | None
    """Why this Python cannot be embedded, and how to mend that. None if it can.

    A Python of command.pythons will do, too.
    """
    told = "Python %s (%s)" % (python.release, python.executable)
    header = os.path.join(str(python.include), "Python.h")
    if not os.path.isfile(header):
        return "%s has no %s: %s" % (told, header, INSTALL)
    if not python.shared:
        return (
            told + " has no shared library: build it with --enable-shared (pyenv: "
            "PYTHON_CONFIGURE_OPTS=--enable-shared), or name another by its version or path"
        )
    library = os.path.join(str(python.libdir), "lib%s.so" % python.library)
    if not os.path.exists(library):
        return "%s has no %s: %s" % (told, library, INSTALL)
    return None


def candidates(want):
    # type: (str) -> Iterator[Python]
    """The Pythons of this machine that a version or a program's path may mean.

    All if want is "".
    """
    if want and not _VERSION.match(want):
        path = os.path.join(os.getcwd(), os.path.expanduser(want)) if "/" in want else want
        named = ask(path)
        if named is None:
            raise Problem("%s is not a CPython that runs: name a version or a program" % want)
        yield named
        return
    for python in machine(want):
        if not want or _is_version(python, want):
            yield python


def missing(want):
    # type: (str) -> str
    """What to say where there is no such Python."""
    sought = "no Python " + want if want else "no Python"
    return "%s on PATH or in pyenv: %s" % (sought, INSTALL)


def _is_version(python, want):
    # type: (Python, str) -> bool
    """Whether want ("3", "3.12", "3.13t", "3.12.1") names this Python."""
    threaded = want.endswith("t") == (python.abi == "t")
    return threaded and (python.release + ".").startswith(want.rstrip("t") + ".")


def machine(want=""):
    # type: (str) -> Iterator[Python]
    """The machine's Pythons, each once.

    A generator, because asking one takes tens of milliseconds.
    """
    seen = set()  # type: set[str]
    for program in _programs(want):
        python = ask(program)
        if python is not None and python.executable not in seen:
            seen.add(python.executable)
            yield python


def _programs(want):
    # type: (str) -> Iterator[str]
    """Programs that may be a Python, without those whose name says another version."""
    for folder in search_path() + _pyenv_folders():
        for name in listing(folder):
            match = _PROGRAM.match(name)
            if match and _may_be(match.group(1) or "", want):
                yield os.path.join(folder, name)


def _may_be(named, want):
    # type: (str, str) -> bool
    shorter, longer = sorted((named.rstrip("t"), want.rstrip("t")), key=len)
    return not shorter or (longer + ".").startswith(shorter + ".")


def _pyenv_folders():
    # type: () -> list[str]
    root = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    versions = os.path.join(root, "versions")
    paths = [os.path.join(versions, name) for name in sorted(listing(versions), key=numbers)]
    return [os.path.join(path, "bin") for path in paths if not os.path.islink(path)]


def numbers(text):
    # type: (str) -> tuple[tuple[int, ...], str]
    """A key for sorting: 3.9 comes before 3.10, and 3.13 before 3.13t."""
    return tuple(int(number) for number in re.findall(r"\d+", text)), text


def ask(program):
    # type: (str) -> Python | None
    """What the interpreter says about itself. None if it does not run or is not CPython."""
    if program not in _ASKED:
        _ASKED[program] = _ask(program)
    return _ASKED[program]


def _ask(program):
    # type: (str) -> Python | None
    """Asks the interpreter.

    With -c the first entry of sys.path is the current directory, and Python 2.7 has no -I. So it
    is run in a directory of the system's: the user's current directory may be somebody else's.
    """
    environment = dict(each for each in os.environ.items() if each[0] != "PYTHONPATH")
    answer = run([program, "-E", "-s", "-c", _QUESTION], cwd="/", env=environment)
    if answer is None or answer[0] != 0:
        return None
    try:
        facts = json.loads(answer[1])
    except ValueError:
        return None
    return Python(facts) if facts["implementation"] == "CPython" else None


def _system_folders(multiarch):
    # type: (str) -> list[str]
    """Folders that the dynamic linker searches by itself, so that no rpath is needed."""
    roots = ["/lib", "/usr/lib", "/lib64", "/usr/lib64"]
    return roots + [os.path.join(root, multiarch) for root in roots[:2] if multiarch]


def _library_folder(library, libdir, libpl, multiarch):
    # type: (str, str, str, str) -> str
    """The folder that holds the shared library: LIBDIR, except in some distributions."""
    for folder in (libdir, os.path.join(libdir, multiarch), libpl):
        if os.path.exists(os.path.join(folder, "lib%s.so" % library)):
            return folder
    return libdir
