"""Checks an archive's PGP signature with gpgv, against keys whose fingerprints are known.

The file with the keys comes from the same server as the archive, so it is not trusted. gpgv gets
only those of its keys that have a pinned fingerprint.
"""

import base64
import binascii
import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from matrix import CellFailed, Unavailable
from matrix.described import Signers

INSTALL = "install gpgv (Debian, Alpine) or gnupg2 (Fedora)"

_BLOCK = re.compile(
    rb"^-----BEGIN PGP PUBLIC KEY BLOCK-----\s*?$(.*?)^-----END PGP PUBLIC KEY BLOCK-----",
    re.MULTILINE | re.DOTALL,
)
_PRIMARY = 6  # the tag of a packet with a primary key, which begins a key

# A key that has expired since then was good when it signed an old release.
_GOOD = ("GOODSIG", "EXPKEYSIG")


def check(signers: Signers, keys: bytes, signature: bytes, content: bytes, place: str) -> None:
    """Refuses an archive that none of these signers has signed."""
    program = shutil.which("gpgv") or shutil.which("gpgv2")
    if program is None:
        raise Unavailable(f"the signature of {place} cannot be checked without gpgv: {INSTALL}")
    ring = b"".join(pinned(signers, keys))
    if not ring:
        raise CellFailed(f"{signers.keys} has none of the keys that signers.{signers.name} names")
    told = _ask(program, ring, signature, content)
    if any(word == "BADSIG" for word, *_ in told):
        raise CellFailed(
            f"{place} is refused: it is not what its signature was made for. Get it again"
        )
    made = [words[-1] for word, *words in told if word == "VALIDSIG" and words]
    good = any(word in _GOOD for word, *_ in told)
    if not good or not set(made) & set(signers.fingerprints):
        raise CellFailed(f"{place} is refused: {_fault(signers, told)}")


def _fault(signers: Signers, told: list[list[str]]) -> str:
    for word, *words in told:
        if word == "NO_PUBKEY" and words:
            return f"its signature is by the key {words[0]}, which signers.{signers.name} lacks"
        if word == "REVKEYSIG":
            return "its signature is by a key that its owner has revoked"
    return "its signature cannot be read. Get the .asc file again"


def _ask(program: str, ring: bytes, signature: bytes, content: bytes) -> list[list[str]]:
    """The words of each line that gpgv says of a signature."""
    with TemporaryDirectory(prefix="mod_wsgi-") as folder:
        paths = [Path(folder, name) for name in ("keys.gpg", "archive.asc", "archive")]
        for path, data in zip(paths, (ring, signature, content), strict=True):
            path.write_bytes(data)
        done = subprocess.run(
            [program, "--homedir", folder, "--status-fd", "1", "--keyring", *map(str, paths)],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    lines = (line.split() for line in done.stdout.splitlines())
    return [words[1:] for words in lines if words[:1] == ["[GNUPG:]"] and len(words) > 1]


def pinned(signers: Signers, keys: bytes) -> Iterator[bytes]:
    """Those keys of a file that have one of the signers' fingerprints."""
    for block in _BLOCK.findall(keys.replace(b"\r\n", b"\n")):
        for key in _keys(_bare(block)):
            if _fingerprint(key) in signers.fingerprints:
                yield key


def _bare(block: bytes) -> bytes:
    """The bytes of an armoured block, without its headers and its sum."""
    lines = (line.strip() for line in block.splitlines())
    text = b"".join(line for line in lines if b":" not in line and not line.startswith(b"="))
    try:
        return base64.b64decode(text)
    except binascii.Error:
        return b""  # a damaged block has no key


def _keys(data: bytes) -> Iterator[bytes]:
    """The keys of a block: each a primary key's packet with all that follows until the next."""
    starts = [at for at, tag in _packets(data) if tag == _PRIMARY]
    for start, end in pairwise([*starts, len(data)]):
        yield data[start:end]


def _packets(data: bytes) -> Iterator[tuple[int, int]]:
    """Where each packet begins, and its tag (RFC 4880, part 4.2)."""
    at = 0
    while at < len(data):
        tag, body, length = _head(data, at)
        yield at, tag
        at = body + length


def _head(data: bytes, at: int) -> tuple[int, int, int]:
    """A packet's tag, where its body begins, and how long that is."""
    first = data[at]
    if not first & 0x40:
        size = 1 << (first & 3)
        return first >> 2 & 15, at + 1 + size, int.from_bytes(data[at + 1 : at + 1 + size])
    tag, second = first & 0x3F, data[at + 1 : at + 2]
    if second < b"\xc0":
        return tag, at + 2, int.from_bytes(second)
    if second < b"\xe0":
        high = int.from_bytes(second) - 0xC0
        return tag, at + 3, (high << 8) + int.from_bytes(data[at + 2 : at + 3]) + 192
    return tag, at + 6, int.from_bytes(data[at + 2 : at + 6])


def _fingerprint(key: bytes) -> str:
    """That of a key of version 4 (RFC 4880, part 12.2), which 64 KB have room for.

    Older keys are never pinned.
    """
    _, begin, length = _head(key, 0)
    body = key[begin : begin + min(length, 0xFFFF)]
    whole = b"\x99" + len(body).to_bytes(2) + body
    return hashlib.sha1(whole, usedforsecurity=False).hexdigest().upper()
