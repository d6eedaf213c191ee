"""Archives without a known sum are trusted if a release key has signed them."""

import base64
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis.strategies import binary

from matrix import CellFailed, Unavailable, archives, signatures
from matrix.archives import Shelf
from matrix.described import Archive, Signers

pytestmark = pytest.mark.skipif(
    not (shutil.which("gpg") and shutil.which("gpgv")),
    reason="GnuPG is not installed: gpg and gpgv on Debian",
)

LONG_AGO = "20100101T000000"


@dataclass(frozen=True)
class Keys:
    """A folder of GnuPG with some keys."""

    home: Path

    def gpg(self, *words: str, given: bytes = b"") -> bytes:
        command = ["gpg", "--homedir", str(self.home), "--batch", "--quiet", "--no-tty"]
        command += ["--pinentry-mode", "loopback", "--passphrase", ""]
        return subprocess.run(
            [*command, *words], input=given, capture_output=True, check=True
        ).stdout

    def make(self, name: str, expires: str = "never", *more: str) -> str:
        """Makes a key and returns its fingerprint."""
        words = ("--status-fd", "1", "--quick-generate-key", name, "ed25519", "sign", expires)
        told = self.gpg(*more, *words).decode().split()
        return told[told.index("KEY_CREATED") + 2]

    def sign(self, content: bytes, fingerprint: str, *more: str) -> bytes:
        words = ("--armor", "--local-user", fingerprint, "--detach-sign")
        return self.gpg(*more, *words, given=content)

    def exported(self, *fingerprints: str) -> bytes:
        return self.gpg("--armor", "--export", *fingerprints)


@pytest.fixture(scope="module")
def keys() -> Iterator[Keys]:
    # A socket's path must be short, and that of a test's own folder is not.
    with TemporaryDirectory(prefix="gpg") as folder:
        yield Keys(Path(folder))
        subprocess.run(["gpgconf", "--homedir", folder, "--kill", "all"], check=False)


@pytest.fixture(scope="module")
def manager(keys: Keys) -> str:
    return keys.make("Release Manager")


@pytest.fixture(scope="module")
def stranger(keys: Keys) -> str:
    return keys.make("Stranger")


def packed(text: str = "#!/bin/sh\n") -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as made:
        member = tarfile.TarInfo("apache_1.3.42/configure")
        member.size = len(text)
        made.addfile(member, io.BytesIO(text.encode()))
    return target.getvalue()


ARCHIVE = packed()
NAME = "apache_1.3.42.tar.gz"


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    (tmp_path / "sources").mkdir()
    return Shelf(
        sources=tmp_path / "sources", cache=tmp_path / "cache", lock=tmp_path / "archives.lock"
    )


def put(shelf: Shelf, **contents: bytes) -> None:
    """Puts files into the folder of --sources."""
    assert shelf.sources
    for name, content in {"archive": ARCHIVE, **contents}.items():
        known = {"archive": NAME, "signature": f"{NAME}.asc", "keys": "KEYS"}
        (shelf.sources / known[name]).write_bytes(content)


def signed_by(*fingerprints: str) -> Archive:
    nowhere = "http://127.0.0.1:9"
    signers = Signers(
        name="httpd", keys=f"{nowhere}/KEYS", fingerprints=fingerprints, sources=("a test",)
    )
    return Archive(name=NAME, url=f"{nowhere}/{NAME}", sha256=None, signers=signers)


def refusal(shelf: Shelf, wanted: Archive) -> str:
    with pytest.raises(CellFailed) as refused:
        archives.obtain(shelf, wanted)
    assert not shelf.lock.exists()
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_signed_archive_is_trusted_and_its_sum_remembered(
    shelf: Shelf, keys: Keys, manager: str, stranger: str
) -> None:
    text = b"Everybody's keys.\n\n" + keys.exported(stranger) + b"pub  1024/1 1995/05/13\n\n"
    put(shelf, signature=keys.sign(ARCHIVE, manager), keys=text + keys.exported(manager))
    assert archives.obtain(shelf, signed_by("0" * 40, manager)) == ARCHIVE
    assert json.loads(shelf.lock.read_text()) == {NAME: hashlib.sha256(ARCHIVE).hexdigest()}


def test_several_keys_may_be_in_one_block(
    shelf: Shelf, keys: Keys, manager: str, stranger: str
) -> None:
    put(shelf, signature=keys.sign(ARCHIVE, manager), keys=keys.exported(stranger, manager))
    assert archives.obtain(shelf, signed_by(manager)) == ARCHIVE


def test_once_the_sum_is_known_no_signature_is_needed(shelf: Shelf, manager: str) -> None:
    shelf.lock.write_text(json.dumps({NAME: hashlib.sha256(ARCHIVE).hexdigest()}))
    put(shelf)
    assert archives.obtain(shelf, signed_by(manager)) == ARCHIVE


def test_a_key_that_is_not_pinned_does_not_count(
    shelf: Shelf, keys: Keys, manager: str, stranger: str
) -> None:
    signature = keys.sign(ARCHIVE, stranger)
    put(shelf, signature=signature, keys=keys.exported(stranger, manager))
    said = refusal(shelf, signed_by(manager))
    assert f"its signature is by the key {stranger[-16:]}, which signers.httpd lacks" in said


