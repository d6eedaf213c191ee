"""Release archives: which are accepted, and what is mended in them."""

import hashlib
import io
import json
import os
import shutil
import socket
import tarfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from command import Problem
from matrix import HERE, CellFailed, Unavailable, __main__, archives, signatures
from matrix.archives import Shelf
from matrix.described import Archive, Fix, Signers

NOWHERE = "http://127.0.0.1:9/apache_1.3.42.tar.gz"


def packed(kind: str = "gz", **files: str) -> bytes:
    target = io.BytesIO()
    how: Any = f"w:{kind}"
    with tarfile.open(fileobj=target, mode=how) as made:
        for name, text in files.items():
            member = tarfile.TarInfo(f"apache_1.3.42/{name}")
            member.size, member.mtime, member.mode = len(text), 1234, 0o755
            made.addfile(member, io.BytesIO(text.encode("latin-1")))
        link = tarfile.TarInfo("apache_1.3.42/link")
        link.type, link.linkname = tarfile.SYMTYPE, "configure"
        made.addfile(link)
    return target.getvalue()


ARCHIVE = packed(configure="#!/bin/sh\n", main="int getline;\n\xe9 getline\n")
SUM = hashlib.sha256(ARCHIVE).hexdigest()


def fix(find: str, put: str, *files: str) -> Fix:
    return Fix(why="a test", files=files, find=find, replace=put)


@pytest.fixture
def apache(monkeypatch: pytest.MonkeyPatch) -> Archive:
    """An archive whose signature is right: test_matrix_signatures.py looks at those."""
    signers = Signers(name="all", keys=f"{NOWHERE}/KEYS", fingerprints=("0" * 40,), sources=())
    monkeypatch.setattr(signatures, "check", lambda *_: None)
    return Archive(name="apache_1.3.42.tar.gz", url=NOWHERE, sha256=None, signers=signers)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    (tmp_path / "sources").mkdir()
    for name in ("KEYS", "apache_1.3.42.tar.gz.asc"):
        (tmp_path / "sources" / name).touch()
    return Shelf(
        sources=tmp_path / "sources", cache=tmp_path / "cache", lock=tmp_path / "archives.lock"
    )


def put(shelf: Shelf, apache: Archive, content: bytes = ARCHIVE) -> None:
    assert shelf.sources
    (shelf.sources / apache.name).write_bytes(content)


def test_the_first_archive_is_written_down(shelf: Shelf, apache: Archive) -> None:
    put(shelf, apache)
    assert archives.obtain(shelf, apache) == ARCHIVE
    assert json.loads(shelf.lock.read_text()) == {apache.name: SUM}


def test_another_archive_of_that_name_is_refused(shelf: Shelf, apache: Archive) -> None:
    put(shelf, apache)
    archives.obtain(shelf, apache)
    put(shelf, apache, ARCHIVE + b"!")
    with pytest.raises(CellFailed, match=f"is refused: .*{SUM} is known"):
        archives.obtain(shelf, apache)


def test_a_known_sum_counts_and_nothing_is_written_down(shelf: Shelf, apache: Archive) -> None:
    put(shelf, apache)
    assert archives.obtain(shelf, replace(apache, sha256=SUM)) == ARCHIVE
    assert not shelf.lock.exists()
    agreed = replace(apache, sha256="0" * 64, sources=("Debian", "Homebrew"))
    with pytest.raises(
        CellFailed, match=r"is refused: .*, and 0{64} is known \(Debian, Homebrew\)"
    ):
        archives.obtain(shelf, agreed)


def test_an_archive_that_cannot_be_had_is_unavailable(shelf: Shelf, apache: Archive) -> None:
    for _ in range(2):
        with pytest.raises(Unavailable, match="neither in --sources nor at"):
            archives.obtain(shelf, apache)
    assert not shelf.lock.exists()


def test_a_cached_archive_is_not_downloaded_again(shelf: Shelf, apache: Archive) -> None:
    shelf.cache.mkdir()
    (shelf.cache / apache.name).write_bytes(ARCHIVE)
    assert archives.obtain(shelf, apache) == ARCHIVE


def test_a_download_is_checked_and_then_cached(
    shelf: Shelf, apache: Archive, tmp_path: Path
) -> None:
    original = tmp_path / "upstream.tar.gz"
    original.write_bytes(ARCHIVE)
    assert archives.obtain(shelf, replace(apache, url=original.as_uri())) == ARCHIVE
    assert (shelf.cache / apache.name).read_bytes() == ARCHIVE


def test_a_refused_download_is_not_cached(shelf: Shelf, apache: Archive, tmp_path: Path) -> None:
    original = tmp_path / "upstream.tar.gz"
    original.write_bytes(ARCHIVE)
    with pytest.raises(CellFailed, match="is refused"):
        archives.obtain(shelf, replace(apache, url=original.as_uri(), sha256="0" * 64))
    assert not (shelf.cache / apache.name).exists()


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
@pytest.mark.parametrize("part", [0, 0.5, 0.9, 1])
def test_what_is_cut_off_is_refused_and_the_good_one_is_taken_afterwards(
    shelf: Shelf, apache: Archive, kind: str, part: float
) -> None:
    whole = packed(kind, configure=os.urandom(9000).hex())
    cut = whole[: min(int(len(whole) * part), len(whole) - 3)]
    put(shelf, apache, cut)
    with pytest.raises(CellFailed, match=rf"{shelf.sources}/{apache.name} is damaged") as told:
        archives.obtain(shelf, apache)
    assert "\n" not in str(told.value)
    assert not shelf.lock.exists()
    put(shelf, apache, whole)
    assert archives.obtain(shelf, apache) == whole
    assert list(archives.read_lock(shelf.lock)) == [apache.name]


