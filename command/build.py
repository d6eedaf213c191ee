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
RELEASE = "release"


def module(server: Server, python: Python, profile: str = RELEASE) -> Path:
    """Builds the module for this server and Python."""
    wanted = (f"apxs={server.apxs}", f"python={python.executable}", f"profile={profile}")
    scons(f"apache={server.line}", *wanted)
    return TOP / "build" / f"{folder(server.line, python)}{ending(profile)}" / "mod_wsgi.so"


def folder(line: str, python: Python) -> str:
    """The name of the folder that holds the module for a line of Apache and a Python."""
    return f"apache{line}-{python.name}"


def ending(profile: str) -> str:
    """What the folder of a build has at its end."""
    return "" if profile == RELEASE else f"-{profile}"


def module_and_programs(
    server: Server, python: Python, profile: str = RELEASE
) -> tuple[Path, Path, Path]:
    """Builds what runs applications in processes of their own.

    That is a module without Python, the spawner, and the program of this Python's processes.
    """
    wanted = (f"apxs={server.apxs}", f"python=none,{python.executable}", f"profile={profile}")
    scons(f"apache={server.line}", *wanted)
    made = TOP / "build" / f"apache{server.line}{ending(profile)}"
    programs = made / "mod_wsgi"
    return (
        made / "mod_wsgi.so",
        programs / "mod_wsgi-spawner",
        programs / f"mod_wsgi-{python.name}",
    )


def bare(python: Python, profile: str) -> Path:
    """Builds the bare host for this Python."""
    scons("apache=none", f"python={python.executable}", f"profile={profile}")
    return TOP / "build" / f"bare-{python.name}{ending(profile)}" / "bare"


def process(python: Python, profile: str) -> Path:
    """Builds the program of an application's process for this Python."""
    scons("process", f"python={python.executable}", f"profile={profile}")
    made = TOP / "build" / f"process-{python.name}{ending(profile)}"
    return made / f"mod_wsgi-{python.name}"


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
