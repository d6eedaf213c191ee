"""Random WSGI applications, and what their clients see, compared with a small model of PEP 3333.

The model below is the PEP in a hundred lines: it knows no server, no threads and no buffers. The
real thing has to look the same to a client, whatever an application does, and has to leave the
connection where the next request can begin, or close it. The log tells of every error and of
nothing else, and close() is called once.
"""

import json
import re
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

from command import TOP
from tests.harness.cells import Cell
from tests.harness.errorlog import is_severe
from tests.harness.site import Site, message

# What hypothesis notes for itself belongs where everything made belongs.
set_hypothesis_home_dir(TOP / "build" / "hypothesis")

Act = list[Any]

# ---- the model


class Raised(Exception):
    """Something that the application lets through to the server."""


@dataclass(kw_only=True)
class Model:
    """A response under way. Not frozen: it is what the script makes of it."""

    head_only: bool
    asked: bool = False
    head: tuple[str, list[list[str]]] | None = None
    length: int | None = None
    head_sent: bool = False
    complete: bool = False
    broken: bool = False
    body: bytes = b""
    request_body: bytes = b""
    reads: list[str] = field(default_factory=list)
    failed: bool = False
    closes: int = 0

    @property
    def bodiless(self) -> bool:
        return self.head_only or (self.head is not None and self.head[0][:3] in ("204", "304"))

    def start(self, status: str, headers: list[list[str]]) -> None:
        """Duties 42 and 49: the first call, or one with exc_info before the head was sent."""
        self.asked, self.head, self.length = True, None, None
        if not re.fullmatch(r"[2-9]\d\d \S.*", status):
            raise Raised
        self.head = (status, [each for each in headers if each[0] != "Content-Length"])
        lengths = [int(value) for name, value in headers if name == "Content-Length"]
        self.length = lengths[0] if lengths else None

    def restart(self, status: str, headers: list[list[str]]) -> None:
        """Duty 48: with exc_info, and too late once the head was sent."""
        if self.head_sent:
            raise Raised
        self.start(status, headers)

    def write(self, block: bytes) -> None:
        """Duties 58 and 61: an error before anything of the block is sent."""
        self.need_head()
        room = self.room()
        if room is not None and len(block) > room:
            raise Raised
        self.send(block)

    def perform(self, act: Act) -> None:
        match act:
            case ["start", *_] if self.asked:
                raise Raised
            case ["start", status, headers]:
                self.start(status, headers)
            case ["restart", status, headers, "let through"]:
                self.restart(status, headers)
            case ["restart", status, headers, _]:
                with suppress(Raised):
                    self.restart(status, headers)
            case ["write", text, count]:
                self.write(text.encode() * count)
            case ["yield", text, count]:
                self.need_head()
                self.send(text.encode() * count)
            case ["read", size]:
                self.read(size)
            case ["raise"] | ["yield bad" | "write bad", _]:
                raise Raised

    def read(self, size: int) -> None:
        """Duties 30 to 33: as much as was asked for, or what is left."""
        taken = len(self.request_body) if size < 0 else size
        got, self.request_body = self.request_body[:taken], self.request_body[taken:]
        self.reads.append(f"{len(got)} {zlib.adler32(got)}")

    def need_head(self) -> None:
        """Duty 61."""
        if self.head is None:
            raise Raised

    def room(self) -> int | None:
        """How many bytes may still be written; None where there is no limit."""
        if self.length is None or self.bodiless:
            return None
        return self.length - len(self.body)

    def send(self, block: bytes) -> None:
        """Duties 46 and 58: a block that is not empty takes the head along, and is cut."""
        if not block or self.complete:
            return
        self.head_sent = True
        room = 0 if self.bodiless else self.room()
        self.body += block if room is None else block[:room]
        self.complete = self.bodiless or len(self.body) == self.length

    def send_all(self, steps: list[Act]) -> None:
        """Duty 56: blocks that all exist have a length. Duty 1: one that is none spoils all."""
        if any(act[0] == "yield bad" for act in steps):
            raise Raised
        blocks = [act[1].encode() * act[2] for act in steps]
        self.need_head()
        if self.length is None and not self.head_sent:
            self.length = sum(map(len, blocks))
        for block in blocks:
            self.send(block)

    def iterate(self, steps: list[Act], *, size: int | None) -> None:
        """Duty 63: not a step more than is needed."""
        if self.complete:
            return
        for act in steps:
            if act[0] == "yield" and size == 1 and self.length is None and not self.head_sent:
                self.need_head()
                self.length = act[2]
            self.perform(act)
            if act[0] == "yield" and self.complete:
                return

    def end(self) -> None:
        """Duties 46, 59 and 65: the head goes out at last; too little is a broken response."""
        if self.complete:
            return
        self.need_head()
        self.head_sent = True
        self.broken = bool(self.room())

    def play(self, script: dict[str, Any]) -> None:
        try:
            for act in script["before"]:
                self.perform(act)
            self.closes = int(script["form"] in ("iterable", "sized"))
            if script["form"] in ("list", "tuple"):
                self.send_all(script["steps"])
            else:
                sized = script["form"] == "sized"
                self.iterate(script["steps"], size=len(script["steps"]) if sized else None)
            self.end()
        except Raised:
            self.failed = True
            self.broken = self.head_sent and not self.complete


