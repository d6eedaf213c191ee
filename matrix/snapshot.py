"""Copies the tree once, so that all cells of a run see the same sources.

Containers get a copy, not a mount. So the daemon may be on another machine, and no test can write
into the checkout.
"""

import hashlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from command import TOP
from matrix import engine

# The files that objects are made from. A change elsewhere rebuilds no module.
COMPILED = (
    *("core/", "adapters/", "spawner/", "VERSION"),
    *("command/", "SConstruct", "matrix/site_scons/"),
)

# Left out if there is no git to list the tree's files.
_GENERATED = {"build", ".git", ".venv", "__pycache__"}


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The files of the tree as a tar for /src, and the digest of those that are compiled."""

    files: bytes
    compiled: str
    revision: str


def take(top: Path = TOP) -> Snapshot:
    """The checkout as it is now: with uncommitted changes, without built files."""
    found = {name: (top / name).read_bytes() for name in sorted(set(names(top)))}
    compiled = hashlib.sha256()
    for name, content in found.items():
        if name.startswith(COMPILED):
            compiled.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    programs = [name for name in found if os.access(top / name, os.X_OK)]
    placed = {f"src/{name}": content for name, content in found.items()}
    # A folder that must exist even if it is empty.
    placed["out/.keep"] = b""
    return Snapshot(
        files=engine.tar(placed, [f"src/{name}" for name in programs]),
        compiled=compiled.hexdigest(),
        revision=revision(top),
    )


def names(top: Path) -> Iterator[str]:
    """The files of the tree, relative to its top."""
    known = git(top, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if known is not None:
        yield from (name for name in known.split("\0") if name and (top / name).is_file())
        return
    for folder, inner, files in os.walk(top):
        inner[:] = [name for name in inner if name not in _GENERATED]
        yield from (str((Path(folder) / name).relative_to(top)) for name in files)


def revision(top: Path) -> str:
    """The tree's revision, with a "+" if there are uncommitted changes."""
    described = git(top, "rev-parse", "--short=12", "HEAD")
    if described is None:
        return "unknown"
    changed = git(top, "status", "--porcelain") or ""
    return described.strip() + ("+" if changed.strip() else "")


def git(top: Path, *words: str) -> str | None:
    """git's output, or "" without git or a checkout."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(top), *words], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout
