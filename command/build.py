"""Has SCons build what a server or a test needs, and says where the result is."""

import fcntl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import TOP, Problem
from .pythons import Python
from .servers import Server

SECONDS = 600


def module(server: Server, python: Python) -> Path:
    """Builds the module for this server and Python."""
    scons(f"apache={server.line}", f"apxs={server.apxs}", f"python={python.executable}")
    return TOP / "build" / folder(server.line, python) / "mod_wsgi.so"


def folder(line: str, python: Python) -> str:
    """The name of the folder that holds the module for a line of Apache and a Python."""
    return f"apache{line}-{python.name}"


def module_and_programs(server: Server, python: Python) -> tuple[Path, Path, Path]:
    """Builds what runs applications in processes of their own.

    That is a module without Python, the spawner, and the program of this Python's processes.
    """
    scons(f"apache={server.line}", f"apxs={server.apxs}", f"python=none,{python.executable}")
    made = TOP / "build" / f"apache{server.line}"
    programs = made / "mod_wsgi"
    return (
        made / "mod_wsgi.so",
        programs / "mod_wsgi-spawner",
        programs / f"mod_wsgi-{python.name}",
    )


def bare(python: Python, profile: str) -> Path:
    """Builds the bare host for this Python."""
    scons("apache=none", f"python={python.executable}", f"profile={profile}")
    suffix = "" if profile == "release" else f"-{profile}"
    return TOP / "build" / f"bare-{python.name}{suffix}" / "bare"


def process(python: Python, profile: str) -> Path:
    """Builds the program of an application's process for this Python."""
    scons("process", f"python={python.executable}", f"profile={profile}")
    suffix = "" if profile == "release" else f"-{profile}"
    return TOP / "build" / f"process-{python.name}{suffix}" / f"mod_wsgi-{python.name}"


def scons(*words: str) -> None:
    """Runs SCons silently. If it fails, raises a Problem with its output."""
    command = [sys.executable, "-m", "SCons", "-Q", "-s", *words]
    with one_at_a_time():
        done = subprocess.run(
            command,
            cwd=TOP,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=SECONDS,
        )
    if done.returncode:
        raise Problem(f"the build failed: {' '.join(command)}\n{done.stdout}")


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Two builds at once would spoil SCons' records."""
    lock = TOP / "build" / ".lock"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