# ---- the scripts

STATUSES = st.sampled_from(
    ["200 OK", "201 Made up", "299 With more words", "404 Not Found", "503 Not Now", "204 Nothing",
     "304 The Same"]
)  # fmt: skip
BAD_STATUSES = st.sampled_from(["200", "20 OK", "OK", "200 OK\r\nX-Injected: yes"])
HEADERS = st.lists(
    st.sampled_from(
        [["X-One", "1"], ["X-Two", "two words"], ["Set-Cookie", "a=1"], ["x-LOW", ""]]
    ),
    max_size=4,
)
SIZES = st.sampled_from([0, 0, 1, 2, 5, 100, 8192, 20000, 40000])
LENGTHS = st.sampled_from([None, None, None, 0, 1, 5, 7, 100, 20001])
HOW = st.sampled_from(["let through", "caught"])
BLOCKS = st.tuples(st.sampled_from("abc"), SIZES)


@st.composite
def heads(draw: st.DrawFn, *, bad: bool = True) -> list[Any]:
    headers = [["Content-Type", "text/plain"], *draw(HEADERS)]
    length = draw(LENGTHS)
    if length is not None:
        headers.append(["Content-Length", str(length)])
    status = draw(st.one_of(*[STATUSES] * 8, BAD_STATUSES) if bad else STATUSES)
    return [status, headers]


WRITES = BLOCKS.map(lambda each: ["write", *each])
YIELDS = BLOCKS.map(lambda each: ["yield", *each])
RESTARTS = st.tuples(heads(), HOW).map(lambda each: ["restart", *each[0], each[1]])
RAISES = st.just(["raise"])
READS = st.sampled_from([-1, 0, 1, 10, 5000, 100_000]).map(lambda size: ["read", size])
NO_BLOCKS = st.sampled_from(["text", "empty text", "none", "number", "bytearray"])
BAD_YIELDS = NO_BLOCKS.map(lambda each: ["yield bad", each])
BAD_WRITES = NO_BLOCKS.map(lambda each: ["write bad", each])
STARTS = heads().map(lambda each: ["start", *each])


