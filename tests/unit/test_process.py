"""The program of an application's process alone: the tests are the spawner and the server."""

import contextlib
import fcntl
import hashlib
import json
import os
import random
import re
import resource
import select
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from command import Problem, build
from command.pythons import Python
from tests.harness.config import APPS

FRAME = struct.Struct("=IBBH")
REQUEST, DATA, HEAD, BODY, FILE, READ, LOG, FAIL, DONE = range(1, 10)
FLUSH, END = 1, 2
OF_REQUEST, OF_HEAD, OF_FILE = struct.Struct("=qII8IBB6x"), struct.Struct("=qHB5x"), "=qq"
PACKET = 131072
SLOTS, SLOT, NOTES = 64, struct.Struct("=IIII48x"), 65536

TIMEOUT = 20.0


ALL_IS_FUSE = r"""
#include <string.h>
#include <sys/vfs.h>

int fstatfs(int fd, struct statfs *system)
{
    memset(system, 0, sizeof *system);
    system->f_type = 0x65735546L;
    return 0;
}
"""


@dataclass(frozen=True, kw_only=True)
class Frame:
    type: int
    flags: int
    count: int
    data: bytes


@dataclass(kw_only=True)
class Answer:
    """What came from HEAD to DONE."""

    packets: list[list[int]] = field(default_factory=list)
    status: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    log: list[str] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    failed: bool = False
    ended: bool = False
    done: int | None = None
    loaded_in: int | None = None  # milliseconds


def frame(kind: int, data: bytes = b"", *, flags: int = 0, count: int = 0) -> bytes:
    return FRAME.pack(FRAME.size + len(data), kind, flags, count) + data


def texts(words: list[str]) -> bytes:
    return b"".join(word.encode() + b"\0" for word in words)


def request(
    application: str,
    *,
    query: str = "",
    eager: bytes = b"",
    length: int = 0,
    head_only: bool = False,
    **variables: str,
) -> bytes:
    """A REQUEST for an application of tests/apps."""
    given = {
        "REQUEST_METHOD": "HEAD" if head_only else "POST" if length else "GET",
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "mod_wsgi.application": application,
        "mod_wsgi.directory": str(APPS),
        **{name.replace("__", "."): value for name, value in variables.items()},
    }
    # uri, location, directory, filename, path_info, site_name, scheme, authorization
    named = ["/x", "/", None, "/srv/x", "", "localhost", "http", None]
    sizes = [0 if text is None else len(text) + 1 for text in named]
    fixed = OF_REQUEST.pack(length, 80, len(eager), *sizes, 0, head_only)
    before = fixed + texts([text for text in named if text is not None])
    pairs = b"".join(sized(name, value) for name, value in given.items())
    return frame(REQUEST, before + pairs + eager, count=len(given))


def sized(name: str, value: str) -> bytes:
    """A variable as it lies in a REQUEST."""
    words = [name.encode() + b"\0", value.encode() + b"\0"]
    return struct.pack("=II", *map(len, words)) + b"".join(words)


def frames(packet: bytes) -> Iterator[Frame]:
    while packet:
        size, kind, flags, count = FRAME.unpack_from(packet)
        assert FRAME.size <= size <= len(packet)
        yield Frame(type=kind, flags=flags, count=count, data=packet[FRAME.size : size])
        packet = packet[size:]


@dataclass(kw_only=True)
class Connection:
    """The server's end. body is what READ gets, piece by piece."""

    socket: socket.socket
    body: bytes = b""
    at: int = 0
    reads: int = 0
    refusal: int = 0

    def send(self, packet: bytes) -> None:
        assert self.socket.send(packet) == len(packet)

    def receive(self) -> tuple[list[Frame], list[int]]:
        packet, fds, flags, _ = socket.recv_fds(self.socket, PACKET, 4)
        assert not flags & ~socket.MSG_CMSG_CLOEXEC
        return list(frames(packet)), fds

    def answer_read(self, most: int) -> None:
        self.reads += 1
        piece = self.body[self.at : self.at + most]
        self.at += len(piece)
        self.send(frame(DATA, piece, flags=0 if piece else self.refusal))

    def take(self, each: Frame, fds: list[int], answer: Answer) -> None:
        """The rules of wire.h: HEAD, then BODY or FILE up to the end, then DONE."""
        assert answer.done is None
        if each.type == HEAD:
            assert not answer.status
            length, number, has_type = OF_HEAD.unpack_from(each.data)
            words = [word.decode() for word in each.data[OF_HEAD.size :].split(b"\0")[:-1]]
            answer.status = words.pop(0)
            assert answer.status.startswith(str(number))
            if has_type:
                answer.headers.append(("Content-Type", words.pop(0)))
            if length >= 0:
                answer.headers.append(("Content-Length", str(length)))
            answer.headers += list(zip(words[::2], words[1::2], strict=True))
            assert len(words) == 2 * each.count
        elif each.type in {BODY, FILE}:
            assert answer.status
            assert not answer.ended
            answer.ended = bool(each.flags & END)
            if each.type == FILE:
                answer.files += fds
                offset, size = struct.unpack(OF_FILE, each.data)
                answer.body += os.pread(fds[0], size, offset)
            answer.body += each.data if each.type == BODY else b""
        elif each.type == READ:
            assert not answer.ended
            self.answer_read(*struct.unpack("=I", each.data))
        elif each.type == LOG:
            answer.log.append(each.data.decode())
        elif each.type == FAIL:
            answer.failed = True
        else:
            assert each.type == DONE
            answer.done = each.count
            if each.data:
                (answer.loaded_in,) = struct.unpack("=I", each.data)

    def finish(self, answer: Answer | None = None) -> Answer:
        """Receives up to DONE."""
        answer = answer or Answer()
        while answer.done is None:
            packet, fds = self.receive()
            assert packet, "the connection has ended before DONE"
            answer.packets.append([each.type for each in packet])
            for each in packet:
                self.take(each, fds, answer)
        for fd in answer.files:
            os.close(fd)
        return answer

    def ask(self, application: str, **choices: Any) -> Answer:
        self.send(request(application, **choices))
        return self.finish()

    def post(self, application: str, body: bytes, *, eager: int = 0, **choices: Any) -> Answer:
        choices.setdefault("length", len(body))
        self.body, self.at, self.reads = body, eager, 0
        return self.ask(application, eager=body[:eager], **choices)


