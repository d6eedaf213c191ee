"""Gets release archives from a folder, the cache or their address, and refuses changed ones.

If matrix.toml has no SHA-256, the first archive seen is trusted, and its sum is written to
archives.lock beside matrix.toml. From then on any other archive is refused.
"""

import fnmatch
import hashlib
import io
import json
import re
import tarfile
import threading
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from command import Problem
from matrix import CellFailed, Unavailable
from matrix.data import Archive, Fix

_LOCKED = threading.Lock()
_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """The places where archives are looked for, and the file with their sums."""

    sources: Path | None
    cache: Path
    lock: Path
    offline: list[str] = field(default_factory=list)  # addresses that gave nothing in this run


def obtain(shelf: Shelf, wanted: Archive) -> bytes:
    """The archive's bytes, checked. Raises Unavailable if they cannot be had."""
    content = _from_folder(shelf, wanted)
    if content is None:
        content = _download(shelf, wanted)
        check(shelf, wanted, content)
        shelf.cache.mkdir(parents=True, exist_ok=True)
        (shelf.cache / wanted.name).write_bytes(content)
    else:
        check(shelf, wanted, content)
    return content


def _from_folder(shelf: Shelf, wanted: Archive) -> bytes | None:
    for folder in (shelf.sources, shelf.cache):
        if folder and (folder / wanted.name).is_file():
            return (folder / wanted.name).read_bytes()
    return None


def _download(shelf: Shelf, wanted: Archive) -> bytes:
    """Tries an address once in a run, so that a second cell does not wait for it again."""
    why = f"{wanted.name} is neither in --sources nor at {wanted.url}"
    if wanted.url in shelf.offline:
        raise Unavailable(why)
    try:
        with urllib.request.urlopen(wanted.url, timeout=_SECONDS) as answer:
            content: bytes = answer.read()
    except (urllib.error.URLError, OSError) as error:
        shelf.offline.append(wanted.url)
        reason = getattr(error, "reason", error)
        raise Unavailable(f"{why} ({reason})") from error
    return content


def check(shelf: Shelf, wanted: Archive, content: bytes) -> None:
    """Refuses an archive that is not the known one. Writes down the sum of the first.

    A refusal is a failure, which --allow-unavailable does not excuse.
    """
    found = hashlib.sha256(content).hexdigest()
    known = wanted.sha256 or _remember(shelf.lock, wanted.name, found)
    if known != found:
        raise CellFailed(f"{wanted.name} is refused: its SHA-256 is {found}, and {known} is known")


def _remember(lock: Path, archive: str, found: str) -> str:
    with _LOCKED:
        sums = read_lock(lock)
        if archive not in sums:
            sums[archive] = found
            text = json.dumps(dict(sorted(sums.items())), indent=2)
            lock.write_text(text + "\n")
        return sums[archive]


def read_lock(lock: Path) -> dict[str, str]:
    """The sums of the archives that were seen first."""
    if not lock.is_file():
        return {}
    try:
        sums = json.loads(lock.read_text())
    except ValueError as error:
        raise Problem(f"{lock} is damaged: restore it from git, or remove it") from error
    if not isinstance(sums, dict) or not all(isinstance(each, str) for each in sums.values()):
        raise Problem(f"{lock} is not a table of checksums: restore it from git, or remove it")
    return sums


def mended(archives: Sequence[tuple[str, bytes]], fixes: Sequence[Fix]) -> bytes:
    """Archives, each with the folder it goes into, as one plain tar below "source", and fixed.

    Times and modes stay, since makefiles compare the times of what a release has generated.
    """
    used: set[Fix] = set()
    target = io.BytesIO()
    try:
        with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as made:
            for into, content in archives:
                with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                    used |= _move(archive, f"source/{into}".rstrip("/"), fixes, made)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise CellFailed(f"the archive is damaged: {error}") from error
    for fix in fixes:
        if fix not in used:
            raise CellFailed(f"a fix changes nothing: {fix.find!r} in {', '.join(fix.files)}")
    return target.getvalue()


def _move(
    archive: tarfile.TarFile, top: str, fixes: Sequence[Fix], made: tarfile.TarFile
) -> set[Fix]:
    """Writes an archive's files below another top folder.

    Returns the fixes that changed something.
    """
    used: set[Fix] = set()
    for member in archive:
        member.name = _below(top, member.name)
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        if member.islnk():
            member.linkname = _below(top, member.linkname)
        stream = archive.extractfile(member) if member.isfile() else None
        data = stream.read() if stream else b""
        for fix in fixes:
            if member.isfile() and _concerns(fix, member.name.removeprefix("source/")):
                changed = apply(fix, data)
                used |= {fix} if changed != data else set()
                data = changed
        member.size = len(data)
        made.addfile(member, io.BytesIO(data) if member.isfile() else None)
    return used


def _below(top: str, name: str) -> str:
    _, slash, inner = name.partition("/")
    return f"{top}{slash}{inner}"


def _concerns(fix: Fix, name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in fix.files)


def apply(fix: Fix, data: bytes) -> bytes:
    """The file's text with every place replaced. Old sources are latin-1."""
    text = data.decode("latin-1")
    return re.sub(fix.find, fix.replace, text, flags=re.MULTILINE).encode("latin-1")
