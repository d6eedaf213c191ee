"""The spawner alone: the tests are the server, and spawned.py is an application's process."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tools import TOP

FAKE = TOP / "tests" / "apps" / "spawned.py"
FLAGS = ("-std=c99", "-D_GNU_SOURCE", "-g", "-Wall", "-Wextra", "-Werror")

PROTOCOL, CONNECT, RESTART = 1, 1, 2
ASK = struct.Struct("=5I256s16s256s")
HEAD, GIVEN, REFUSED = struct.Struct("=IBBH"), struct.Struct("=II"), struct.Struct("=HH")
GIVEN_TYPE, REFUSED_TYPE = 10, 11

ALICE, MALLORY, SERVER = 20001, 20002, 20003
ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not ROOT, reason="only root can become another user")

TIMEOUT = 15.0


@dataclass(frozen=True, kw_only=True)
class Refused:
    status: int
    retry_after: int
    line: str


@dataclass(frozen=True, kw_only=True)
class Given:
    """A connection to a process."""

    pid: int
    slot: int
    connection: socket.socket
    board: int

    def ask(self, expression: str) -> Any:
        self.connection.send(expression.encode())
        return json.loads(self.connection.recv(65536))

    def tell(self, expression: str) -> None:
        self.connection.send(expression.encode())

    def ends(self) -> bool:
        try:
            return not self.connection.recv(65536)
        except ConnectionResetError:
            return True


@dataclass(kw_only=True)
class Spawner:
    """A running spawner, its log, and the server's end of the ask socket."""

    process: "subprocess.Popen[bytes]"
    folder: Path
    log: Path
    socket: socket.socket
    opened: list[socket.socket] = field(default_factory=list)

    def send(self, packet: bytes, fds: list[int]) -> None:
        socket.send_fds(self.socket, [packet], fds)

    def begin(self, user: str = "", **choices: Any) -> socket.socket:
        """Asks for a process. Gives our end of the new connection."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(TIMEOUT)
        self.opened.append(ours)
        log: Path = choices.pop("log", self.log)
        with theirs, log.open("ab") as stream:
            self.send(packet(CONNECT, user=user, **choices), [theirs.fileno(), stream.fileno()])
        return ours

    def ask(self, user: str = "", **choices: Any) -> Given | Refused:
        return answer(self.begin(user, **choices))

    def given(self, user: str = "", **choices: Any) -> Given:
        got = self.ask(user, **choices)
        assert isinstance(got, Given), (got, self.text())
        return got

    def refused(self, user: str = "", **choices: Any) -> Refused:
        got = self.ask(user, **choices)
        assert isinstance(got, Refused), got
        return got

    def restart(self) -> None:
        with self.log.open("ab") as stream:
            self.send(packet(RESTART, user=f"#{server()}", name=f"#{server()}"), [stream.fileno()])

    def text(self) -> str:
        return self.log.read_text()

    def logs(self, pattern: str) -> str:
        """Waits for a line. Gives it."""
        line = until(lambda: re.search(f"^.*{pattern}.*$", self.text(), re.MULTILINE))
        assert line, f"no line matches {pattern!r}:\n{self.text()}"
        return str(line[0])

    def at_start(self, code: str) -> None:
        """What every process runs before it is ready."""
        (self.folder / "at-start").write_text(code)

    def children(self) -> list[int]:
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]


def server() -> int:
    """The server's user, and the group with the same number."""
    return SERVER if ROOT else os.geteuid()


def packet(
    kind: int,
    *,
    user: str = "",
    python: str = "3.11",
    name: str = "shop",
    processes: int = 4,
    threads: int = 5,
    customer: bool = False,
    protocol: int = PROTOCOL,
) -> bytes:
    texts = (user.encode(), python.encode(), name.encode())
    return ASK.pack(protocol, kind, processes, threads, customer, *texts)


def answer(connection: socket.socket) -> Given | Refused:
    """What the spawner says on a new connection."""
    data, fds, _, _ = socket.recv_fds(connection, 65536, 1)
    size, kind, _, _ = HEAD.unpack_from(data)
    assert size == len(data)
    if kind == REFUSED_TYPE:
        status, retry = REFUSED.unpack_from(data, HEAD.size)
        line = data[HEAD.size + REFUSED.size :].decode()
        return Refused(status=status, retry_after=retry, line=line)
    assert kind == GIVEN_TYPE
    pid, slot = GIVEN.unpack_from(data, HEAD.size)
    return Given(pid=pid, slot=slot, connection=connection, board=fds[0] if fds else -1)


def until(found: Callable[[], Any]) -> Any:
    end = time.monotonic() + TIMEOUT
    while not (result := found()) and time.monotonic() < end:
        time.sleep(0.01)
    return result


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = tmp_path_factory.mktemp("spawner") / "mod_wsgi-spawner"
    sources = sorted(map(str, (TOP / "spawner").glob("*.c")))
    subprocess.run(["gcc", *FLAGS, *sources, "-o", str(built), "-pthread"], check=True)
    return built


@pytest.fixture
def folder(program: Path) -> Iterator[Path]:
    """Where the programs are installed: other users can reach it, unlike pytest's folders."""
    with tempfile.TemporaryDirectory(prefix="spawner-") as name:
        place = Path(name)
        place.chmod(0o755)
        shutil.copy(program, place)
        shutil.copy(FAKE, place / "mod_wsgi-py3.11")
        (place / "mod_wsgi-py3.11").chmod(0o755)
        yield place