@dataclass(kw_only=True)
class Process:
    """A running process, the spawner's end of its control socket, and what it writes to stderr."""

    pid: int
    control: socket.socket
    news: int  # the end of a pipe: what the process tells the spawner
    log: Path
    board: int
    opened: list[socket.socket] = field(default_factory=list)
    status: int | None = None

    def hand_over(self, end: socket.socket) -> None:
        socket.send_fds(self.control, [b"c"], [end.fileno()])

    def connect(self, room: int = 0) -> Connection:
        """Room is that of the process's end of the socket."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(TIMEOUT)
        if room:
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, room)
        self.opened.append(ours)
        with theirs:
            self.hand_over(theirs)
        return Connection(socket=ours)

    def drain(self) -> None:
        self.control.send(b"d")

    def answers_or_refuses(self, application: str) -> bool:
        """Whether a new connection is closed without having been read, or has a whole answer."""
        connection = self.connect()
        try:
            return connection.ask(application).done in (0, 500)
        except (BrokenPipeError, ConnectionResetError):
            return True

    def says(self) -> bytes:
        """Waits for what it tells the spawner next; nothing if it has ended."""
        return os.read(self.news, 1)

    def has_ended(self) -> bool:
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def ends(self) -> int | None:
        """Waits for the end. Gives the exit status."""
        assert until(self.has_ended), "the process has not ended"
        return self.status

    def slot(self, number: int = 2) -> tuple[int, ...]:
        """Process id, threads, busy, is_draining."""
        return SLOT.unpack(os.pread(self.board, SLOT.size, number * SLOT.size))

    def last(self, number: int = 2) -> int:
        """When its last request has ended, by the clock of time.monotonic."""
        return int(struct.unpack("=I", os.pread(self.board, 4, number * SLOT.size + 16))[0])

    def is_busy(self, requests: int) -> bool:
        """Waits until so many requests are under way."""
        return bool(until(lambda: self.slot()[2] == requests))

    def switches(self) -> dict[str, int]:
        """How often each thread but the main one has waited."""
        threads = Path(f"/proc/{self.pid}/task").iterdir()
        return {
            each.name: wake_ups(self.pid, int(each.name))
            for each in threads
            if each.name != str(self.pid)
        }

    def is_stopped(self) -> bool:
        """Whether no thread runs."""
        facts = [(each / "stat").read_text() for each in Path(f"/proc/{self.pid}/task").iterdir()]
        return all(text.rpartition(")")[2].split()[0] == "T" for text in facts)

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def text(self) -> str:
        return self.log.read_text()


def until(holds: Callable[[], Any]) -> Any:
    end = time.monotonic() + TIMEOUT
    while not (got := holds()) and time.monotonic() < end:
        time.sleep(0.01)
    return got


def is_told_where(process: Process) -> bool:
    """Asks. At first the application may still be loaded."""
    os.kill(process.pid, signal.SIGUSR2)
    time.sleep(0.1)
    return "in wait" in process.text()


@pytest.fixture(scope="session")
def program(request: pytest.FixtureRequest, python: Python) -> Path:
    try:
        return build.process(python, request.config.getoption("profile"))
    except Problem as problem:
        pytest.fail(str(problem), pytrace=False)


def make_board() -> int:
    board = os.memfd_create("board")
    os.truncate(board, SLOTS * SLOT.size + NOTES)
    return board


def start(
    program: Path, folder: Path, *arguments: str, preload: str = "", board: int = -1
) -> Process:
    """Has the program run as the spawner does, and with a library before all others."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(TIMEOUT)
    board = os.dup(board) if board >= 0 else make_board()
    log = folder / "process.log"
    opened = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    news, telling = os.pipe()
    # The numbers 3 to 5 may be those of other files here.
    given = {
        1: lift(opened),
        2: lift(opened),
        3: lift(theirs.fileno()),
        4: lift(board),
        5: lift(telling),
    }
    pid = os.posix_spawn(
        str(program),
        [str(program), *arguments],
        {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "LD_PRELOAD": preload},
        file_actions=[(os.POSIX_SPAWN_DUP2, fd, to) for to, fd in given.items()],
    )
    for fd in (opened, telling, *given.values()):
        os.close(fd)
    theirs.close()
    return Process(pid=pid, control=ours, news=news, log=log, board=board)


def lift(fd: int) -> int:
    """A copy with a number that no process is given."""
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 100)