def test_a_damaged_archive_of_the_cache_is_downloaded_again(
    shelf: Shelf, apache: Archive, tmp_path: Path
) -> None:
    original = tmp_path / "upstream.tar.gz"
    original.write_bytes(ARCHIVE)
    shelf.cache.mkdir()
    (shelf.cache / apache.name).write_bytes(ARCHIVE[:-9])
    assert archives.obtain(shelf, replace(apache, url=original.as_uri())) == ARCHIVE
    assert [path.name for path in shelf.cache.iterdir()] == [apache.name]
    assert (shelf.cache / apache.name).read_bytes() == ARCHIVE


def test_a_refused_archive_is_named_with_its_place_and_remedy(
    shelf: Shelf, apache: Archive
) -> None:
    put(shelf, apache)
    archives.obtain(shelf, apache)
    put(shelf, apache, packed(configure="another"))
    with pytest.raises(CellFailed) as refused:
        archives.obtain(shelf, apache)
    assert f"{shelf.sources}/{apache.name} is refused" in str(refused.value)
    assert "correct the sum in archives.lock" in str(refused.value)


@pytest.fixture
def closing() -> Iterator[str]:
    """The address of a server that promises more than it sends."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with suppress(OSError):
                while True:
                    client, _ = server.accept()
                    with client:
                        client.recv(9999)
                        client.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 99\r\n\r\nhalf")

        threading.Thread(target=answer, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/a.tar.gz"
        server.shutdown(socket.SHUT_RDWR)


def test_a_download_that_breaks_off_is_unavailable(
    shelf: Shelf, apache: Archive, closing: str
) -> None:
    with pytest.raises(Unavailable, match="IncompleteRead"):
        archives.obtain(shelf, replace(apache, url=closing))
    assert not shelf.cache.exists()


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}'])
def test_a_damaged_lock_file_is_named(shelf: Shelf, text: str) -> None:
    shelf.lock.write_text(text)
    with pytest.raises(Problem, match=str(shelf.lock)):
        archives.read_lock(shelf.lock)


def test_a_fix_changes_only_its_files_and_no_time_or_mode() -> None:
    made = archives.mended([("", ARCHIVE)], [fix(r"\bgetline\b", "own_getline", "ma*")])
    with tarfile.open(fileobj=io.BytesIO(made)) as archive:
        content = {}
        for member in archive:
            stream = archive.extractfile(member) if member.isfile() else None
            content[member.name] = stream.read() if stream else member.linkname.encode()
            assert member.isfile() is False or (member.mtime, member.mode) == (1234, 0o755)
    assert content == {
        "source/configure": b"#!/bin/sh\n",
        "source/main": b"int own_getline;\n\xe9 own_getline\n",
        "source/link": b"configure",
    }


def test_an_anchor_in_a_fix_means_a_line() -> None:
    assert archives.apply(fix("^a$", "b", "x"), b"a\naa\na\n") == b"b\naa\nb\n"


def test_a_fix_that_changes_nothing_is_an_error() -> None:
    with pytest.raises(CellFailed, match="a fix changes nothing: 'nosuch' in main"):
        archives.mended([("", ARCHIVE)], [fix("nosuch", "", "main")])


def test_what_is_no_archive_is_an_error() -> None:
    with pytest.raises(CellFailed, match="damaged"):
        archives.mended([("", b"<html>not found</html>")], [])


def test_a_part_goes_into_its_folder_and_can_be_mended_there() -> None:
    archive = [("", ARCHIVE), ("srclib/apr", packed(configure="#!/bin/sh\n"))]
    made = archives.mended(archive, [fix("sh", "bash", "srclib/*/configure")])
    with tarfile.open(fileobj=io.BytesIO(made)) as opened:
        plain, part = (
            opened.extractfile(f"source/{name}") for name in ("configure", "srclib/apr/configure")
        )
        assert plain
        assert part
        assert (plain.read(), part.read()) == (b"#!/bin/sh\n", b"#!/bin/bash\n")


def test_what_each_archive_is_trusted_for_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "matrix.toml"
    shutil.copy(HERE / "matrix.toml", own)
    assert __main__.main(["archives", "--data", str(own)]) == 0
    told = capsys.readouterr().out
    assert "apache_1.3.42.tar.gz\n    not seen yet\n    signed by 8B39757B1D8A994DF2433" in told
    assert "httpd-2.2.34.tar.bz2\n    SHA-256 e53183d5dfac5740d768b4c9bea193b1099f" in told
    assert "    says Homebrew's formula httpd22\n" in told
    (tmp_path / "archives.lock").write_text(json.dumps({"apache_1.3.42.tar.gz": SUM}))
    assert __main__.main(["archives", "--data", str(own)]) == 0
    assert f"    SHA-256 {SUM}, of the first signed one\n" in capsys.readouterr().out
