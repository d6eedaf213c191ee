"""A file system whose server is the test: the kernel asks it for every byte (FUSE).

It has one file. While it hangs, it answers no question about that file. It speaks the kernel's
protocol itself (linux/fuse.h), since few machines have a library for it.
"""

import ctypes
import errno
import os
import stat
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

LOOKUP, FORGET, GETATTR, OPEN, READ, STATFS, RELEASE = 1, 2, 3, 14, 15, 17, 18
FLUSH, INIT, ACCESS, INTERRUPT, BATCH_FORGET = 25, 26, 34, 36, 42
WITHOUT_ANSWER = {FORGET, INTERRUPT, BATCH_FORGET}
EMPTY = {RELEASE, FLUSH, ACCESS}

ASKED = struct.Struct("=IIQQ16x")  # size, what, number, node
ANSWER = struct.Struct("=IiQ")
INITIAL = struct.Struct("=IIIIHHIIHHI28x")
ATTRIBUTES = struct.Struct("=6Q10I")
ENTRY, ATTRIBUTES_HEAD = struct.Struct("=QQQQII"), struct.Struct("=QII")
OPENED, STATISTICS = struct.Struct("=QII"), struct.Struct("=5Q4I24x")

ROOT, FILE = 1, 2
NAME = "file"
MOST = 1 << 20
DETACHED = 2  # umount2: at once, whoever has a file of it open


@dataclass(kw_only=True)
class FileSystem:
    """One that is mounted. Its questions about the file wait while it hangs."""

    device: int
    content: bytes
    folder: Path
    is_for_all: bool
    answers: threading.Event = field(default_factory=threading.Event)
    asked: list[int] = field(default_factory=list)

    @property
    def file(self) -> Path:
        return self.folder / NAME

    def hang(self) -> None:
        self.answers.clear()
        self.asked.clear()

    def serve(self) -> None:
        """Until it is unmounted."""
        with suppress(OSError):
            while question := os.read(self.device, MOST):
                threading.Thread(target=self.answer, args=[question], daemon=True).start()

    def answer(self, question: bytes) -> None:
        _, what, number, node = ASKED.unpack_from(question)
        if what in WITHOUT_ANSWER:
            return
        if node == FILE or what == STATFS:
            self.asked.append(what)
            self.answers.wait()
        code, data = self.told(what, node, question[ASKED.size :])
        with suppress(OSError):
            os.write(self.device, ANSWER.pack(ANSWER.size + len(data), -code, number) + data)

    def told(self, what: int, node: int, rest: bytes) -> tuple[int, bytes]:
        """An error, or nothing and what was asked for."""
        if what == LOOKUP and rest.rstrip(b"\0") == NAME.encode():
            return 0, ENTRY.pack(FILE, 0, 0, 0, 0, 0) + self.attributes(FILE)
        if what == READ:
            _, offset, size = struct.unpack_from("=QQI", rest)
            return 0, self.content[offset : offset + size]
        known = {
            INIT: INITIAL.pack(7, 31, 0, 0, 0, 0, 4096, 0, 0, 0, 0),
            GETATTR: ATTRIBUTES_HEAD.pack(0, 0, 0) + self.attributes(node),
            OPEN: OPENED.pack(0, 0, 0),
            STATFS: STATISTICS.pack(0, 0, 0, 1, 0, 512, 255, 512, 0),
            **dict.fromkeys(EMPTY, b""),
        }
        if what in known:
            return 0, known[what]
        return (errno.ENOENT if what == LOOKUP else errno.ENOSYS), b""

    def attributes(self, node: int) -> bytes:
        mode, size = (stat.S_IFDIR | 0o755, 0)
        if node == FILE:
            mode, size = stat.S_IFREG | 0o644, len(self.content)
        return ATTRIBUTES.pack(node, size, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 512, 0)


@contextmanager
def mounted(folder: Path, owner: int, content: bytes, *, for_all: bool) -> Iterator[FileSystem]:
    """A file system of a user at a new folder. Others may use it, too, if it is for all."""
    device = opened()
    folder.mkdir()
    options = f"fd={device},rootmode=40755,user_id={owner},group_id={owner}"
    system = FileSystem(device=device, content=content, folder=folder, is_for_all=for_all)
    libc = ctypes.CDLL(None, use_errno=True)
    words = (b"test", bytes(folder), b"fuse", 0, (options + ",allow_other" * for_all).encode())
    if libc.mount(*words) < 0:
        os.close(device)
        pytest.skip(f"NOT RUN: no FUSE: mount: {os.strerror(ctypes.get_errno())}")
    server = threading.Thread(target=system.serve, daemon=True)
    server.start()
    system.answers.set()
    try:
        yield system
    finally:
        system.answers.set()
        libc.umount2(bytes(folder), DETACHED)
        server.join(10)
        os.close(device)


def opened() -> int:
    try:
        return os.open("/dev/fuse", os.O_RDWR)
    except OSError as error:
        pytest.skip(f"NOT RUN: no FUSE: {error}")