@st.composite
def scripts(draw: st.DrawFn) -> dict[str, Any]:
    """Mostly sensible applications: they start once, early or late, and err now and then."""
    form = draw(st.sampled_from(["list", "tuple", "generator", "iterable", "sized"]))
    begin = [["start", *draw(heads())]] if draw(st.integers(0, 9)) else []
    more = st.lists(st.one_of(WRITES, WRITES, RESTARTS, READS), max_size=3)
    before = begin + (draw(more) if begin else [])
    if not draw(st.integers(0, 9)):
        before.append(draw(st.one_of(RAISES, STARTS, BAD_WRITES)))
    if form in ("list", "tuple", "sized"):
        steps = draw(st.lists(st.one_of(*[YIELDS] * 12, BAD_YIELDS), max_size=4))
    else:
        usual = [YIELDS, YIELDS, YIELDS, WRITES, READS, RESTARTS]
        odd = st.one_of(*usual, *usual, RAISES, BAD_YIELDS, BAD_WRITES)
        steps = draw(st.lists(odd, max_size=5))
        if draw(st.booleans()) and len(before) == 1:
            before, steps = [], before + steps
    reading = draw(st.lists(READS, max_size=2))
    before = reading + before
    closing = draw(st.sampled_from(["well", "well", "raises"]))
    script = {"form": form, "before": before, "steps": steps, "closing": closing}
    return drop_writes_without_start(script)


def drop_writes_without_start(script: dict[str, Any]) -> dict[str, Any]:
    """What an application has not got it cannot call: write() comes from start_response."""
    known = False
    for part in ("before", "steps"):
        kept = []
        for act in script[part]:
            known = known or act[0] == "start"
            if known or act[0] not in ("write", "write bad", "restart"):
                kept.append(act)
        script[part] = kept
    starts = [act for act in script["before"] + script["steps"] if act[0] == "start"]
    if starts and not re.fullmatch(r"[2-9]\d\d \S.*", starts[0][1]):
        for part in ("before", "steps"):
            script[part] = [act for act in script[part] if not act[0].startswith("write")]
    return script


# ---- what the client sees


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A response by its own framing, and what the connection held behind it."""

    status_line: str
    headers: list[tuple[str, str]]
    body: bytes
    whole: bool
    rest: bytes


def read(answer: bytes, *, head_only: bool) -> Seen:
    head, _, rest = answer.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    known = {name.lower(): value for name, value in headers}
    status = status_line.split(" ", 1)[1]
    if head_only or status[:3] in ("204", "304"):
        body, whole = b"", True
    elif known.get("transfer-encoding") == "chunked":
        body, whole, rest = dechunk(rest)
    else:
        size = int(known.get("content-length", len(rest)))
        body, whole, rest = rest[:size], len(rest) >= size, rest[size:]
    return Seen(status_line=status, headers=headers, body=body, whole=whole, rest=rest)


def dechunk(data: bytes) -> tuple[bytes, bool, bytes]:
    """The body, whether its last chunk came, and what came behind it."""
    body = b""
    while data:
        line, _, data = data.partition(b"\r\n")
        size = int(line, 16)
        if not size:
            return body, data.startswith(b"\r\n"), data[2:]
        body, data = body + data[:size], data[size + 2 :]
    return body, False, b""


@pytest.fixture
def patient(site: Site) -> Site:
    """The server, with whatever the scripts' errors make it log; a crash is still one too many."""
    site.tolerates(r"\[(\w+:)?error\]")
    return site


@dataclass(frozen=True, kw_only=True)
class Request:
    """What asks for the script to be played."""

    method: str
    version: str
    size: int
    chunked: bool

    @property
    def body(self) -> bytes:
        return bytes(number * 7 % 251 for number in range(self.size))

    def to_bytes(self, sign: str, script: dict[str, Any]) -> bytes:
        headers = {"X-Script": json.dumps(script), "Connection": "keep-alive"}
        body = self.body
        if self.body and self.chunked and self.version == "HTTP/1.1":
            headers["Transfer-Encoding"] = "chunked"
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        target = f"/scripted/play?{sign}"
        return message(target, self.method, headers, body, self.version)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    method = draw(st.sampled_from(["GET", "GET", "HEAD", "POST", "POST"]))
    size = draw(st.sampled_from([0, 1, 10, 5001, 100_000])) if method == "POST" else 0
    return Request(
        method=method,
        version=draw(st.sampled_from(["HTTP/1.1", "HTTP/1.1", "HTTP/1.0"])),
        size=size,
        chunked=draw(st.booleans()),
    )


