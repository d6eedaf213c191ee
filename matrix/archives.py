"""Gets release archives from a folder, the cache or their address, and refuses changed ones.

If matrix.toml has no SHA-256, it names signers. The first archive seen that is whole and has the
signature of one of them is trusted, and its sum is written to archives.lock beside matrix.toml.
From then on any other archive is refused.
"""

import fnmatch
import hashlib
import http.client
import io
import json
import lzma
import re
import tarfile
import threading
import urllib.error
import urllib.request
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from command import Problem
from matrix import CellFailed, Unavailable, files, signatures
from matrix.described import Archive, Fix

_LOCKED = threading.Lock()
_SECONDS = 60

# What opening or reading an archive raises if the archive is cut off or damaged.
_DAMAGED = (tarfile.TarError, EOFError, lzma.LZMAError, zlib.error, OSError)


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """The places where archives are looked for, and the file with their sums."""

    sources: Path | None
    cache: Path
    lock: Path
    offline: list[str] = field(default_factory=list)  # addresses that gave nothing in this run


def obtain(shelf: Shelf, wanted: Archive) -> bytes:
    """The archive's bytes, checked. Raises Unavailable if they cannot be had."""
    given = shelf.sources and shelf.sources / wanted.name
    if given and given.is_file():
        content = given.read_bytes()
        check(shelf, wanted, content, str(given))
        return content
    cached = shelf.cache / wanted.name
    if cached.is_file() and is_known(shelf, wanted, content := cached.read_bytes()):
        return content
    content = _download(shelf, wanted.name, wanted.url)
    check(shelf, wanted, content, wanted.url)
    files.write(cached, content)
    return content


def _download(shelf: Shelf, name: str, url: str) -> bytes:
    """Tries an address once in a run, so that a second cell does not wait for it again."""
    why = f"{name} is neither in --sources nor at {url}"
    if url in shelf.offline:
        raise Unavailable(why)
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:
            content: bytes = answer.read()
    except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
        shelf.offline.append(url)
        reason = getattr(error, "reason", error)
        raise Unavailable(f"{why} ({reason})") from error
    return content


def is_known(shelf: Shelf, wanted: Archive, content: bytes) -> bool:
    """Whether an archive of the cache is the right one. If not, it is downloaded again."""
    try:
        check(shelf, wanted, content, wanted.name)
    except CellFailed:
        return False
    return True


def check(shelf: Shelf, wanted: Archive, content: bytes, place: str) -> None:
    """Refuses an archive that is not the known one. Writes down the sum of the first.

    A refusal is a failure, which --allow-unavailable does not excuse.
    """
    found = hashlib.sha256(content).hexdigest()
    known = wanted.sha256 or _remember(shelf, wanted, content, place)
    if known != found:
        written = "the data file" if wanted.sha256 else shelf.lock.name
        say = f" ({', '.join(wanted.sources)})" if wanted.sources else ""
        raise CellFailed(
            f"{place} is refused: its SHA-256 is {found}, and {known} is known{say}. Get the"
            f" archive again, or if it is upstream's own, correct the sum in {written}"
        )


def _remember(shelf: Shelf, wanted: Archive, content: bytes, place: str) -> str:
    """The sum that an archive must have: that of the first one that was whole and signed."""
    with _LOCKED:
        sums = read_lock(shelf.lock)
        if wanted.name not in sums:
            read_through(content, place)
            _check_signature(shelf, wanted, content, place)
            sums[wanted.name] = hashlib.sha256(content).hexdigest()
            text = json.dumps(dict(sorted(sums.items())), indent=2)
            files.write(shelf.lock, f"{text}\n".encode())
        return sums[wanted.name]


def _check_signature(shelf: Shelf, wanted: Archive, content: bytes, place: str) -> None:
    """Refuses what none of the signers has signed."""
    assert wanted.signers  # noqa: S101  data.py wants them where there is no sum
    try:
        signature = _beside(shelf, f"{wanted.name}.asc", f"{wanted.url}.asc")
        keys = _beside(shelf, "KEYS", wanted.signers.keys)
    except Unavailable as missing:
        raise Unavailable(f"{wanted.name} cannot be trusted yet: {missing}") from missing
    signatures.check(wanted.signers, keys, signature, content, place)


def _beside(shelf: Shelf, name: str, url: str) -> bytes:
    """A file that lies where the archives do."""
    given = shelf.sources and shelf.sources / name
    return given.read_bytes() if given and given.is_file() else _download(shelf, name, url)


def read_through(content: bytes, place: str) -> None:
    """Refuses what is no archive, or only the beginning of one."""
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            archive.getmembers()
            # Behind the last member is the compression's own sum.
            if archive.fileobj:
                archive.fileobj.read(-1)
    except _DAMAGED as error:
        raise CellFailed(f"{place} is damaged ({_said(error)}): get it again") from error


def _said(error: BaseException) -> str:
    """The first line of an error, which for an unknown kind of file has a line for each kind."""
    return str(error).partition("\n")[0].rstrip(":")


def read_lock(lock: Path) -> dict[str, str]:
    """The sums of the archives that were seen first."""
    if not lock.is_file():
        return {}
    try:
        sums = json.loads(lock.read_text())
    except ValueError as error:  # which a text that is not UTF-8 is, too
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
    except _DAMAGED as error:
        raise CellFailed(f"the archive is damaged: {_said(error)}") from error
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
