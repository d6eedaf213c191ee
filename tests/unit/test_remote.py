"""The server's side of applications' processes: the tests are the spawner and the process.

The bare host is the server. It may get frames of every kind, from a process that is hostile.
"""

import contextlib
import mmap
import os
import re
import select
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.harness.frames import (
    BODY,
    DATA,
    DONE,
    DONE_FRAME,
    END,
    FAIL,
    FILE,
    FLUSH,
    FRAME,
    GIVEN,
    HEAD,
    HELLO,
    LOG,
    OF_ASK,
    OF_FILE,
    OF_GIVEN,
    OF_HEAD,
    OF_REFUSED,
    OF_REQUEST,
    PACKET,
    READ,
    REFUSED,
    REQUEST,
    file,
    frame,
    head,
    read,
)
from tests.unit.conftest import OF_AN_INTERPRETER

SLOT, SLOTS = struct.Struct("=IIII48x"), 64
PID = 71
TIMEOUT = 20.0


@dataclass(frozen=True, kw_only=True)
class Ask:
    processes: int
    threads: int
    timeout: int
    idle: int
    memory: int
    is_customer: int
    user: str
    python: str
    name: str
    connection: socket.socket


@dataclass(frozen=True, kw_only=True)
class Overdue:
    """What the server tells of a process that has not answered."""

    process: int
    user: str
    python: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    status: str
    head: str
    body: bytes
    log: tuple[str, ...]

    @property
    def broken_off(self) -> bool:
        return self.body.endswith(b"\n(broken off)\n")

    def says(self, text: str) -> bool:
        return text in "\n".join(self.log)


@dataclass(kw_only=True)
class Server:
    """A running bare host, and the spawner's end of its ask socket."""

    process: "subprocess.Popen[bytes]"
    asks: socket.socket
    opened: list[socket.socket] = field(default_factory=list)

    def ask(self) -> Ask:
        packet, fds, _, _ = socket.recv_fds(self.asks, 4096, 4)
        assert len(fds) == 1
        version, kind, processes, threads, customer, *others = OF_ASK.unpack(packet)
        assert (version, kind) == (4, 1)
        timeout, idle, memory, _, _, *texts = others
        user, python, name = (text.rstrip(b"\0").decode() for text in texts)
        connection = socket.socket(fileno=fds[0])
        connection.settimeout(TIMEOUT)
        self.opened.append(connection)
        return Ask(
            processes=processes,
            threads=threads,
            timeout=timeout,
            idle=idle,
            memory=memory,
            is_customer=customer,
            user=user,
            python=python,
            name=name,
            connection=connection,
        )

    def overdue(self) -> Overdue:
        packet, fds, _, _ = socket.recv_fds(self.asks, 4096, 4)
        (_, kind, *_, process), texts = (part := OF_ASK.unpack(packet))[:10], part[10:]
        assert (kind, fds) == (3, [])
        user, python, name = (text.rstrip(b"\0").decode() for text in texts)
        return Overdue(process=process, user=user, python=python, name=name)

    def has_told(self) -> bool:
        """Whether the spawner has anything to read. The server has ended."""
        return bool(self.asks.recv(4096))

    def given(
        self, *, pid: int = PID, slot: int = SLOTS, board: int | None = None
    ) -> socket.socket:
        """A new connection, of which the server knows whose it is."""
        connection = self.ask().connection
        packet = frame(GIVEN, OF_GIVEN.pack(pid, slot))
        if board is None:
            connection.send(packet)
        else:
            socket.send_fds(connection, [packet], [board])
        return connection

    def process_of(self) -> socket.socket:
        """A new connection, with the request read."""
        connection = self.given()
        connection.recv(PACKET)
        return connection

    def outcome(self) -> Outcome:
        out, err = self.process.communicate(timeout=TIMEOUT)
        assert self.process.returncode in {0, 1}, err
        top, _, rest = out.partition(b"\r\n\r\n")
        found = re.match(r"Status: (.*)", top.decode())
        assert found, (out, err)
        told = err.decode().splitlines()
        return Outcome(
            status=found[1].strip(),
            head=top.decode(),
            body=rest,
            log=tuple(line for line in told if not OF_AN_INTERPRETER.match(line)),
        )


Start = Callable[..., Server]


