"""Whether the user that a server serves as can read a file or a Python, and if not, why."""

import os
import pwd
from pathlib import Path

from tools import Problem, httpd, pythons
from tools.pythons import Python


def fault(python: Python) -> str | None:
    """Why no server can run this Python here, and what mends that; None where one can."""
    trouble = pythons.fault(python)
    if trouble:
        return trouble
    user = httpd.unprivileged_user()
    try:
        for path in (python.shared_library, python.stdlib / "os.py"):
            require(path, user)
    except Problem as problem:
        return f"{problem}, or name another with --python"
    return None


def obstacle(path: Path, user: pwd.struct_passwd) -> Path | None:
    """The component on the way to path that is closed to the user; None if there is none."""
    real = path.resolve()
    for folder in reversed(real.parents):
        if not _allows(folder, user, 0o1):
            return folder
    needed = 0o5 if real.is_dir() else 0o4
    return None if _allows(real, user, needed) else real


def require(path: Path, user: pwd.struct_passwd | None) -> None:
    """A Problem with the chmod that mends it, if the user cannot read what is there."""
    closed = obstacle(path, user) if user else None
    if closed and user:
        mode = "o+x" if closed in path.resolve().parents else "o+rX"
        raise Problem(f"{user.pw_name} cannot read {path}: chmod {mode} {closed}")


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
