"""Frames that are wrong, at each stage of a response.

The client gets 502 or a response that is broken off. The log has one line, which names the process
and what was wrong with it.
"""

from contextlib import suppress

import pytest

from tests.harness.site import memory
from tests.hostile.conftest import Complete, Target, request, rest_of

pytestmark = pytest.mark.needs("processes")

# Code of a hostile process, and what the log says of it.
BEFORE_THE_HEAD = {
    "no frame": ("send(b'x')", "no frame"),
    "a size of 0": ("send(FRAME.pack(0, HEAD, 0, 0))", "no frame"),
    "a size of 7": ("send(FRAME.pack(7, BODY, 0, 0))", "no frame"),
    "a size beyond the packet": ("send(FRAME.pack(1000, LOG, 0, 0))", "no frame"),
    "the largest size": ("send(FRAME.pack(2**32 - 1, LOG, 0, 0))", "no frame"),
    "a frame within a frame": ("send(frame(LOG, head(), flags=0)[:-1])", "no frame"),
    "an unknown type": ("send(frame(255))", "no frame"),
    "what a server says": ("send(frame(REQUEST, b'x' * 100))", "a frame that no application"),
    "what the spawner says": ("send(frame(GIVEN, b'x' * 8))", "a frame that no application"),
    "a body": ("send(frame(BODY, b'x', flags=END))", "body at the wrong time"),
    "a file": ("send(file(0, 1), os.open('/etc/passwd', 0))", "file at the wrong time"),
    "a failure": ("send(frame(FAIL))", "fails at the wrong time"),
    "an end": ("send(DONE_FRAME)", "done at the wrong time"),
    "an end with a success": ("send(frame(DONE, count=204))", "done at the wrong time"),
    "a head and an error": ("send(head() + frame(DONE, count=500))", "done at the wrong time"),
    "a read of nothing": ("send(read(0))", "reads nothing"),
    "an unknown level": ("send(frame(LOG, b'x', flags=200))", "a line of an unknown level"),
    "a packet of 128 KB and one byte": (
        """c.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * PACKET)
send(head() + frame(BODY, b'x' * PACKET, flags=END))""",
        "a packet that is too large",
    ),
    "two descriptors": ("send(HELLO, 0, 0)", "a packet that is too large, or has descriptors"),
    "100 descriptors": ("send(HELLO, *[0] * 100)", "a packet that is too large, or has desc"),
    "a read that is not read": ("while True: send(read())", "does not read what it"),
}

HEADS = {
    "status 0": "HEAD, OF_HEAD.pack(-1, 0, 0) + b'0 No\\0'",
    "status 99": "HEAD, OF_HEAD.pack(-1, 99, 0) + b'099 No\\0'",
    "status 1000": "HEAD, OF_HEAD.pack(-1, 1000, 0) + b'1000 No\\0'",
    "status 100": "HEAD, OF_HEAD.pack(-1, 100, 0) + b'100 Continue\\0'",
    "two statuses": "HEAD, OF_HEAD.pack(-1, 200, 0) + b'404 Not Found\\0'",
    "a length of 204": "HEAD, OF_HEAD.pack(5, 204, 0) + b'204 No Content\\0'",
    "a negative length": "HEAD, OF_HEAD.pack(-2, 200, 0) + b'200 OK\\0'",
    "a status without its NUL": "HEAD, OF_HEAD.pack(-1, 200, 0) + b'200 OK'",
    "a line end in the status": "HEAD, OF_HEAD.pack(-1, 200, 0) + b'200 OK\\r\\nX: y\\0'",
    "headers that are not there": "HEAD, OF_HEAD.pack(-1, 200, 0) + b'200 OK\\0', count=65535",
    "a header without its NUL": "HEAD, OF_HEAD.pack(-1, 200, 0) + b'200 OK\\0A\\0b', count=1",
    "more than was counted": "HEAD, OF_HEAD.pack(-1, 200, 0) + b'200 OK\\0A\\0b\\0'",
    "a line end in a value": "HEAD, head(headers=('A', 'b\\r\\nC: d'))[8:], count=1",
    "a line end in a name": "HEAD, head(headers=('A: b\\r\\nC', 'd'))[8:], count=1",
    "no name": "HEAD, head(headers=('', 'd'))[8:], count=1",
    "chunks of its own": "HEAD, head(headers=('Transfer-Encoding', 'chunked'))[8:], count=1",
    "a length of its own": "HEAD, head(headers=('Content-Length', '5'))[8:], count=1",
}

BEHIND_THE_HEAD = {
    "a second head": ("send(head())", "a second head"),
    "no frame": ("send(b'x' * 7)", "no frame"),
    "an end too soon": ("send(DONE_FRAME)", "done at the wrong time"),
    "an error page": ("send(frame(DONE, count=503))", "done at the wrong time"),
    "a file without a descriptor": ("send(file(0, 1))", "a file without its descriptor"),
    "a file of no size": ("send(frame(FILE, b'x'), 0)", "a file of the wrong size"),
    "a descriptor without a file": ("send(frame(BODY, b'x'), 0)", "was not wanted"),
    "two files": (
        "[send(file(at, 4, FLUSH), os.open('/etc/passwd', 0)) for at in (0, 4)]",
        "a second file",
    ),
}


