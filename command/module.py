"""Finds the module that a server is to load.

A checkout builds the module. A command that a package or pip has installed has no sources. Beside
it is the folder modules/ instead, with a folder for each server and Python, named as the build
names it: modules/apache2.4-py3.11/mod_wsgi.so, with the programs of processes in mod_wsgi/ beside
it. In a package of a distribution, this mod_wsgi.so is a link to the one in the server's folder.
"""

import sys
from pathlib import Path

from . import MODULES, Problem, build, pythons, servers
from .pythons import Python
from .servers import Server


def is_installed() -> bool:
    """Whether this command was installed with modules, so that it cannot build one."""
    return MODULES.is_dir()


def find(server: Server, python: Python) -> Path:
    """The module for this server and this Python. In a checkout it is built first."""
    if not is_installed():
        return build.module(server, python)
    found = MODULES / build.folder(server.line, python) / "mod_wsgi.so"
    if not found.is_file():
        raise Problem(
            f"no module for Apache {server.line} with Python {python.version} is installed: "
            f"there is {_names()}"
        )
    return found.resolve()


def fault(python: Python) -> str | None:
    """Why there can be no module for this Python, and how to mend that. None if there can."""
    if not is_installed():
        return pythons.fault(python)
    if list(MODULES.glob(f"apache*-{python.name}")):
        return None
    return f"no module for Python {python.version} is installed: there is {_names()}"


def default_python() -> str:
    """The Python to serve with, if none is named. "" means the first on PATH that will do.

    The one that runs an installed command is the one that the module was built for.
    """
    return sys.executable if is_installed() else ""


def default_virtualenv() -> Path | None:
    """The virtual environment that this command was installed into, if it was."""
    return Path(sys.prefix) if is_installed() and sys.prefix != sys.base_prefix else None


def choose_server(line: str | None, apxs: Path | None, mpm: str | None = None) -> Server:
    """The server that is to load the module. An installed module needs no apxs."""
    if not is_installed():
        return servers.choose(line, apxs, mpm)
    lines = sorted({path.name[len("apache") :].split("-")[0] for path in MODULES.iterdir()})
    if line is None and apxs is None and lines:
        line = lines[-1]
    return servers.choose_to_run(line, apxs, mpm)


def _names() -> str:
    return ", ".join(sorted(path.name for path in MODULES.iterdir())) or "none"
