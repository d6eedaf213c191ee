"""Accounts for the customers whose applications run in processes of their own.

A process can become a user only if there is one. Several runs of the tests share the accounts:
the last that uses them removes them.
"""

import fcntl
import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Of the accounts, which have no home and no password.
ALICE, MALLORY = 20001, 20002
OF_ROOTS_GROUP = 20003  # whose own group is root's
CUSTOMERS = (ALICE, MALLORY, OF_ROOTS_GROUP)
CROWD = 21001  # and those after it: many customers, for the tests that need them

_LOCKS = Path(tempfile.gettempdir())


def give(target: Path, owner: int, text: str, mode: int = 0o644) -> None:
    """Writes a file of an owner. Missing folders become the owner's, too."""
    for folder in reversed(target.parents):
        if not folder.exists():
            folder.mkdir(mode=0o755)
            os.chown(folder, owner, owner)
    target.write_text(text)
    target.chmod(mode)
    os.chown(target, owner, owner)


@contextmanager
def customers() -> Iterator[None]:
    """The customers have accounts in this block. Without root nothing is done."""
    if os.geteuid() != 0:
        yield
        return
    with _lock("using") as using:
        with _lock("changing") as changing:
            fcntl.flock(changing, fcntl.LOCK_EX)
            for uid in CUSTOMERS:
                _add(uid)
            fcntl.flock(using, fcntl.LOCK_SH)
        try:
            yield
        finally:
            with _lock("changing") as changing:
                fcntl.flock(changing, fcntl.LOCK_EX)
                _remove_unless_used(using)


@contextmanager
def crowd(count: int) -> Iterator[list[int]]:
    """So many more customers have accounts in this block: their numbers. Only for root."""
    numbers = list(range(CROWD, CROWD + count))
    with _lock("crowd") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        lines = [f"{login(uid)}:*:{uid}:{uid}::/:/bin/false" for uid in numbers]
        with _lock("changing") as changing:
            fcntl.flock(changing, fcntl.LOCK_EX)
            _run("newusers", given="\n".join(lines) + "\n")
        try:
            yield numbers
        finally:
            with _lock("changing") as changing:
                fcntl.flock(changing, fcntl.LOCK_EX)
                _forget(numbers)


def _forget(numbers: list[int]) -> None:
    """Removes accounts all at once. One userdel for each would take a minute.

    vipw looks at whole seconds to see whether the file was changed.
    """
    names = "\\|".join(map(login, numbers))
    with tempfile.TemporaryDirectory() as folder:
        editor = Path(folder, "editor")
        editor.write_text(f"#!/bin/sh\nsleep 1\nexec sed -i '/^\\({names}\\):/d' \"$1\"\n")
        editor.chmod(0o700)
        for words in (("vipw",), ("vipw", "-s"), ("vigr",), ("vigr", "-s")):
            _run(*words, editor=str(editor))


@contextmanager
def _lock(what: str) -> Iterator[int]:
    place = _LOCKS / f"mod_wsgi-tests-accounts.{what}"
    descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def login(uid: int) -> str:
    """The name of an account."""
    return f"wsgi-test-{uid}"


def _add(uid: int) -> None:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        own = ("-K", f"GID_MIN={uid}", "-K", f"GID_MAX={uid}", "-U")
        group = ("-g", "0") if uid == OF_ROOTS_GROUP else own
        _run("useradd", "-u", str(uid), *group, "-d", "/nonexistent", "-M", login(uid))


def _remove_unless_used(using: int) -> None:
    try:
        fcntl.flock(using, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    for uid in CUSTOMERS:
        if any(entry.pw_name == login(uid) for entry in pwd.getpwall()):
            _run("userdel", "-f", login(uid))


def _run(*words: str, given: str = "", editor: str = "") -> None:
    chosen = {"VISUAL": editor} if editor else {}
    environment = {**os.environ, **chosen}
    subprocess.run(words, check=True, capture_output=True, input=given, text=True, env=environment)
