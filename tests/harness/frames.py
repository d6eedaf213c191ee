"""The frames of adapters/wire/wire.h, made by hand: right ones and wrong ones.

Plain Python without anything of the tests, since a hostile process has a copy of this file.
"""

import struct

FRAME = struct.Struct("=IBBH")
(REQUEST, DATA, HEAD, BODY, FILE, READ, LOG, FAIL, DONE, GIVEN, REFUSED) = range(1, 12)
FLUSH, END = 1, 2
OF_REQUEST, OF_HEAD = struct.Struct("=qII8IBB6x"), struct.Struct("=qHB5x")
OF_FILE, OF_GIVEN, OF_REFUSED = struct.Struct("=qq"), struct.Struct("=II"), struct.Struct("=HH")
OF_ASK = struct.Struct("=10I256s16s256s")
PACKET = 131072


def frame(kind: int, data: bytes = b"", *, flags: int = 0, count: int = 0) -> bytes:
    return FRAME.pack(FRAME.size + len(data), kind, flags, count) + data


def head(
    status: str = "200 OK", *, length: int = -1, kind: str = "", headers: tuple[str, ...] = ()
) -> bytes:
    """kind: its Content-Type."""
    fixed = OF_HEAD.pack(length, int(status[:3]), bool(kind))
    words = (status, kind, *headers) if kind else (status, *headers)
    texts = b"".join(word.encode() + b"\0" for word in words)
    return frame(HEAD, fixed + texts, count=len(headers) // 2)


def file(offset: int, size: int, flags: int = END) -> bytes:
    return frame(FILE, OF_FILE.pack(offset, size), flags=flags)


def read(most: int = 65536) -> bytes:
    return frame(READ, struct.pack("=I", most))


DONE_FRAME = frame(DONE)
HELLO = head() + frame(BODY, b"hello", flags=END) + DONE_FRAME