def test_a_changed_archive_is_refused(shelf: Shelf, keys: Keys, manager: str) -> None:
    signature = keys.sign(ARCHIVE, manager)
    put(shelf, archive=packed("rm -rf /\n"), signature=signature, keys=keys.exported(manager))
    assert "is refused: it is not what its signature was made for" in refusal(
        shelf, signed_by(manager)
    )


def test_keys_without_a_pinned_one_are_named(
    shelf: Shelf, keys: Keys, manager: str, stranger: str
) -> None:
    put(shelf, signature=keys.sign(ARCHIVE, manager), keys=keys.exported(stranger))
    said = refusal(shelf, signed_by(manager))
    assert said == "http://127.0.0.1:9/KEYS has none of the keys that signers.httpd names"


@pytest.mark.parametrize("text", [b"", b"<html>", b"-----BEGIN PGP SIGNATURE-----\n\nabc"])
def test_what_is_no_signature_is_refused(
    shelf: Shelf, keys: Keys, manager: str, text: bytes
) -> None:
    put(shelf, signature=text, keys=keys.exported(manager))
    assert "its signature cannot be read" in refusal(shelf, signed_by(manager))


@pytest.mark.parametrize("missing", ["signature", "keys"])
def test_without_a_signature_or_keys_the_archive_is_unavailable(
    shelf: Shelf, keys: Keys, manager: str, missing: str
) -> None:
    known = {"signature": keys.sign(ARCHIVE, manager), "keys": keys.exported(manager)}
    del known[missing]
    put(shelf, **known)
    name = {"signature": f"{NAME}.asc", "keys": "KEYS"}[missing]
    expected = f"{NAME} cannot be trusted yet: {name} is neither in --sources nor at http://"
    with pytest.raises(Unavailable, match=expected):
        archives.obtain(shelf, signed_by(manager))
    assert not shelf.lock.exists()


def test_without_gpgv_the_archive_is_unavailable(
    shelf: Shelf, keys: Keys, manager: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(shelf, signature=keys.sign(ARCHIVE, manager), keys=keys.exported(manager))
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(Unavailable, match=r"cannot be checked without gpgv: install gpgv"):
        archives.obtain(shelf, signed_by(manager))
    assert not shelf.lock.exists()


def test_the_signature_is_downloaded_from_beside_the_archive(
    shelf: Shelf, keys: Keys, manager: str, tmp_path: Path
) -> None:
    upstream = tmp_path / "upstream"
    upstream.mkdir()
    (upstream / NAME).write_bytes(ARCHIVE)
    (upstream / f"{NAME}.asc").write_bytes(keys.sign(ARCHIVE, manager))
    (upstream / "KEYS").write_bytes(keys.exported(manager))
    signers = Signers(
        name="httpd", keys=(upstream / "KEYS").as_uri(), fingerprints=(manager,), sources=()
    )
    url = (upstream / NAME).as_uri()
    wanted = Archive(name=NAME, url=url, sha256=None, signers=signers)
    assert archives.obtain(shelf, wanted) == ARCHIVE
    assert list(archives.read_lock(shelf.lock)) == [NAME]


def test_a_key_that_has_expired_since_then_still_counts(shelf: Shelf, keys: Keys) -> None:
    past = ("--faked-system-time", LONG_AGO)
    old = keys.make("Old Manager", "1y", *past)
    put(shelf, signature=keys.sign(ARCHIVE, old, *past), keys=keys.exported(old))
    assert archives.obtain(shelf, signed_by(old)) == ARCHIVE


def test_a_revoked_key_does_not_count(shelf: Shelf, keys: Keys) -> None:
    lost = keys.make("Lost Key")
    signature = keys.sign(ARCHIVE, lost)
    revocation = (keys.home / "openpgp-revocs.d" / f"{lost}.rev").read_text()
    keys.gpg("--import", given=revocation.replace(":-----BEGIN", "-----BEGIN").encode())
    put(shelf, signature=signature, keys=keys.exported(lost))
    assert "a key that its owner has revoked" in refusal(shelf, signed_by(lost))


def test_a_damaged_block_does_not_hide_the_others(keys: Keys, manager: str, stranger: str) -> None:
    damaged = keys.exported(stranger).replace(b"\n\n", b"\n\nA", 1)
    signers = Signers(name="httpd", keys="", fingerprints=(manager,), sources=())
    found = list(signatures.pinned(signers, damaged + keys.exported(manager)))
    assert len(found) == 1


def armoured(data: bytes) -> bytes:
    name = b"PGP PUBLIC KEY BLOCK-----\n"
    return b"-----BEGIN " + name + b"\n" + base64.encodebytes(data) + b"-----END " + name


LARGE = b"\xc6\xff\x00\x01\x00\x00" + bytes(0x10000)  # a primary key of 64 KB


@given(binary(max_size=300))
@example(b"\xc0\xc0")  # the length is cut off
@example(LARGE)
def test_no_file_of_keys_is_too_odd(data: bytes) -> None:
    signers = Signers(name="httpd", keys="", fingerprints=("0" * 40,), sources=())
    assert list(signatures.pinned(signers, armoured(data))) == []
    assert list(signatures.pinned(signers, data)) == []
