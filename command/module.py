"""Finds the mod_wsgi.so that belongs to a server and a Python.

In a checkout it is built. An installed command has modules beside itself, in the folder modules/
of its package. The packages of a distribution put the module into the server's own folder.
"""

from pathlib import Path

from . import TOP, Problem, build
from .pythons import Python
from .servers import Server

BESIDE = Path(__file__).resolve().parent / "modules"


def find(server: Server, python: Python) -> Path:
    """The module for this server and Python. Raises a Problem if there is none."""
    if in_checkout():
        return build.module(server, python)
    places = (beside(server, python), server.modules / "mod_wsgi.so")
    for place in places:
        if place.is_file():
            return place
    looked = " nor ".join(str(place) for place in places)
    raise Problem(
        f"no mod_wsgi.so for Apache {server.line} and Python {python.version}: there is neither "
        f"{looked}. Install mod_wsgi with this Python and this server's apxs"
    )


def beside(server: Server, python: Python) -> Path:
    """Where an installation with pip has the module for this server and Python."""
    return BESIDE / f"apache{server.line}-{python.name}" / "mod_wsgi.so"


def in_checkout() -> bool:
    """Whether the sources are here, from which the module is built."""
    return (TOP / "SConstruct").is_file() and (TOP / "core").is_dir()


def lines(module: Path, line: str) -> list[str]:
    """What loads the module, in the main part of a server's configuration.

    A configuration of 1.3 that has ClearModuleList needs AddModule, too.
    """
    load = f'LoadModule wsgi_module "{module}"'
    return [load, "AddModule mod_wsgi.c"] if line == "1.3" else [load]
