"""A cgroup that is given to a server, as systemd's Delegate=yes would do.

That needs root, and a kernel whose cgroups of version 2 can limit memory, as on a machine that
systemd has started.
"""

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.harness.errorlog import until

MOUNT = Path("/sys/fs/cgroup")
ENABLED = MOUNT / "cgroup.subtree_control"
MARK = "user.delegate"  # systemd's


def _can_limit(*what: str) -> bool:
    enabled = ENABLED.read_text().split() if ENABLED.exists() else []
    return os.geteuid() == 0 and set(what) <= set(enabled)


needed = pytest.mark.skipif(
    not _can_limit("memory", "pids"),
    reason="only root can try it, where cgroups of version 2 limit memory and pids",
)
cpu_needed = pytest.mark.skipif(
    not _can_limit("cpu"), reason="only root can try it, where cgroups of version 2 limit cpu"
)


@dataclass(frozen=True, kw_only=True)
class Cgroup:
    """What is given to the server."""

    path: Path

    def mark(self) -> None:
        os.setxattr(self.path, MARK, b"1")

    def of(self, user: int) -> Path:
        return self.path / "customers" / str(user)

    def read(self, user: int, file: str) -> str:
        return (self.of(user) / file).read_text().strip()

    def pids(self, below: str) -> set[int]:
        try:
            return set(map(int, (self.path / below / "cgroup.procs").read_text().split()))
        except OSError:
            return set()

    @contextlib.contextmanager
    def inside(self, below: str) -> Iterator[None]:
        """Puts this process there for the block, and so what it starts."""
        before = Path("/proc/self/cgroup").read_text().split("::")[1].strip()
        try:
            (self.path / below / "cgroup.procs").write_text("0")
            yield
        finally:
            (MOUNT / before.lstrip("/") / "cgroup.procs").write_text("0")


@contextlib.contextmanager
def made() -> Iterator[Cgroup]:
    path = MOUNT / f"mod_wsgi-test-{os.getpid()}"
    path.mkdir()
    try:
        yield Cgroup(path=path)
    finally:
        inner = sorted((each for each in path.rglob("*") if each.is_dir()), reverse=True)
        for each in [*inner, path]:
            _remove(each)


def _remove(path: Path) -> None:
    """Processes that have just ended may still be there for a moment."""
    for pid in (path / "cgroup.procs").read_text().split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)

    def removes() -> bool:
        with contextlib.suppress(OSError):
            path.rmdir()
        return not path.exists()

    assert until(removes), path
