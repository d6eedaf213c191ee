"""Finds the servers and the Pythons of a machine, for the build as for all else.

SCons runs this code with the Python of an old host, so it is valid on Python 2.6 and 3.6. Paths
are plain strings, and types stand in comments. The modules command.pythons and command.servers
give the rest of the project the same answers, with types.
"""

import os
import subprocess
import threading

TYPED = False
if TYPED:
    from typing import Iterable, Sequence

SECONDS = 30


class Problem(Exception):
    """Something that the user can mend. The text is one line that says how."""


def run(words, cwd=None, env=None):
    # type: (Sequence[str], str | None, dict[str, str] | None) -> tuple[int, str] | None
    """A program's exit status and what it has printed. None if it cannot be run.

    The subprocess of Python 2.7 knows no timeout, so a timer kills what takes too long.
    """
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(list(words), stdout=pipe, stderr=pipe, cwd=cwd, env=env)
    except OSError:
        return None
    timer = threading.Timer(SECONDS, process.kill)
    timer.start()
    try:
        printed = process.communicate()[0]
    finally:
        timer.cancel()
    return process.returncode, native(printed)


def native(text):
    # type: (str | bytes) -> str
    """The text as this Python's paths are: bytes on Python 2.7, else characters."""
    if isinstance(text, str):
        return text
    return os.fsdecode(text) if isinstance(text, bytes) else text.encode("utf-8")


def search_path():
    # type: () -> list[str]
    """The folders of PATH, without those that depend on where the user is."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return [folder for folder in folders if folder.startswith("/")]


def listing(folder):
    # type: (str) -> list[str]
    """The names in a folder, sorted. There are none in one that cannot be read."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def unique(items):
    # type: (Iterable[str]) -> list[str]
    """Each item once, in the order in which they came."""
    kept = []  # type: list[str]
    for item in items:
        if item not in kept:
            kept.append(item)
    return kept
