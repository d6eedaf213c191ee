"""Checks that the user that a server runs as can read a file or a Python, and says why not."""

import os
import pwd
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from . import Problem, httpd, module
from .pythons import Python


def fault(python: Python) -> str | None:
    """Why no server can run this Python here, and how to mend that. None if one can."""
    trouble = module.fault(python)
    if trouble:
        return trouble
    try:
        require(parts(python), httpd.unprivileged_user())
    except Problem as problem:
        return f"{problem}, or name another with --python"
    return None


def parts(python: Python) -> tuple[Path, ...]:
    """Files of a Python that a server needs. If these can be read, the rest can.

    Without Python's headers, the library has another name.
    """
    paths = (python.shared_library, python.stdlib / "os.py")
    return tuple(path for path in paths if path.exists())


def obstacles(path: Path, user: pwd.struct_passwd) -> list[Path]:
    """The folders on the way to path that are closed to the user, then path itself if it is."""
    real = path.resolve()
    closed = [folder for folder in reversed(real.parents) if not _allows(folder, user, 0o1)]
    needed = 0o5 if real.is_dir() else 0o4
    return closed if _allows(real, user, needed) else [*closed, real]


def require(paths: Iterable[Path], user: pwd.struct_passwd | None) -> None:
    """Raises a Problem with every chmod that is needed, if the user cannot read the paths."""
    if user is None:
        return
    closed = {path: found for path in paths if (found := obstacles(path, user))}
    if closed:
        unread = ", ".join(str(path) for path in closed)
        raise Problem(f"{user.pw_name} cannot read {unread}: {remedy(closed)}")


def remedy(closed: Mapping[Path, Sequence[Path]]) -> str:
    """The commands that open all of it, and no more than is needed."""
    read = {path.resolve() for path in closed}
    found = dict.fromkeys(each for way in closed.values() for each in way)
    commands = []
    for option, chosen in (
        ("o+x", [each for each in found if each not in read]),
        ("o+r", [each for each in found if each in read and not each.is_dir()]),
        ("-R o+rX", [each for each in found if each in read and each.is_dir()]),
    ):
        if chosen:
            commands.append(f"chmod {option} {shlex.join(map(str, chosen))}")
    return " && ".join(commands)


def _allows(path: Path, user: pwd.struct_passwd, wanted: int) -> bool:
    facts = path.stat()
    groups = os.getgrouplist(user.pw_name, user.pw_gid)
    if facts.st_uid == user.pw_uid:
        granted = facts.st_mode >> 6
    elif facts.st_gid in groups:
        granted = facts.st_mode >> 3
    else:
        granted = facts.st_mode
    return granted & wanted == wanted