@contextlib.contextmanager
def started(
    program: Path,
    folder: Path,
    *,
    threads: int = 2,
    customer: str = "0",
    preload: str = "",
    board: int = -1,
    configuration: str = "1",
    patience: str = "0",
    slot: str = "2",
    memory: str = "0",
) -> Iterator[Process]:
    server = str(os.getuid())
    words = ("alice/shop", str(threads), "4", customer, server, slot, configuration, patience)
    made = start(program, folder, *words, memory, preload=preload, board=board)
    try:
        assert made.says() == b"r", made.text()
        yield made
    finally:
        made.control.close()
        for each in made.opened:
            each.close()
        with contextlib.suppress(ProcessLookupError):
            if not until(made.has_ended):
                os.kill(made.pid, signal.SIGKILL)
                os.waitpid(made.pid, 0)
        os.close(made.board)
        os.close(made.news)
    assert not re.search("Sanitizer|runtime error:", made.text()), made.text()


@pytest.fixture
def process(program: Path, tmp_path: Path) -> Iterator[Process]:
    with started(program, tmp_path) as made:
        yield made


# ---- Requests ------------------------------------------------------------------------------


def test_a_hello_is_one_packet_each_way(process: Process) -> None:
    connection = process.connect()
    connection.ask("hello")
    answer = connection.ask("hello")
    assert answer.packets == [[HEAD, BODY, DONE]]
    assert answer.status == "200 OK"
    assert ("Content-Type", "text/plain") in answer.headers
    assert ("Content-Length", "22") in answer.headers
    assert answer.body == b"hello from application"
    assert answer.ended
    assert answer.done == 0


def test_a_body_that_came_along_is_not_asked_for(process: Process) -> None:
    connection = process.connect()
    answer = connection.post("bodies::read_all", b"x" * 60000, eager=60000)
    assert answer.body == b"x" * 60000
    assert connection.reads == 0


def test_a_body_is_asked_for(process: Process) -> None:
    connection = process.connect()
    assert connection.post("bodies::read_all", b"hello").body == b"hello"
    assert connection.post("bodies::read_all", b"hello world", eager=5).body == b"hello world"
    unknown = connection.post("bodies::read_all", b"chunked", length=-1)
    assert unknown.body == b"chunked"


