"""Files of this machine: written whole, held by one run at a time, and named in errors."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EDQUOT, ENOSPC
from pathlib import Path

FULL = (ENOSPC, EDQUOT)


def write(path: Path, content: bytes) -> None:
    """Writes a whole file or none, so that nobody reads a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        _name(error, path)
        raise


def write_in_place(path: Path, content: bytes) -> None:
    """Writes a file. An error names it, also if the disk is full."""
    with named(path):
        path.write_bytes(content)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Gives errors of a full disk the name of the file: write() knows only a number."""
    try:
        yield
    except OSError as error:
        _name(error, path)
        raise


def _name(error: BaseException, path: Path) -> None:
    if isinstance(error, OSError) and error.errno in FULL:
        error.filename = str(path)


def complaint(error: OSError) -> str:
    """One line about a file of this machine that cannot be read or written."""
    said = error.strerror or " ".join(str(error).split())
    if error.errno in FULL:
        return f"the disk is full: make room for {error.filename or 'what the matrix writes'}"
    if error.filename is None:
        return f"this machine refused something: {said}"
    return f"cannot use {error.filename}: {said}"


def hold(path: Path) -> int | None:
    """Takes the lock of a file, which ends with this process. None if somebody has the lock.

    The file then has this process's number.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())
    return descriptor


def holder(path: Path) -> str:
    """The number of the process that has the lock of a file."""
    return path.read_text() or "of another run"