NUMBERS = count()


@settings(
    max_examples=200,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(script=scripts(), request=requests())
def test_a_client_sees_what_the_pep_says(
    patient: Site, cell: Cell, script: dict[str, Any], request: Request
) -> None:
    """PEP 3333 duties 30 to 65 together, for applications that nobody would write."""
    model = Model(head_only=request.method == "HEAD", request_body=request.body)
    model.play(script)
    sign, mark = f"script-{next(NUMBERS)}", len(patient.watch.lines())
    answer = ask(patient, request.to_bytes(sign, script) + message("/hello/named"))

    if answer is None:
        assert model.broken, "the server reset the connection of a whole response"
        assert model.request_body, "the server reset a connection that it had read to its end"
    else:
        check_answer(read(answer, head_only=model.head_only), model, request, cell.server.line)
    check_log(patient.watch.lines()[mark:], model, script)
    assert told(patient, f"{sign}.told") == ["closed"] * model.closes
    assert told(patient, f"{sign}.read") == model.reads


def ask(site: Site, request: bytes) -> bytes | None:
    """What comes back; None where the connection is reset, which may take with it what came."""
    try:
        return site.raw(request)
    except ConnectionError:
        return None


def check_answer(seen: Seen, model: Model, request: Request, line: str) -> None:
    """The response, and that the next one can follow it or nothing does."""
    if not model.head_sent:
        assert seen.status_line == "500 Internal Server Error"
        assert own(seen.headers) == []
        return
    assert model.head is not None
    status, headers = model.head
    assert seen.status_line == status
    wanted = own((name, value) for name, value in headers)
    if status.startswith("304") and line in ("2.0", "2.2"):  # docs/conformance.md
        wanted = [each for each in wanted if each[0] == "Set-Cookie"]
    assert own(seen.headers) == wanted
    assert seen.body == model.body
    lengths = [value for name, value in seen.headers if name == "Content-Length"]
    if not model.bodiless:
        known = len(model.body) if model.length is None else model.length
        assert lengths == [str(known)] or (model.length is None and not lengths)
        # Without a length only chunks can show that something is missing, and 1.0 has none.
        if lengths or ("Transfer-Encoding", "chunked") in seen.headers:
            assert seen.whole is not model.broken
    if model.broken:
        assert seen.rest == b""
    elif stays(seen, request):
        assert seen.rest.endswith(b"\r\n\r\nhello from named")


def stays(seen: Seen, request: Request) -> bool:
    """Whether the server said that the connection goes on."""
    said = [value.lower() for name, value in seen.headers if name == "Connection"]
    return "keep-alive" in said if request.version == "HTTP/1.0" else "close" not in said


def check_log(lines: list[str], model: Model, script: dict[str, Any]) -> None:
    """An error is in the log where there was one, once, and nowhere else."""
    too_short = model.broken and not model.failed
    expected = {
        "the application raised an exception:": int(model.failed),
        "the response's close() failed": model.closes * (script["closing"] == "raises"),
        "bytes its Content-Length announced: the connection is closed": int(too_short),
    }
    text = "\n".join(lines)
    assert {each: text.count(each) for each in expected} == expected
    if not any(expected.values()):
        assert not [line for line in lines if is_severe(line)]


def told(site: Site, name: str) -> list[str]:
    """The lines of what the application told; none if it never did."""
    path = site.scratch / name
    return path.read_text().splitlines() if path.exists() else []


def own(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those that only the application sends."""
    return [each for each in headers if each[0] in ("X-One", "X-Two", "Set-Cookie", "x-LOW")]