def ask_with_a_body(target: Target, code: str) -> bytes:
    """The server may close the connection before it has all of the body."""
    with target.site.connect() as connection:
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(request(code, "POST", b"x" * 4_000_000))
        return rest_of(connection)


@pytest.mark.parametrize(("code", "reason"), BEFORE_THE_HEAD.values(), ids=BEFORE_THE_HEAD)
def test_a_wrong_frame_is_a_bad_gateway(
    target: Target, complete: Complete, code: str, reason: str
) -> None:
    target.breaks(reason)
    answer = ask_with_a_body(target, code) if "read()" in code else target.ask(code)
    assert not complete(answer), answer
    assert len(target.complaints()) == 1


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_a_wrong_head_is_a_bad_gateway(target: Target, head: str) -> None:
    target.breaks("")
    answer = target.ask(f"send(frame({head}) + frame(BODY, b'x', flags=END) + DONE_FRAME)")
    assert answer.split()[1] == b"502", answer
    assert len(target.complaints()) == 1


@pytest.mark.parametrize("length", ["-1", "100"])
@pytest.mark.parametrize(("code", "reason"), BEHIND_THE_HEAD.values(), ids=BEHIND_THE_HEAD)
def test_a_wrong_frame_behind_the_head_breaks_the_response_off(
    target: Target, complete: Complete, code: str, reason: str, length: str
) -> None:
    target.breaks(reason)
    begin = f"send(head(length={length}) + frame(BODY, b'a part', flags=FLUSH))\n"
    answer = target.ask(begin + code)
    assert not complete(answer), answer
    assert len(target.complaints()) == 1


@pytest.mark.parametrize("extra", ["frame(BODY, b'x')", "frame(BODY, flags=END)", "head()"])
def test_what_comes_behind_the_end_is_not_sent(target: Target, extra: str) -> None:
    target.breaks("")
    answer = target.ask(f"send(head(length=5) + frame(BODY, b'hello', flags=END) + {extra})")
    assert answer.endswith(b"\r\n\r\nhello")
    assert len(target.complaints()) == 1


# ---- Lengths -------------------------------------------------------------------------------


def test_less_than_the_length_is_broken_off(target: Target) -> None:
    target.site.expects("MW0605: process .* sent 5 bytes less than Content-Length says")
    answer = target.ask("send(head(length=10) + frame(BODY, b'hello', flags=END) + DONE_FRAME)")
    assert b"Content-Length: 10\r\n" in answer
    assert answer.endswith(b"\r\n\r\nhello")
    assert len(target.complaints()) == 1


def test_more_than_the_length_is_cut(target: Target) -> None:
    answer = target.ask("send(head(length=3) + frame(BODY, b'hello', flags=END) + DONE_FRAME)")
    assert answer.endswith(b"\r\n\r\nhel")


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_no_response_follows_one_without_a_body(target: Target, status: str) -> None:
    """On a kept connection the client, or a proxy, would take it for the next response."""
    smuggled = "HTTP/1.1 200 OK\\r\\nContent-Length: 6\\r\\n\\r\\nforged"
    code = f"send(head({status!r}) + frame(BODY, b'{smuggled}', flags=END) + DONE_FRAME)"
    first = request(code, headers={"Connection": "keep-alive"})
    answer = target.site.raw(first + request("send(HELLO)"))
    assert b"forged" not in answer
    assert answer.startswith(f"HTTP/1.1 {status[:3]}".encode())
    assert answer.count(b"HTTP/1.1 ") == 2
    assert b"hello" in answer


def test_pieces_of_nothing_do_not_end_a_response(target: Target) -> None:
    code = (
        "send(head())\n"
        "for _ in range(20):\n"
        "    send(frame(BODY, flags=FLUSH) + frame(BODY, b'ab', flags=FLUSH))\n"
        "    send(frame(BODY) * 1000)\n"
        "send(frame(BODY, flags=END) + DONE_FRAME)"
    )
    assert target.site.get("/hostile", headers=headers_of(code)).text == "ab" * 20


def headers_of(code: str) -> dict[str, str]:
    lines = request(code).decode().split("\r\n")
    return dict(line.split(": ", 1) for line in lines if line.startswith("X-Do"))


# ---- Much ----------------------------------------------------------------------------------


def test_a_head_of_many_headers_is_sent(target: Target) -> None:
    code = "send(head(headers=('A', 'b') * 30000) + frame(BODY, b'x', flags=END) + DONE_FRAME)"
    assert target.ask(code).count(b"\r\nA: b") == 30000


@pytest.mark.parametrize(
    "flood",
    [
        "frame(BODY) * 16000",
        "frame(BODY, flags=FLUSH) * 500",
        "frame(LOG, b'a line of a flood', flags=1) * 50",
        "frame(LOG, b'x' * 100000, flags=1)",
    ],
    ids=["empty parts", "empty pieces", "lines", "long lines"],
)
def test_a_flood_takes_no_memory(target: Target, complete: Complete, flood: str) -> None:
    code = f"send(head())\nfor _ in range({{count}}):\n    send({flood})\nos._exit(1)"
    target.site.tolerates("has ended, serving|exit status 1|have died soon")
    target.site.tolerates("x{1000}|a line of a flood")
    assert not complete(target.ask(code.format(count=20)))
    before = held(target)
    assert not complete(target.ask(code.format(count=400)))
    assert held(target) - before < 8_000_000


def held(target: Target) -> int:
    return sum(memory(pid, "VmRSS") for pid in target.children)