@pytest.fixture
def start(bare_host: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts the bare host: start("--method", "HEAD", body=b"...")."""
    started: list[Server] = []

    def run(*arguments: str, body: bytes | None = None, process: str = "shop") -> Server:
        command = [str(bare_host), "--env", f"mod_wsgi.process={process}"]
        if body is not None:
            (tmp_path / "body").write_bytes(body)
            command += ["--body", str(tmp_path / "body")]
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(TIMEOUT)
        with theirs:
            number = theirs.fileno()
            running = subprocess.Popen(
                [*command, "--ask-socket", str(number), *arguments, "shop::application"],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[number],
            )
        started.append(Server(process=running, asks=ours))
        return started[-1]

    yield run
    for server in started:
        for each in (server.asks, *server.opened):
            each.close()
        if server.process.poll() is None:
            server.process.send_signal(signal.SIGKILL)
        server.process.communicate()


# ---- Requests ---------------------------------------------------------------


def test_a_process_answers(start: Start) -> None:
    server = start()
    server.process_of().send(HELLO)
    outcome = server.outcome()
    assert (outcome.status, outcome.body, outcome.log) == ("200 OK", b"hello", ())


def test_an_ask_says_what_is_wanted(start: Start) -> None:
    chosen = ("user=deploy", "python=3.13", "processes=7", "threads=9")
    server = start(*(word for each in chosen for word in ("--env", f"mod_wsgi.{each}")))
    ask = server.ask()
    assert (ask.user, ask.python, ask.name) == ("deploy", "3.13", "shop")
    assert (ask.processes, ask.threads, ask.is_customer) == (7, 9, 0)


def test_the_standard_is_the_python_of_the_module_and_the_user_of_the_server(
    start: Start, python: "object"
) -> None:
    ask = start().ask()
    assert (ask.user, ask.processes, ask.threads) == ("", 4, 5)
    assert f"py{ask.python}" == getattr(python, "name")  # noqa: B009


@pytest.mark.parametrize("length", [10, 300])
def test_a_process_may_be_named_like_the_interpreter(start: Start, length: int) -> None:
    folder = "/" + "x" * length
    name = start("--directory", folder, process="auto").ask().name
    whole = f"localhost:80|{folder}"
    assert name == whole if length == 10 else (name.startswith(whole[:200]) and len(name) == 255)


def test_the_request_is_sent_whole(start: Start) -> None:
    server = start("--env", "HTTP_X_SHOP=é=1")
    connection = server.given()
    packet = connection.recv(PACKET)
    size, kind, _, count = FRAME.unpack_from(packet)
    assert (size, kind) == (len(packet), REQUEST)
    assert "HTTP_X_SHOP\0é=1\0".encode() in packet
    assert b"mod_wsgi.process\0" in packet
    assert count >= 10
    connection.send(HELLO)
    assert server.outcome().status == "200 OK"


def test_a_connection_is_used_again(start: Start) -> None:
    server = start("--requests", "3")
    connection = server.process_of()
    connection.send(HELLO)
    for _ in range(2):
        connection.recv(PACKET)
        connection.send(HELLO)
    assert server.outcome().body == b"hello"


def test_a_response_comes_in_parts(start: Start) -> None:
    server = start()
    connection = server.process_of()
    connection.send(head(length=11) + frame(LOG, b"a line", flags=1))
    connection.send(frame(BODY, b"hello ", flags=FLUSH))
    connection.send(frame(BODY, b"wor") + frame(BODY, b"ld", flags=END))
    connection.send(DONE_FRAME)
    outcome = server.outcome()
    assert (outcome.status, outcome.body) == ("200 OK", b"hello world")
    assert outcome.log == ("[warning] a line",)


def test_close_may_read_behind_the_end(start: Start) -> None:
    server = start("--chunked", body=b"late")
    connection = server.process_of()
    connection.send(head() + frame(BODY, b"hello", flags=END))
    assert data(connection) == (b"late", 0)
    connection.send(DONE_FRAME)
    assert server.outcome().body == b"hello"


@pytest.mark.parametrize(
    ("variable", "calls"), [("HTTP_RANGE", 1), ("HTTP_REQUEST_RANGE", 1), ("HTTP_ACCEPT", 3)]
)
def test_a_body_of_which_ranges_are_wanted_comes_at_once(
    start: Start, variable: str, calls: int
) -> None:
    """Apache cuts them only then. The application has sent it by one call."""
    server = start("--count-calls", "--env", f"{variable}=bytes=1-2")
    connection = server.process_of()
    connection.send(head() + frame(BODY, b"one;"))
    connection.send(frame(BODY, b"two;") + frame(BODY, b"three;"))
    connection.send(frame(BODY, b"four", flags=END) + DONE_FRAME)
    outcome = server.outcome()
    assert outcome.body == b"one;two;three;four"
    assert outcome.says(f"send_body {calls}")


def test_pieces_of_a_stream_that_have_come_together_are_sent_together(start: Start) -> None:
    server = start("--count-calls")
    connection = server.process_of()
    server.process.send_signal(signal.SIGSTOP)
    connection.send(head() + frame(BODY, b"one;", flags=FLUSH))
    connection.send(frame(BODY, b"two;", flags=FLUSH) + frame(BODY, b"three;", flags=FLUSH))
    connection.send(frame(BODY, b"four", flags=END) + DONE_FRAME)
    server.process.send_signal(signal.SIGCONT)
    outcome = server.outcome()
    assert outcome.body == b"one;two;three;four"
    assert outcome.says("send_body 2")  # the first one is sent at once


@pytest.mark.parametrize("size", [4096, 5000, 20000])
def test_pieces_of_any_size_keep_their_order(start: Start, size: int) -> None:
    server = start()
    connection = server.process_of()
    pieces = [letter * size for letter in (b"a", b"b", b"c", b"d", b"e")]
    connection.send(head())
    for piece in pieces:
        connection.send(frame(BODY, piece, flags=FLUSH) + frame(BODY, b";", flags=FLUSH))
    connection.send(frame(BODY, flags=END) + DONE_FRAME)
    assert server.outcome().body == b"".join(piece + b";" for piece in pieces)


def test_an_error_page_is_the_servers(start: Start) -> None:
    server = start()
    server.process_of().send(frame(LOG, b"no such thing", flags=2) + frame(DONE, count=404))
    outcome = server.outcome()
    assert outcome.status == "404 (error page)"
    assert outcome.log == ("[error] no such thing",)


def test_a_response_may_fail(start: Start) -> None:
    server = start()
    server.process_of().send(head() + frame(BODY, b"half") + frame(FAIL) + DONE_FRAME)
    assert server.outcome().body == b"half\n(broken off)\n"


def test_a_file_is_sent(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    server = start()
    with (tmp_path / "file").open() as stream:
        packet = head(length=5) + file(2, 5) + DONE_FRAME
        socket.send_fds(server.process_of(), [packet], [stream.fileno()])
    assert server.outcome().body == b"23456"


def test_the_response_to_head_has_no_body(start: Start) -> None:
    server = start("--method", "HEAD")
    server.process_of().send(head(length=5) + frame(BODY, b"hello", flags=END) + DONE_FRAME)
    outcome = server.outcome()
    assert "Content-Length: 5" in outcome.head
    assert outcome.body == b""


def test_a_client_that_leaves_ends_the_connection(start: Start) -> None:
    server = start("--close-after", "100")
    connection = server.process_of()
    connection.send(head() + frame(BODY, b"x" * 1000, flags=FLUSH))
    assert connection.recv(PACKET) == b""
    server.process.communicate(timeout=TIMEOUT)


@pytest.mark.parametrize(
    ("failing", "when"),
    [((), "before the response was"), (("--fail-read-after", "1"), "while sending the request's")],
)
def test_a_client_that_has_gone_is_in_the_log(
    start: Start, failing: tuple[str, ...], when: str
) -> None:
    server = start("--close-after", "20", "--chunk", "1", *failing, body=b"abc")
    server.process_of().send(HELLO)
    outcome = server.outcome()
    assert [line for line in outcome.log if "the client went away" in line] == list(outcome.log)
    assert outcome.says(f"the client went away {when}")


@pytest.mark.parametrize("who", ["the spawner", "a process"])
def test_a_request_that_waits_is_given_up_when_its_client_has_gone(start: Start, who: str) -> None:
    server = start("--close-after", "0")
    connection = server.ask().connection if who == "the spawner" else server.given()
    outcome = server.outcome()
    assert outcome.status == "503 (error page)"
    assert "\r\nRetry-After: 1" in outcome.head
    assert outcome.log == (
        "[info] mod_wsgi: MW0506: the client went away while its request waited for a process",
    )
    assert connection.recv(PACKET)
    assert connection.recv(PACKET) == b""


def test_a_request_that_a_process_has_read_is_not_given_up(start: Start) -> None:
    server = start("--close-after", "0")
    connection = server.process_of()
    connection.settimeout(2.5)
    with pytest.raises(TimeoutError):
        connection.recv(PACKET)
    connection.send(HELLO)
    _, log = server.process.communicate(timeout=TIMEOUT)
    assert b"the client went away before the response was complete" in log


# ---- The request's body -----------------------------------------------------


def eager(packet: bytes) -> bytes:
    _, _, size, *_ = OF_REQUEST.unpack_from(packet, FRAME.size)
    return packet[len(packet) - size :] if size else b""


def data(connection: socket.socket, most: int = 65536) -> tuple[bytes, int]:
    connection.send(read(most))
    packet = connection.recv(PACKET)
    _, kind, flags, _ = FRAME.unpack_from(packet)
    assert kind == DATA
    return packet[FRAME.size :], flags


def test_a_small_body_goes_with_the_request(start: Start) -> None:
    server = start("--chunk", "7", body=b"x" * 65536)
    connection = server.given()
    assert eager(connection.recv(PACKET)) == b"x" * 65536
    assert data(connection) == (b"", 0)


@pytest.mark.parametrize(
    ("form", "size"), [((), 65537), (("--chunked",), 100), (("--expects",), 100)]
)
def test_other_bodies_go_when_they_are_asked_for(
    start: Start, form: tuple[str, ...], size: int
) -> None:
    body = b"y" * size
    server = start(*form, body=body)
    connection = server.given()
    assert eager(connection.recv(PACKET)) == b""
    assert data(connection, 33) == (body[:33], 0)
    got = body[:33]
    while part := data(connection, 2**32 - 1)[0]:
        got += part
    assert got == body


def test_a_body_that_does_not_fit_beside_the_variables_goes_later(start: Start) -> None:
    server = start("--env", "HTTP_COOKIE=" + "x" * 100000, body=b"y" * 60000)
    connection = server.given()
    assert eager(connection.recv(PACKET)) == b""
    assert data(connection) == (b"y" * 60000, 0)
    assert data(connection) == (b"", 0)


def test_variables_that_do_not_fit_are_the_clients_mistake(start: Start) -> None:
    outcome = start(
        *("--env", "HTTP_A=" + "x" * 70000, "--env", "HTTP_B=" + "x" * 70000)
    ).outcome()
    assert outcome.status == "431 (error page)"
    assert outcome.says("its variables have more than 128 KB")


@pytest.mark.parametrize(("reason", "flags"), [("gone", 1), ("timeout", 2), ("bad", 4)])
def test_a_body_that_fails_fails_where_it_is_read(start: Start, reason: str, flags: int) -> None:
    failing = ("--fail-read-after", "10", "--chunk", "10", "--fail-read-with", reason)
    server = start(*failing, body=b"z" * 100)
    connection = server.given()
    assert eager(connection.recv(PACKET)) == b"z" * 10
    assert data(connection) == (b"", flags)
    assert data(connection) == (b"", flags)
    connection.send(frame(DONE, count=400))
    assert server.outcome().status == "400 (error page)"


# ---- Processes that end -----------------------------------------------------


def test_a_process_that_has_not_read_is_replaced(start: Start) -> None:
    server = start(body=b"posted")
    server.given().close()
    connection = server.given()
    assert eager(connection.recv(PACKET)) == b"posted"
    connection.send(HELLO)
    outcome = server.outcome()
    assert (outcome.body, outcome.log) == (b"hello", ())


def test_a_connection_that_ended_while_idle_is_replaced(start: Start) -> None:
    server = start("--requests", "2", "--send-time", "100000")
    connection = server.process_of()
    connection.send(HELLO)
    connection.close()
    server.process_of().send(HELLO)
    outcome = server.outcome()
    assert (outcome.body, outcome.log) == (b"hello", ())


def test_processes_that_never_read_are_given_up(start: Start) -> None:
    server = start()
    for _ in range(5):
        server.given().close()
    outcome = server.outcome()
    assert outcome.status == "503 (error page)"
    assert outcome.says("5 processes have ended before they read the request")


@pytest.mark.parametrize("sent", [b"", frame(LOG, b"a line"), read()])
def test_a_process_that_ends_in_a_request_is_not_replaced(start: Start, sent: bytes) -> None:
    server = start("--chunked", body=b"x")
    connection = server.process_of()
    if sent:
        connection.send(sent)
    if sent == read():
        connection.recv(PACKET)
    connection.close()
    outcome = server.outcome()
    assert outcome.status == "502 (error page)"
    assert outcome.says("process 71 of shop has ended, serving /")


def test_what_an_ended_process_has_sent_is_used(start: Start) -> None:
    """It asks for the body, does not read it, and answers."""
    server = start("--chunked", body=b"x" * 10)
    connection = server.process_of()
    connection.send(read() + HELLO)
    server.process.wait(TIMEOUT)
    assert server.outcome().body == b"hello"


def test_a_response_that_was_begun_is_broken_off(start: Start) -> None:
    server = start()
    connection = server.process_of()
    connection.send(head() + frame(BODY, b"ha", flags=FLUSH) + frame(BODY, b"lf", flags=FLUSH))
    connection.close()
    outcome = server.outcome()
    assert outcome.body == b"half\n(broken off)\n"
    assert outcome.says("process 71 of shop has ended, serving /")


# ---- The spawner ------------------------------------------------------------


@pytest.mark.parametrize("reads_first", [False, True])
def test_a_refusal_is_logged(start: Start, *, reads_first: bool) -> None:
    server = start()
    connection = server.ask().connection
    if reads_first:
        connection.recv(PACKET)
    connection.send(frame(REFUSED, OF_REFUSED.pack(500, 0) + b"no such user: bob"))
    connection.close()
    outcome = server.outcome()
    assert outcome.status == "500 (error page)"
    assert outcome.log == ("[error] mod_wsgi: MW0603: mod_wsgi.process 'shop': no such user: bob",)


@pytest.mark.parametrize(("seconds", "line"), [(0, ""), (7, "\r\nRetry-After: 7")])
def test_a_refusal_says_when_the_client_may_try_again(
    start: Start, seconds: int, line: str
) -> None:
    server = start()
    server.ask().connection.send(frame(REFUSED, OF_REFUSED.pack(503, seconds) + b"full"))
    assert server.outcome().head == "Status: 503 (error page)" + line


@pytest.mark.parametrize(
    ("status", "flags", "line"), [(503, 3, "\r\nRetry-After: 3"), (503, 0, ""), (500, 3, "")]
)
def test_a_process_may_say_when_the_client_may_try_again(
    start: Start, status: int, flags: int, line: str
) -> None:
    server = start()
    server.process_of().send(frame(DONE, count=status, flags=flags))
    assert server.outcome().head == f"Status: {status} (error page)" + line


@pytest.mark.parametrize("status", [0, 200, 999])
def test_a_refusal_is_an_error(start: Start, status: int) -> None:
    server = start()
    server.ask().connection.send(frame(REFUSED, OF_REFUSED.pack(status, 0)))
    assert server.outcome().status == "503 (error page)"


def test_without_a_spawner_the_log_says_so(start: Start) -> None:
    server = start()
    server.ask().connection.close()
    server.asks.close()
    outcome = server.outcome()
    assert outcome.status == "503 (error page)"
    assert outcome.says("mod_wsgi-spawner does not answer")


# ---- Hostile processes ------------------------------------------------------

SHORT_HEADER = FRAME.pack(7, BODY, 0, 0)
BROKEN = {
    "no frame": b"x",
    "a header that is too short": SHORT_HEADER,
    "a frame that is longer than its packet": FRAME.pack(1000, LOG, 0, 0),
    "an unknown type": frame(99),
    "type 0": frame(0),
    "a request": frame(REQUEST),
    "data": frame(DATA, b"x"),
    "given": frame(GIVEN, OF_GIVEN.pack(1, 1)),
    "refused": frame(REFUSED, OF_REFUSED.pack(500, 0) + b"x"),
    "a body before the head": frame(BODY, b"x", flags=END),
    "a file before the head": file(0, 1),
    "a failure before the head": frame(FAIL),
    "done before the head": DONE_FRAME,
    "done with a success": frame(DONE, count=200),
    "done with no status": frame(DONE, count=65535),
    "a line of an unknown level": frame(LOG, b"x", flags=5),
    "a read of nothing": read(0),
    "a read of no size": frame(READ, b"xx"),
    "a head that is cut": frame(HEAD, b"x"),
    "a head without texts": frame(HEAD, OF_HEAD.pack(-1, 200, 0)),
    "a head that promises headers": frame(HEAD, OF_HEAD.pack(-1, 200, 0) + b"200 OK\0", count=9),
    "a status that is none": frame(HEAD, OF_HEAD.pack(-1, 200, 0) + b"200\0"),
    "two statuses": frame(HEAD, OF_HEAD.pack(-1, 200, 0) + b"404 Not Found\0"),
    "an informational status": head("100 Continue"),
    "a line end in the status": head("200 OK\r\nX: y"),
    "a line end in a header": head(headers=("X", "y\r\nZ: z")),
    "a space in a header's name": head(headers=("X y", "z")),
    "a hop-by-hop header": head(headers=("Transfer-Encoding", "chunked")),
    "another Content-Length": head(headers=("Content-Length", "5")),
    "a negative length": head(length=-2),
    "something behind a head": frame(HEAD, OF_HEAD.pack(-1, 200, 0) + b"200 OK\0more\0"),
}


@pytest.mark.parametrize("packet", BROKEN.values(), ids=BROKEN)
def test_a_wrong_frame_is_a_bad_gateway(start: Start, packet: bytes) -> None:
    server = start()
    server.process_of().send(packet)
    outcome = server.outcome()
    assert outcome.status == "502 (error page)"
    assert outcome.says("[error] mod_wsgi: MW0606: process 71 of shop broke the protocol: ")


BROKEN_LATER = {
    "a second head": head() + head(),
    "a body that does not end": head() + DONE_FRAME,
    "a body behind the end": head() + frame(BODY, flags=END) + frame(BODY, b"x"),
    "a second end": head() + frame(BODY, flags=END) + frame(BODY, flags=END),
    "a file behind the end": head() + frame(BODY, flags=END) + file(0, 0),
    "a read behind a failure": head() + frame(FAIL) + read(),
    "an error behind the head": head() + frame(DONE, count=500),
    "an error behind the end": head() + frame(BODY, flags=END) + frame(DONE, count=500),
    "a frame behind done": HELLO + frame(LOG, b"x"),
    "no frame behind done": HELLO + b"x",
    "a file without a descriptor": head() + file(0, 1),
    "a body behind a failure": head() + frame(FAIL) + frame(BODY, b"x"),
    "a second failure": head() + frame(FAIL) + frame(FAIL),
}


@pytest.mark.parametrize("packet", BROKEN_LATER.values(), ids=BROKEN_LATER)
def test_a_wrong_frame_behind_the_head_breaks_the_response_off(
    start: Start, packet: bytes
) -> None:
    server = start()
    server.process_of().send(packet)
    outcome = server.outcome()
    assert outcome.status == "200 OK"
    assert outcome.says("[error] mod_wsgi: MW0606: process 71 of shop broke the protocol: ")
    ended = frame(BODY, flags=END) in packet or packet.startswith(HELLO)
    assert outcome.broken_off != ended


def test_the_next_request_gets_another_process(start: Start) -> None:
    server = start("--requests", "2")
    server.process_of().send(frame(99))
    server.process_of().send(HELLO)
    assert server.outcome().body == b"hello"


def test_a_packet_that_is_too_large_is_refused(start: Start) -> None:
    server = start()
    connection = server.process_of()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * PACKET)
    connection.send(head() + frame(BODY, b"x" * PACKET, flags=END))
    outcome = server.outcome()
    assert outcome.status == "502 (error page)"
    assert outcome.says("a packet that is too large, or has descriptors")


@pytest.mark.parametrize("count", [1, 2, 3, 100])
def test_descriptors_that_are_not_wanted_are_refused(start: Start, count: int) -> None:
    server = start()
    connection = server.process_of()
    with Path("/etc/hostname").open() as stream:
        socket.send_fds(connection, [HELLO[: -len(DONE_FRAME)]], [stream.fileno()] * count)
    outcome = server.outcome()
    assert outcome.says("broke the protocol: ")


def test_one_descriptor_is_one_file(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    server = start()
    packet = head() + frame(FILE, OF_FILE.pack(0, 2)) + file(2, 2) + DONE_FRAME
    with (tmp_path / "file").open() as stream:
        socket.send_fds(server.process_of(), [packet], [stream.fileno()])
    outcome = server.outcome()
    assert outcome.says("broke the protocol: a second file")
    assert outcome.broken_off


@pytest.mark.parametrize(
    ("offset", "size"),
    [(0, 11), (11, 0), (10, 1), (-1, 1), (0, -1), (2**62, 2**62), (2**63 - 1, 2**63 - 1), (1, 10)],
)
def test_a_file_is_as_long_as_it_says(
    start: Start, tmp_path: Path, offset: int, size: int
) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    server = start()
    with (tmp_path / "file").open() as stream:
        socket.send_fds(server.process_of(), [head() + file(offset, size)], [stream.fileno()])
    outcome = server.outcome()
    assert outcome.says("broke the protocol: a file that is shorter than it says")
    assert outcome.broken_off


def test_a_response_has_one_file(start: Start, tmp_path: Path) -> None:
    """The server keeps each open until the request ends, and would run out of descriptors."""
    (tmp_path / "file").write_bytes(b"0123456789")
    server = start()
    connection = server.process_of()
    with (tmp_path / "file").open() as stream:
        socket.send_fds(connection, [head() + file(0, 2, FLUSH)], [stream.fileno()])
        socket.send_fds(connection, [file(2, 2, FLUSH)], [stream.fileno()])
    outcome = server.outcome()
    assert outcome.body == b"01\n(broken off)\n"
    assert outcome.says("broke the protocol: a second file")


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
@pytest.mark.parametrize("kind", ["body", "file"])
def test_nothing_is_sent_behind_a_head_that_has_no_body(
    start: Start, tmp_path: Path, status: str, kind: str
) -> None:
    """The client would take it for the next response."""
    (tmp_path / "file").write_bytes(b"HTTP/1.1 200 OK")
    server = start()
    part = frame(BODY, b"HTTP/1.1 200 OK", flags=END) if kind == "body" else file(0, 15)
    with (tmp_path / "file").open() as stream:
        fds = [stream.fileno()] if kind == "file" else []
        socket.send_fds(server.process_of(), [head(status) + part + DONE_FRAME], fds)
    outcome = server.outcome()
    assert (outcome.status, outcome.body, outcome.log) == (status, b"", ())


def test_a_process_that_asks_and_does_not_read_holds_nothing_up(start: Start) -> None:
    server = start("--chunked", body=b"x" * 2_000_000)
    connection = server.process_of()
    connection.send(read() * 20)
    outcome = server.outcome()
    assert outcome.status == "502 (error page)"
    assert outcome.says("broke the protocol: it does not read what it has asked for")


def test_a_request_does_not_wait_behind_what_a_process_has_not_read(start: Start) -> None:
    """It was not read either, so another process gets it."""
    server = start("--requests", "2", "--chunked", body=b"x" * 2_000_000)
    server.process_of().send(read() * 4 + HELLO)  # the connection has room for four
    server.process_of().send(HELLO)
    outcome = server.outcome()
    assert (outcome.body, outcome.log) == (b"hello", ())


@pytest.mark.parametrize(
    "kind", ["folder", "pipe", "device", "socket", "write-only", "path", "epoll"]
)
def test_only_files_that_can_be_read_are_sent(start: Start, tmp_path: Path, kind: str) -> None:
    ends = os.pipe()
    (tmp_path / "file").write_bytes(b"0123456789")
    flags = {"write-only": os.O_WRONLY, "path": os.O_PATH}.get(kind, os.O_RDONLY)
    paths = {"folder": str(tmp_path), "device": "/dev/zero"}
    ours, theirs = socket.socketpair()
    fds = {"pipe": ends[0], "socket": ours.fileno()}
    epoll = select.epoll()
    fds["epoll"] = epoll.fileno()
    fd = fds.get(kind, -1)
    opened = os.open(paths.get(kind, f"{tmp_path}/file"), flags) if fd < 0 else fd
    server = start()
    socket.send_fds(server.process_of(), [head() + file(0, 1)], [opened])
    outcome = server.outcome()
    for each in {opened, *ends, ours.detach(), theirs.detach()} - {epoll.fileno()}:
        os.close(each)
    epoll.close()
    assert outcome.says("broke the protocol: a ")
    assert outcome.broken_off


def test_what_is_longer_than_content_length_is_cut(start: Start) -> None:
    server = start()
    parts = frame(BODY, b"hello", flags=FLUSH) + frame(BODY, b" world", flags=END)
    server.process_of().send(head(length=7) + parts + DONE_FRAME)
    assert server.outcome().body == b"hello w"


@pytest.mark.parametrize("kind", ["body", "file", "nothing"])
def test_what_is_shorter_than_content_length_fails(
    start: Start, tmp_path: Path, kind: str
) -> None:
    (tmp_path / "file").write_bytes(b"hello")
    server = start()
    connection = server.process_of()
    parts = {
        "body": frame(BODY, b"hello", flags=END),
        "file": file(0, 5),
        "nothing": frame(BODY, flags=END),
    }
    with (tmp_path / "file").open() as stream:
        fds = [stream.fileno()] if kind == "file" else []
        socket.send_fds(connection, [head(length=7) + parts[kind] + DONE_FRAME], fds)
    outcome = server.outcome()
    assert outcome.broken_off
    assert outcome.says(
        f"sent {7 if kind == 'nothing' else 2} bytes less than Content-Length says"
    )


def test_lines_are_made_printable(start: Start) -> None:
    server = start()
    server.process_of().send(frame(LOG, b"a\n[error] b\x1b[2J\0c", flags=0) + HELLO)
    assert server.outcome().log == (r"[info] a\x0a[error] b\x1b[2J\x00c",)


def test_a_process_can_not_say_that_it_is_another(start: Start) -> None:
    server = start()
    connection = server.ask().connection
    connection.send(head())
    outcome = server.outcome()
    assert outcome.status == "502 (error page)"
    assert outcome.says("the spawner has not said which process it is")


# ---- Boards -----------------------------------------------------------------


@pytest.fixture
def board() -> Iterator[tuple[int, mmap.mmap]]:
    fd = os.memfd_create("board")
    os.ftruncate(fd, SLOT.size * SLOTS)
    with mmap.mmap(fd, SLOT.size * SLOTS) as memory:
        yield fd, memory
    os.close(fd)


def set_slot(memory: mmap.mmap, slot: int, *values: int) -> None:
    """pid, threads, busy, is_draining."""
    memory[slot * SLOT.size : (slot + 1) * SLOT.size] = SLOT.pack(*values)


def answer_first(server: Server, fd: int) -> socket.socket:
    connection = server.given(slot=3, board=fd)
    connection.recv(PACKET)
    return connection


def test_a_process_with_a_free_thread_is_used_again(
    start: Start, board: tuple[int, mmap.mmap]
) -> None:
    fd, memory = board
    set_slot(memory, 3, PID, 5, 4, 0)
    server = start("--requests", "2")
    connection = answer_first(server, fd)
    connection.send(HELLO)
    connection.recv(PACKET)
    connection.send(HELLO)
    assert server.outcome().body == b"hello"


def test_another_is_asked_for_when_all_threads_are_busy(
    start: Start, board: tuple[int, mmap.mmap]
) -> None:
    fd, memory = board
    set_slot(memory, 3, PID, 5, 5, 0)
    server = start("--requests", "2")
    answer_first(server, fd).send(HELLO)
    server.process_of().send(HELLO)
    assert server.outcome().body == b"hello"


def test_a_busy_process_is_used_when_there_can_be_no_other(
    start: Start, board: tuple[int, mmap.mmap]
) -> None:
    fd, memory = board
    set_slot(memory, 3, PID, 5, 9, 0)
    server = start("--requests", "2", "--env", "mod_wsgi.processes=1")
    connection = answer_first(server, fd)
    connection.send(HELLO)
    connection.recv(PACKET)
    connection.send(HELLO)
    assert server.outcome().body == b"hello"


def test_a_process_that_ends_gets_no_request(start: Start, board: tuple[int, mmap.mmap]) -> None:
    fd, memory = board
    set_slot(memory, 3, PID, 5, 0, 1)
    server = start("--requests", "2")
    first = answer_first(server, fd)
    first.send(HELLO)
    server.process_of().send(HELLO)
    assert first.recv(PACKET) == b""
    assert server.outcome().body == b"hello"


@pytest.mark.parametrize("kind", ["short", "folder"])
def test_a_board_that_is_none_is_left_out(start: Start, tmp_path: Path, kind: str) -> None:
    (tmp_path / "board").write_bytes(b"x" * 100)
    path = tmp_path / "board" if kind == "short" else tmp_path
    fd = os.open(path, os.O_RDONLY)
    server = start("--requests", "2")
    connection = answer_first(server, fd)
    os.close(fd)
    connection.send(HELLO)
    connection.recv(PACKET)
    connection.send(HELLO)
    assert server.outcome().body == b"hello"


# ---- The time that a process has ---------------------------------------------

ONE_SECOND = ("--env", "mod_wsgi.timeout=1")


def test_a_process_that_does_not_answer_is_a_gateway_timeout(start: Start) -> None:
    server = start(*ONE_SECOND, "--env", "mod_wsgi.user=deploy")
    server.process_of()
    told = server.overdue()
    assert (told.process, told.user, told.name) == (PID, "deploy", "shop")
    outcome = server.outcome()
    assert outcome.status == "504 (error page)"
    assert outcome.says("MW0620: process 71 of deploy/shop has sent nothing for 1 s")


def test_a_response_that_goes_no_further_is_broken_off(start: Start) -> None:
    server = start(*ONE_SECOND)
    server.process_of().send(head() + frame(BODY, b"half", flags=FLUSH))
    assert server.overdue().process == PID
    assert server.outcome().body == b"half\n(broken off)\n"


def test_a_stream_may_take_longer_than_the_time_for_a_piece(start: Start) -> None:
    server = start(*ONE_SECOND)
    connection = server.process_of()
    connection.send(head())
    for _ in range(4):
        time.sleep(0.5)
        connection.send(frame(BODY, b"piece;", flags=FLUSH))
    connection.send(frame(BODY, flags=END) + DONE_FRAME)
    assert server.outcome().body == b"piece;" * 4
    assert not server.has_told()


def test_lines_for_the_log_are_no_progress(start: Start) -> None:
    server = start(*ONE_SECOND)
    connection = server.process_of()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for _ in range(100):
            connection.send(frame(LOG, b"still here"))
            time.sleep(0.05)
        pytest.fail("the server has waited for five seconds")
    assert server.outcome().status == "504 (error page)"


def test_a_slow_client_is_not_the_applications_time(start: Start) -> None:
    server = start(*ONE_SECOND, "--chunked", "--read-time", "1500000", body=b"late")
    connection = server.process_of()
    connection.send(head())
    assert data(connection) == (b"late", 0)
    connection.send(frame(BODY, b"hello", flags=END) + DONE_FRAME)
    assert server.outcome().body == b"hello"


def test_a_process_may_take_its_time_where_there_is_no_bound(start: Start) -> None:
    server = start("--env", "mod_wsgi.timeout=off")
    connection = server.process_of()
    time.sleep(1.5)
    connection.send(HELLO)
    assert server.outcome().body == b"hello"


def test_the_next_request_after_one_that_was_given_up_gets_another_process(start: Start) -> None:
    server = start(*ONE_SECOND, "--requests", "2")
    server.process_of()
    server.overdue()
    server.process_of().send(HELLO)
    assert server.outcome().body == b"hello"


@pytest.mark.parametrize("busy", [0, 1])
def test_a_process_that_only_serves_others_is_not_replaced(
    start: Start, board: tuple[int, mmap.mmap], busy: int
) -> None:
    """The request lies in the socket. If a thread is free, the process has stopped.

    Known of the incumbent: #456.
    """
    fd, memory = board
    set_slot(memory, 3, PID, 1, busy, 0)
    server = start(*ONE_SECOND)
    server.given(slot=3, board=fd)
    outcome = server.outcome()
    assert outcome.status == "504 (error page)"
    assert outcome.says("MW0621" if busy else "MW0620")
    assert server.has_told() == (not busy)
