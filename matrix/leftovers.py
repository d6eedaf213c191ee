"""The runs of this machine that go on, and the containers of those that were killed."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from docker import DockerClient

from command import Problem
from matrix import engine, files


@contextmanager
def new_run(folder: Path) -> Iterator[str]:
    """A name for a run. Its lock in the folder ends with this process, however that ends."""
    name = uuid.uuid4().hex
    descriptor = files.hold(folder / name)
    try:
        yield name
    finally:
        (folder / name).unlink(missing_ok=True)
        if descriptor is not None:
            os.close(descriptor)


def remove(client: DockerClient, folder: Path) -> int:
    """Removes the containers of runs that have ended without doing so. Returns how many.

    Those of another machine's runs have no lock here, and stay.
    """
    removed = 0
    for path, descriptor in _ended(folder):
        removed += engine.remove_containers(client, path.name)
        path.unlink(missing_ok=True)
        os.close(descriptor)
    return removed


def _ended(folder: Path) -> Iterator[tuple[Path, int]]:
    for path in folder.glob("*"):
        descriptor = files.hold(path)
        if descriptor is not None:
            yield path, descriptor


def refuse_while_running(folder: Path) -> None:
    """Raises a Problem if a run of this user goes on."""
    for path in folder.glob("*"):
        descriptor = files.hold(path)
        if descriptor is None:
            raise Problem(f"process {files.holder(path)} is running the matrix: wait for its end")
        os.close(descriptor)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keeps other runs out of a folder: each begins by removing earlier logs."""
    lock = folder / ".lock"
    descriptor = files.hold(lock)
    if descriptor is None:
        raise Problem(
            f"process {files.holder(lock)} is running the matrix in {folder}: wait for its end, or"
            " name another folder with --output"
        )
    try:
        yield
    finally:
        os.close(descriptor)