Start = Callable[..., Spawner]


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Starts spawners, and sees that nothing of them is left over."""
    with contextlib.ExitStack() as stack:

        def begin(**environ: str) -> Spawner:
            return stack.enter_context(running(folder, environ))

        yield begin


@pytest.fixture
def spawner(start: Start) -> Spawner:
    return start()


@contextlib.contextmanager
def running(folder: Path, environ: dict[str, str]) -> Iterator[Spawner]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    log = folder / "error.log"
    words = [str(folder / "mod_wsgi-spawner"), str(server()), str(server())]
    with log.open("ab") as stream:
        process = subprocess.Popen(
            ["bash", "-c", f'exec 3<&{theirs.fileno()}; exec "$@"', "sh", *words],
            stderr=stream,
            env={"PATH": os.environ["PATH"], **environ},
            pass_fds=[theirs.fileno()],
        )
    theirs.close()
    made = Spawner(process=process, folder=folder, log=log, socket=ours)
    try:
        yield made
        left = made.children() if process.poll() is None else []
    finally:
        ours.close()
        for each in made.opened:
            each.close()
        status = process.wait(TIMEOUT)
    assert status in {0, -signal.SIGKILL}
    assert not [pid for pid in left if lives(pid)]


@pytest.fixture
def users() -> Iterator[None]:
    """Accounts: alice with a group beside her own, mallory without a home, the server's."""
    with contextlib.ExitStack() as stack:
        stack.callback(subprocess.run, ["groupdel", "wsgi-others"], check=False)
        add(stack, "wsgi-server", SERVER, home=False)
        subprocess.run(["groupadd", "-g", "20009", "wsgi-others"], check=True)
        add(stack, "wsgi-alice", ALICE, "-G", "wsgi-others")
        add(stack, "wsgi-mallory", MALLORY, home=False)
        yield


def add(stack: contextlib.ExitStack, name: str, uid: int, *more: str, home: bool = True) -> None:
    """Makes a user with a group of the same number. The password stays locked."""
    stack.callback(subprocess.run, ["userdel", "-f", name], check=False, stderr=subprocess.DEVNULL)
    words = ["useradd", "-u", str(uid), "-U", "-K", f"GID_MIN={uid}", "-K", f"GID_MAX={uid}"]
    place = f"/home/{name}"
    if home:
        words.append("-m")
        stack.callback(shutil.rmtree, place, ignore_errors=True)
    subprocess.run([*words, *more, "-d", place, name], check=True, stderr=subprocess.DEVNULL)


# ---- One process -----------------------------------------------------------------------------


def test_a_connection_reaches_a_process(spawner: Spawner) -> None:
    assert spawner.given().ask("1 + 1") == 2


def test_the_process_that_was_named_has_the_connection(spawner: Spawner) -> None:
    given = spawner.given()
    assert given.ask("os.getpid()") == given.pid


def test_a_process_is_told_what_it_is(spawner: Spawner) -> None:
    told = spawner.given(name="web", threads=7, processes=3).ask("sys.argv")
    assert told[1].endswith("/web")
    assert told[2:] == ["7", "3", "0", str(server()), "0"]


def test_a_process_has_no_descriptors_but_its_own(spawner: Spawner) -> None:
    fds = spawner.given().ask("facts()")["fds"]
    assert fds.pop("0") == "/dev/null"
    assert fds.pop("1") == fds.pop("2")
    assert fds.pop("3").startswith("socket:")
    assert "board" in fds.pop("4")
    assert [name for name in fds.values() if not name.startswith("socket:")] == []
    assert len(fds) == 1, "the connection"


def test_a_process_has_a_clean_environment(start: Start) -> None:
    spawner = start(SECRET="1", TMPDIR="/srv", MOD_WSGI_PYTHON_HOME="/usr")
    environ = spawner.given().ask("facts()")["environ"]
    environ.pop("LC_CTYPE", None)
    assert sorted(environ) == sorted(
        ["HOME", "USER", "LOGNAME", "PATH", "LANG", "TMPDIR", "MOD_WSGI_PYTHON_HOME"]
    )
    assert environ["LANG"] == "C.UTF-8"


def test_a_process_begins_without_what_the_server_has_set(spawner: Spawner) -> None:
    facts = spawner.given().ask("facts()")
    assert facts["umask"] == 0o22
    assert facts["core"] == [0, 0]
    assert facts["files"][0] <= 1024
    assert facts["session"] == facts["pid"]
    assert facts["blocked"] == 0
    assert set(facts["ignored"]) <= {signal.SIGPIPE, signal.SIGXFSZ}  # by Python itself


def test_one_name_is_one_process_and_two_are_two(spawner: Spawner) -> None:
    assert spawner.given(name="a").pid == spawner.given(name="a").pid
    assert spawner.given(name="a").pid != spawner.given(name="b").pid


def test_forty_groups_have_forty_processes(spawner: Spawner) -> None:
    asked = [spawner.begin(name=f"app{n}") for n in range(40)]
    given = [answer(each) for each in asked]
    assert len({each.pid for each in given if isinstance(each, Given)}) == 40