def test_a_body_of_20_mb_is_read(process: Process) -> None:
    body = os.urandom(20_000_000)
    answer = process.connect().post("bodies::digest", body)
    report = json.loads(answer.body)
    assert report == {"length": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def test_what_the_server_says_instead_of_bytes_reaches_the_application(process: Process) -> None:
    connection = process.connect()
    connection.refusal = 3  # WSGI_READ_TOO_LARGE
    answer = connection.post("bodies::read_outside", b"hello", length=-1)
    assert answer.done == 413
    assert not answer.status
    connection.refusal = 0
    assert connection.ask("hello").done == 0


def test_a_response_of_20_mb_is_sent(process: Process) -> None:
    answer = process.connect().ask("processed::large")
    assert len(answer.body) == 20_000_000
    assert answer.body == b"0123456789" * 2_000_000
    assert answer.ended


def test_a_response_of_many_pieces_is_sent(process: Process) -> None:
    answer = process.connect().ask("pieces::equal")
    assert answer.body == b"12345" * 2000
    listed = process.connect().ask("processed::listed")
    assert listed.body == b"".join(b"%d," % number for number in range(10000))


def test_a_file_is_sent_as_its_descriptor(process: Process) -> None:
    answer = process.connect().ask("processed::its_own_file")
    assert [FILE in packet for packet in answer.packets].count(True) == 1
    assert answer.body == (APPS / "processed.py").read_bytes()
    assert answer.ended
    assert answer.done == 0


def test_a_file_that_may_hang_is_read_here(
    program: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The server does not read files of a user's file system."""
    if request.config.getoption("profile") == "asan":
        pytest.skip("AddressSanitizer must be before all other libraries")
    library, source = tmp_path / "fuse.so", tmp_path / "fuse.c"
    source.write_text(ALL_IS_FUSE)
    large = "-D_FILE_OFFSET_BITS=64"  # as the program has it: its name is fstatfs64 then
    subprocess.run(["gcc", large, "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    with started(program, tmp_path, preload=str(library)) as process:
        answer = process.connect().ask("processed::its_own_file")
    assert not any(FILE in packet for packet in answer.packets)
    assert answer.body == (APPS / "processed.py").read_bytes()
    assert answer.ended
    assert answer.done == 0


def test_the_answer_to_head_has_no_body(process: Process) -> None:
    answer = process.connect().ask("hello", head_only=True)
    assert ("Content-Length", "22") in answer.headers
    assert answer.body == b""
    assert answer.ended


def test_a_piece_is_sent_before_the_next_one_is_made(process: Process, tmp_path: Path) -> None:
    connection = process.connect()
    connection.send(request("pieces::then_waits", query="pieces", tests__scratch=str(tmp_path)))
    answer = Answer()
    while not answer.body.endswith(b"third;"):
        packet, fds = connection.receive()
        for each in packet:
            connection.take(each, fds, answer)
    (tmp_path / "pieces.go").touch()
    assert connection.finish(answer).body == b"first;second;third;fourth"


def test_an_exception_is_an_error_page_and_lines_of_the_request(process: Process) -> None:
    answer = process.connect().ask("processed::raises")
    assert answer.done == 500
    assert not answer.status
    assert [line for line in answer.log if "RuntimeError: on purpose" in line]
    assert "on purpose" not in process.text()


def test_an_exception_in_a_response_breaks_it_off(process: Process) -> None:
    answer = process.connect().ask("processed::raises_late")
    assert answer.body == b"begun"
    assert answer.failed
    assert not answer.ended
    assert answer.done == 0


def test_a_head_that_does_not_fit_is_an_error_page(process: Process) -> None:
    connection = process.connect()
    answer = connection.ask("processed::huge_head")
    assert answer.done == 500
    assert not answer.status
    assert [line for line in answer.log if "128 KB" in line]
    assert connection.ask("hello").body == b"hello from application"


def test_a_line_without_a_request_goes_to_stderr(process: Process) -> None:
    answer = process.connect().ask("processed::logs_from_a_thread")
    assert answer.done == 0
    assert until(lambda: "from a thread of its own" in process.text())


def test_no_line_of_a_request_is_lost_or_out_of_order(process: Process) -> None:
    """The server gets them. On a busy machine it may be late once: the log has the rest then."""
    connection = process.connect()
    connection.send(request("processed::logs_much"))
    time.sleep(0.02)  # the socket is full by then
    taken = [line for line in connection.finish().log if line.startswith("line ")]
    assert taken
    rest = [f"line {number}" for number in range(len(taken), 5000)]
    assert until(lambda: not rest or rest[-1] in process.text())
    written = re.findall(r"line \d+", process.text())
    assert taken + written == [f"line {number}" for number in range(5000)]


def test_a_server_that_takes_no_lines_is_waited_for_once(process: Process) -> None:
    connection = process.connect()
    connection.send(request("processed::logs_much"))
    assert until(lambda: "line 4999" in process.text())
    lines = [*connection.finish().log, *process.text().splitlines()]
    assert len([line for line in lines if "line " in line]) == 5000


def test_the_environment_says_what_the_process_is(process: Process) -> None:
    answer = process.connect().ask("processed::facts")
    assert json.loads(answer.body) == {"multithread": True, "multiprocess": True}


# ---- Whose process it is -------------------------------------------------------------------


def test_the_first_application_is_in_the_main_interpreter(process: Process) -> None:
    connection = process.connect()
    first, second = connection.ask("hello"), connection.ask("hello", SERVER_PORT="81")
    assert first.done == second.done == 0
    made = [line for line in first.log if "has made the interpreter" in line]
    assert [line for line in made if "main_interpreter" in line], made


@pytest.mark.parametrize("customer", ["0", "1"])
def test_a_customers_process_runs_the_customers_own_files_only(
    program: Path, tmp_path: Path, customer: str
) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give files away")
    site = tmp_path / "site"
    site.mkdir()
    (site / "shop.py").write_text("def application(environ, start):\n    raise SystemExit\n")
    os.chown(site, 20001, -1)
    with started(program, tmp_path, customer=customer) as process:
        answer = process.connect().ask("shop", mod_wsgi__directory=str(site))
    assert answer.done == (403 if customer == "1" else 500)
    owned = [line for line in answer.log if "belongs to the user 20001" in line]
    assert len(owned) == int(customer)


REPLACED = """
import os, time


class Last(object):
    def __del__(self, mkdir=os.mkdir):
        mkdir({ended!r})


last = Last()


def application(environ, start_response):
    while not os.path.exists(environ["QUERY_STRING"]):
        time.sleep(0.01)
    start_response("200 OK", [])
    return [b"{answer}"]
"""


def test_a_thread_that_rests_does_not_keep_a_replaced_interpreter(
    process: Process, tmp_path: Path
) -> None:
    """It looks every five seconds. What is freed at the interpreter's end tells of that."""
    source, go, ended = (tmp_path / name for name in ("replaced.py", "go", "ended"))
    source.write_text(REPLACED.format(ended=str(ended), answer="old"))
    choices: dict[str, Any] = {
        "query": str(go),
        "mod_wsgi__directory": str(tmp_path),
        "mod_wsgi__reload": "on",
    }
    both = [process.connect(), process.connect()]
    for each in both:
        each.send(request("replaced", **choices))
    assert process.is_busy(2)
    go.touch()
    assert [each.finish().body for each in both] == [b"old", b"old"]
    source.write_text(REPLACED.format(ended=str(tmp_path / "other"), answer="newer"))
    time.sleep(1.5)  # the file is looked at once a second
    assert both[0].ask("replaced", **choices).body == b"newer"
    assert until(ended.exists), process.text()


def test_threads_that_wait_are_not_woken(process: Process) -> None:
    """Only where interpreters may be replaced do they look what they keep there."""
    assert process.connect().ask("hello").done == 0
    switches = process.switches()
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:  # what follows a request has settled
        time.sleep(0.5)
        if switches == (switches := process.switches()):
            break
    time.sleep(5.5)
    assert process.switches() == switches


def test_a_process_is_free_as_soon_as_the_server_has_the_answer(process: Process) -> None:
    """The next request may come at once."""
    connection = process.connect()
    for _ in range(200):
        assert connection.ask("hello").done == 0
        assert process.slot()[2] == 0


def test_a_process_is_not_free_while_the_server_does_not_take_the_answer(process: Process) -> None:
    """A line for the log has filled the socket."""
    connection = process.connect(room=4096)
    connection.send(request("processed::logs_a_long_line"))
    assert connection.socket.recv(1, socket.MSG_PEEK)
    time.sleep(0.2)  # the answer follows the line
    assert process.slot()[2] == 1
    assert connection.finish().body == b"logged"
    assert process.is_busy(0)


def test_a_few_requests_at_once_are_served_by_the_same_threads(
    program: Path, tmp_path: Path
) -> None:
    """The others rest: what a thread keeps stays in the processor's caches."""
    with started(program, tmp_path, threads=20) as process:
        connections = [process.connect() for _ in range(3)]
        connections[0].ask("hello")
        before = process.switches()
        for _ in range(200):
            for each in connections:
                each.send(request("hello"))
            assert [each.finish().done for each in connections] == [0, 0, 0]
        after = process.switches()
        # Three at most have a request, three have just sent an answer, and one waits.
        assert sum(after[thread] - was > 20 for thread, was in before.items()) <= 7


def test_threads_that_rest_serve_when_they_are_needed(program: Path, tmp_path: Path) -> None:
    with started(program, tmp_path, threads=20) as process:
        for _ in range(2):
            connections = [process.connect() for _ in range(20)]
            for each in connections:
                each.send(request("processed::waits", query="all", tests__scratch=str(tmp_path)))
            assert process.is_busy(20)
            (tmp_path / "all.go").touch()
            assert [each.finish().body for each in connections] == [b"waited"] * 20
            (tmp_path / "all.go").unlink()
            for _ in range(5):
                assert process.connect().ask("hello").done == 0


# ---- What was loaded before ----------------------------------------------------------------

MADE = "has made the interpreter '{}' for '{}'"

COUNTING = """
import os, time

if os.path.exists({stop!r}):
    {when_stopped}


def application(environ, start_response):
    start_response("200 OK", [])
    return [b"here"]
"""


@pytest.fixture
def board() -> Iterator[int]:
    """The memory that the processes of a group share."""
    made = make_board()
    yield made
    os.close(made)


def serve_once(program: Path, folder: Path, board: int, *applications: str) -> None:
    with started(program, folder, board=board) as process:
        for name in applications:
            answer = process.connect().ask(name, mod_wsgi__directory=f"{folder}:{APPS}")
            assert answer.done == 0, answer.log
            assert answer.loaded_in


def add_stoppable(folder: Path, when_stopped: str) -> Path:
    stop = folder / "stop"
    text = COUNTING.format(stop=str(stop), when_stopped=when_stopped)
    (folder / "stoppable.py").write_text(text)
    return stop


def test_a_process_loads_what_the_one_before_has_served(
    program: Path, tmp_path: Path, board: int
) -> None:
    """In the same interpreters: the first application has the main one again."""
    serve_once(program, tmp_path, board, "hello", "respond::one_block")
    (tmp_path / "process.log").write_text("")
    with started(program, tmp_path, board=board, patience="5") as process:
        assert MADE.format("main_interpreter", "hello") in process.text()
        connection = process.connect()
        directory = f"{tmp_path}:{APPS}"
        answer = connection.ask("hello", mod_wsgi__directory=directory)
        assert answer.loaded_in
        assert not [line for line in answer.log if "has made the interpreter" in line]
        assert connection.ask("hello", mod_wsgi__directory=directory).loaded_in is None


@pytest.mark.parametrize(
    "choices", [{"configuration": "2", "patience": "5"}, {"patience": "0"}], ids=str
)
def test_a_process_loads_nothing_beforehand(
    program: Path, tmp_path: Path, board: int, choices: dict[str, Any]
) -> None:
    serve_once(program, tmp_path, board, "hello")
    (tmp_path / "process.log").write_text("")
    with started(program, tmp_path, board=board, **choices) as process:
        assert "has made the interpreter" not in process.text()


def test_a_load_that_hangs_does_not_keep_a_process_from_the_others(
    program: Path, tmp_path: Path, board: int
) -> None:
    stop = add_stoppable(tmp_path, "time.sleep(100)")
    serve_once(program, tmp_path, board, "stoppable", "hello")
    stop.touch()
    began = time.monotonic()
    with started(program, tmp_path, board=board, patience="1") as process:
        assert 0.5 < time.monotonic() - began < 4
        own = {"mod_wsgi__interpreter": "own"}
        assert process.connect().ask("hello", **own).done == 0
    assert process.status == 0


def test_a_load_that_has_ended_a_process_is_left_to_its_requests(
    program: Path, tmp_path: Path, board: int
) -> None:
    stop = add_stoppable(tmp_path, "os._exit(7)")
    serve_once(program, tmp_path, board, "hello", "stoppable")
    stop.touch()
    words = ("alice/shop", "2", "4", "0", str(os.getuid()), "2", "1", "5", "0")
    died = start(program, tmp_path, *words, board=board)
    assert died.ends() == 7
    for opened in (died.board, died.news):
        os.close(opened)
    died.control.close()
    (tmp_path / "process.log").write_text("")
    with started(program, tmp_path, board=board, patience="5") as process:
        assert MADE.format("main_interpreter", "hello") in process.text()
        assert "'stoppable'" not in process.text()


def test_notes_that_make_no_sense_are_left_alone(program: Path, tmp_path: Path) -> None:
    """An application can write anything there."""
    board = make_board()
    try:
        for seed in range(3):
            chance = random.Random(seed)  # noqa: S311 - the same notes each time
            os.pwrite(board, chance.randbytes(NOTES), SLOTS * SLOT.size)
            with started(program, tmp_path, board=board, patience="2") as process:
                assert process.connect().ask("hello").done == 0
    finally:
        os.close(board)


# ---- Memory --------------------------------------------------------------------------------

MEMORY = """
kept = []

def application(environ, start_response):
    what, _, size = environ["QUERY_STRING"].partition("-")
    if what == "drop":
        del kept[:]
    elif what == "keep":
        kept.append(b"x" * (int(size) << 20))
    elif what == "fill":
        try:
            while True:
                kept.append(b"x" * int(size))
        except MemoryError:
            pass
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(len(kept)).encode("ascii")]
"""


def keeps(process: Process, folder: Path, query: str) -> Answer:
    (folder / "memory.py").write_text(MEMORY)
    return process.connect().ask("memory", mod_wsgi__directory=str(folder), query=query)


def wake_ups(pid: int, thread: int) -> int:
    status = Path(f"/proc/{pid}/task/{thread}/status").read_text()
    return int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])


def test_a_process_that_has_grown_too_large_says_so_and_serves(
    program: Path, tmp_path: Path
) -> None:
    with started(program, tmp_path, memory="100") as process:
        assert keeps(process, tmp_path, "keep-20").done == 0
        assert keeps(process, tmp_path, "keep-110").body == b"2"
        assert process.says() == b"s"
        line = re.search(
            r"<4>mod_wsgi: MW0618: .* has (\d+) MB of memory.* the 100 that", process.text()
        )
        assert line, process.text()
        assert 130 < int(line[1]) < 230
        assert keeps(process, tmp_path, "").body == b"2"


def test_a_process_with_a_bound_looks_once_a_second(program: Path, tmp_path: Path) -> None:
    with started(program, tmp_path, memory="1000") as process:
        before = wake_ups(process.pid, process.pid)
        time.sleep(3.2)
        assert 2 <= wake_ups(process.pid, process.pid) - before <= 5


def test_a_process_without_a_bound_does_not_wake_up(process: Process) -> None:
    before = wake_ups(process.pid, process.pid)
    time.sleep(2.2)
    assert wake_ups(process.pid, process.pid) <= before + 1, "it may have been about to wait"


@pytest.mark.parametrize("size", [1 << 24, 1 << 12, 1 << 6])
def test_a_process_without_memory_fails_its_requests_and_no_more(
    program: Path, tmp_path: Path, size: int
) -> None:
    """The large pieces leave some memory, the small ones nearly none."""
    (tmp_path / "memory.py").write_text(MEMORY)
    own: dict[str, Any] = {"mod_wsgi__directory": f"{tmp_path}:{APPS}"}
    with started(program, tmp_path, threads=1) as process:
        filling, posting = process.connect(), process.connect()
        assert filling.ask("memory", **own).done == 0
        bound_data(process.pid, 200)
        for _ in range(3):
            assert filling.ask("memory", query=f"fill-{size}", **own).done in (0, 500)
            assert posting.post("bodies::read_all", b"x" * 30_000, **own).done in (0, 500)
            assert process.answers_or_refuses("hello")
            assert filling.ask("memory", query="drop", **own).done == 0
            assert filling.ask("memory", **own).body == b"0"
        assert not process.has_ended()


def bound_data(pid: int, more: int) -> None:
    """A wall so many MB from here."""
    status = Path(f"/proc/{pid}/status").read_text()
    wall = (int(status.partition("VmData:")[2].split()[0]) << 10) + (more << 20)
    resource.prlimit(pid, resource.RLIMIT_DATA, (wall, wall))


# ---- Ends ----------------------------------------------------------------------------------


def test_the_board_says_how_many_requests_are_under_way(process: Process, tmp_path: Path) -> None:
    assert process.slot() == (process.pid, 2, 0, 0)
    connection = process.connect()
    connection.send(request("processed::waits", query="board", tests__scratch=str(tmp_path)))
    assert process.is_busy(1)
    (tmp_path / "board.go").touch()
    connection.finish()
    assert process.is_busy(0)
    process.drain()
    assert process.ends() == 0
    assert process.slot()[3] == 1


def test_the_board_says_when_the_process_was_used(process: Process) -> None:
    assert process.last() == 0
    began = int(time.monotonic())
    process.connect().ask("hello")
    assert process.is_busy(0)
    assert began <= process.last() <= time.monotonic()


def test_a_process_without_a_board_tells_the_spawner_that_it_is_used(
    program: Path, tmp_path: Path
) -> None:
    with started(program, tmp_path, slot="-1") as process:
        assert not select.select([process.news], [], [], 0)[0]
        process.connect().ask("hello")
        assert process.says() == b"u"


def test_requests_run_at_once_in_as_many_threads(process: Process, tmp_path: Path) -> None:
    both = [process.connect(), process.connect()]
    for each in both:
        each.send(request("processed::waits", query="both", tests__scratch=str(tmp_path)))
    assert process.is_busy(2)
    third = process.connect()
    third.send(request("hello"))
    time.sleep(0.1)
    assert process.slot()[2] == 2
    (tmp_path / "both.go").touch()
    assert [each.finish().done for each in (*both, third)] == [0, 0, 0]


@pytest.mark.parametrize("how", ["drain", "term", "control"])
def test_a_process_that_drains_finishes_its_requests(
    process: Process, tmp_path: Path, how: str
) -> None:
    idle, busy = process.connect(), process.connect()
    idle.ask("hello")
    assert process.is_busy(0)
    busy.send(request("processed::waits", query="drain", tests__scratch=str(tmp_path)))
    assert process.is_busy(1)
    if how == "drain":
        process.drain()
    elif how == "term":
        os.kill(process.pid, signal.SIGTERM)
    else:
        process.control.close()
    assert idle.socket.recv(1) == b""
    assert until(lambda: process.slot()[3] == 1)
    assert not process.has_ended()
    if how != "control":
        # What comes too late is not read: the server asks another process.
        late = process.connect()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            late.ask("hello")
    (tmp_path / "drain.go").touch()
    answer = busy.finish()
    assert answer.body == b"waited"
    assert busy.socket.recv(1) == b""
    assert process.ends() == 0


def test_a_request_that_a_draining_process_has_not_read_is_reset(
    program: Path, tmp_path: Path
) -> None:
    with started(program, tmp_path, threads=1) as process:
        busy, waiting = process.connect(), process.connect()
        waiting.ask("hello")
        assert process.is_busy(0)
        busy.send(request("processed::waits", query="reset", tests__scratch=str(tmp_path)))
        assert process.is_busy(1)
        waiting.send(request("hello"))
        process.drain()
        with pytest.raises(ConnectionResetError):
            waiting.receive()
        (tmp_path / "reset.go").touch()
        assert busy.finish().body == b"waited"


def test_atexit_functions_run_when_a_process_drains(process: Process, tmp_path: Path) -> None:
    process.connect().ask("processed::registers", query="exit", tests__scratch=str(tmp_path))
    process.drain()
    assert process.ends() == 0
    assert (tmp_path / "exit.told").read_text() == "ended"


def test_a_process_that_is_killed_in_a_request_is_an_end_and_no_reset(
    process: Process, tmp_path: Path
) -> None:
    read, unread = process.connect(), process.connect()
    unread.ask("hello")
    assert process.is_busy(0)
    read.send(request("processed::waits", query="killed", tests__scratch=str(tmp_path)))
    assert process.is_busy(1)
    os.kill(process.pid, signal.SIGSTOP)
    assert until(process.is_stopped)
    unread.send(request("hello"))
    os.kill(process.pid, signal.SIGKILL)
    process.ends()
    assert read.socket.recv(1) == b""
    with pytest.raises(ConnectionResetError):
        unread.socket.recv(1)


def test_a_server_that_goes_away_is_a_client_that_goes_away(
    process: Process, tmp_path: Path
) -> None:
    connection = process.connect()
    connection.send(request("processed::endless", query="gone", tests__scratch=str(tmp_path)))
    connection.receive()
    connection.socket.close()
    assert until((tmp_path / "gone.told").exists)
    assert process.is_busy(0)
    assert process.connect().ask("hello").done == 0


def test_a_request_does_not_run_whose_server_has_gone_before(
    program: Path, tmp_path: Path
) -> None:
    """Its client has gone while the request waited for a thread."""
    with started(program, tmp_path, threads=1) as process:
        busy, used, fresh = process.connect(), process.connect(), process.connect()
        used.ask("hello")
        busy.send(request("processed::waits", query="first", tests__scratch=str(tmp_path)))
        assert process.is_busy(1)
        (tmp_path / "never.go").touch()
        for each in (used, fresh):
            each.send(request("parallel::held", query="never", tests__scratch=str(tmp_path)))
            each.socket.close()
        (tmp_path / "first.go").touch()
        assert busy.finish().body == b"waited"
        assert process.connect().ask("hello").done == 0
        assert process.is_busy(0)
    assert not (tmp_path / "never.told").exists()


def test_a_server_that_goes_away_before_a_read_is_a_client_that_goes_away(
    process: Process, tmp_path: Path
) -> None:
    connection = process.connect()
    connection.send(
        request("bodies::error_name", query="read", length=10, tests__scratch=str(tmp_path))
    )
    connection.receive()
    connection.socket.close()
    assert until((tmp_path / "read.told").exists)
    assert "nothing" not in (tmp_path / "read.told").read_text()


def test_a_copy_that_outlives_the_process_has_no_connections(
    process: Process, tmp_path: Path
) -> None:
    """Otherwise the server would not see that the process has ended."""
    connection = process.connect()
    answer = connection.ask(
        "processed::leaves_a_copy",
        query="copy",
        tests__scratch=str(tmp_path),
        mod_wsgi__interpreter="main_interpreter",
    )
    assert answer.body == b"forked", answer.log
    os.kill(process.pid, signal.SIGKILL)
    process.ends()
    assert connection.socket.recv(1) == b""
    (tmp_path / "copy.go").touch()
    assert until((tmp_path / "copy.told").exists)


# ---- Nonsense ------------------------------------------------------------------------------

NONSENSE = {
    "no frame": b"x",
    "another frame": frame(DONE),
    "a cut request": request("hello")[:-1],
    "two requests": request("hello") * 2,
    "more body than there is": request("hello", eager=b"12345", length=4),
    "a request without variables": frame(REQUEST, bytes(OF_REQUEST.size), count=3),
    "too much": b"x" * (PACKET + 1),
}


@pytest.mark.parametrize("packet", NONSENSE.values(), ids=list(NONSENSE))
def test_nonsense_is_answered_by_the_end_of_its_connection(
    process: Process, packet: bytes
) -> None:
    connection = process.connect()
    connection.send(packet)
    assert connection.socket.recv(1) == b""
    assert until(
        lambda: "<3>mod_wsgi: MW0611: the server has sent something that" in process.text()
    )
    assert process.connect().ask("hello").done == 0


def test_a_descriptor_in_a_request_is_refused_and_closed(process: Process) -> None:
    connection = process.connect()
    connection.ask("hello")
    before = process.descriptors()
    with Path(os.devnull).open() as opened:
        socket.send_fds(connection.socket, [request("hello")], [opened.fileno()])
    assert connection.socket.recv(1) == b""
    assert until(lambda: process.descriptors() == before - 1)


DATA_NONSENSE = {
    "another frame": frame(REQUEST),
    "an unknown error": frame(DATA, flags=9),
    "an error with bytes": frame(DATA, b"x", flags=1),
    "more than was asked for": frame(DATA, b"x" * 100000),
    "two frames": frame(DATA, b"x") * 2,
}


@pytest.mark.parametrize("packet", DATA_NONSENSE.values(), ids=list(DATA_NONSENSE))
def test_nonsense_instead_of_a_body_ends_the_connection(process: Process, packet: bytes) -> None:
    connection = process.connect()
    connection.send(request("bodies::read_all", length=10))
    connection.receive()
    connection.send(packet)
    while connection.socket.recv(PACKET) != b"":
        pass
    assert process.connect().ask("hello").done == 0


@pytest.fixture
def foreign(program: Path, tmp_path: Path) -> Iterator[Process]:
    """A process whose server has another user than the process itself."""
    other = str(os.getuid() + 1)
    made = start(program, tmp_path, "alice/shop", "1", "1", "0", other, "-1", "1", "0", "0")
    try:
        assert made.says() == b"r"
        yield made
    finally:
        made.control.close()
        assert made.ends() == 0
        os.close(made.board)
        os.close(made.news)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a connection as somebody else")
def test_a_connection_that_another_user_has_made_is_refused(foreign: Process) -> None:
    os.seteuid(os.getuid() + 2)
    try:
        connection = foreign.connect()
    finally:
        os.seteuid(0)
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        connection.ask("hello")
    assert "the server's user has not made it" in foreign.text()


def test_a_connection_that_the_own_user_has_made_is_taken(foreign: Process) -> None:
    """As a child of the server does that mpm-itk has made this user.

    Known of the incumbent: #61, #575.
    """
    assert foreign.connect().ask("hello").body == b"hello from application"


def test_a_process_that_is_started_by_hand_says_who_starts_it(
    program: Path, tmp_path: Path
) -> None:
    made = start(program, tmp_path)
    try:
        assert made.ends() == 1
        assert "mod_wsgi-spawner starts it" in made.text()
    finally:
        made.control.close()
        os.close(made.board)
        os.close(made.news)


# ---- Where its threads are -----------------------------------------------------------------

HANGING = """
import os, time

def wait(path):
    while not os.path.exists(path):
        {how}

def application(environ, start_response):
    wait(environ["QUERY_STRING"])
    start_response("200 OK", [])
    return [b"went on"]
"""


@pytest.mark.parametrize("choices", [{}, {"mod_wsgi__interpreter": "other"}])
@pytest.mark.parametrize("how", ["time.sleep(0.01)", "pass"])
def test_a_process_tells_where_its_threads_are(
    process: Process, tmp_path: Path, how: str, choices: dict[str, Any]
) -> None:
    go = tmp_path / "go"
    (tmp_path / "hanging.py").write_text(HANGING.format(how=how))
    connection = process.connect()
    choices["mod_wsgi__directory"] = str(tmp_path)
    connection.send(request("hanging", query=str(go), **choices))
    assert process.is_busy(1)
    assert until(lambda: is_told_where(process)), process.text()
    assert "hanging.py" in process.text()
    go.touch()
    assert connection.finish().body == b"went on"


def test_a_process_without_a_request_survives_that_question(process: Process) -> None:
    os.kill(process.pid, signal.SIGUSR2)
    assert process.connect().ask("hello").body == b"hello from application"
    os.kill(process.pid, signal.SIGUSR2)
    assert process.connect().ask("hello").body == b"hello from application"


CHURNING = """
import os, threading, time

def application(environ, start_response):
    while not os.path.exists(environ["QUERY_STRING"]):
        threads = [threading.Thread(target=time.sleep, args=(0.002,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    start_response("200 OK", [])
    return [b"went on"]
"""


def test_threads_may_end_while_a_process_tells_where_they_are(
    process: Process, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    (tmp_path / "churning.py").write_text(CHURNING)
    connection = process.connect()
    connection.send(request("churning", query=str(go), mod_wsgi__directory=str(tmp_path)))
    assert process.is_busy(1)
    for _ in range(200):
        os.kill(process.pid, signal.SIGUSR2)
        time.sleep(0.01)
    go.touch()
    assert connection.finish().body == b"went on"
    assert "churning.py" in process.text()


KEEPING = """
import ctypes

def application(environ, start_response):
    ctypes.PyDLL(None).sleep(3)
    start_response("200 OK", [])
    return [b"went on"]
"""


def test_a_process_tells_where_the_thread_is_that_keeps_the_lock(
    process: Process, tmp_path: Path
) -> None:
    (tmp_path / "keeping.py").write_text(KEEPING)
    connection = process.connect()
    connection.send(request("keeping", mod_wsgi__directory=str(tmp_path)))
    assert process.is_busy(1)
    time.sleep(0.5)  # it is in the application then
    os.kill(process.pid, signal.SIGUSR2)
    assert connection.finish().body == b"went on"
    assert re.search(r"keeping.py\", line 5 in application", process.text()), process.text()
