"""The spawner alone: the tests are the server, and spawned.py is an application's process."""

import contextlib
import fcntl
import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from command import TOP
from tests.harness.spawner import compile_into

FAKE = TOP / "tests" / "unit" / "spawned.py"

PROTOCOL, CONNECT, RESTART, OVERDUE = 4, 1, 2, 3
ASK = struct.Struct("=10I256s16s256s")
CONFIGURATION = 4711
HEAD, GIVEN, REFUSED = struct.Struct("=IBBH"), struct.Struct("=II"), struct.Struct("=HH")
GIVEN_TYPE, REFUSED_TYPE = 10, 11

ALICE, MALLORY, SERVER = 20101, 20102, 20103
ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not ROOT, reason="only root can become another user")

TIMEOUT = 15.0

# Starts the spawner with a descriptor as its ask socket. An old kernel lacks two system calls: a
# filter gives the error of unknown ones in their place. Four values are an instruction of the
# filter: load the call's number, compare it with one and the other, allow it, or refuse it.
STARTER = """
import ctypes, os, platform, struct, sys

def pretend_to_be_old():
    memfd_create, close_range = {"x86_64": 319, "aarch64": 279}[platform.machine()], 436
    code = b"".join(struct.pack("=HBBI", *each) for each in (
        (0x20, 0, 0, 0), (0x15, 2, 0, memfd_create), (0x15, 1, 0, close_range),
        (0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x00050000 | 38),
    ))
    kept = ctypes.create_string_buffer(code)
    program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(kept))
    assert ctypes.CDLL(None).prctl(38, 1, 0, 0, 0) == 0
    assert ctypes.CDLL(None).prctl(22, 2, ctypes.create_string_buffer(program)) == 0

fd, cgroup, old, *words = sys.argv[1:]
if cgroup:
    open(cgroup + "/cgroup.procs", "w").write("0")
if old == "True":
    pretend_to_be_old()
os.dup2(int(fd), 3)
os.execv(words[0], words)
"""


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
    asks: socket.socket
    opened: list[socket.socket] = field(default_factory=list)

    def send(self, packet: bytes, fds: list[int]) -> None:
        socket.send_fds(self.asks, [packet], fds)

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

    def restart(self, configuration: int = CONFIGURATION + 1) -> None:
        with self.log.open("ab") as stream:
            self.restart_with([stream.fileno()], configuration)

    def restart_with(self, fds: list[int], configuration: int = CONFIGURATION + 1) -> None:
        who = f"#{server()}"
        self.send(packet(RESTART, user=who, name=who, configuration=configuration), fds)

    def overdue(self, process: int, user: str = "", **choices: Any) -> None:
        """Tells that a process has not answered."""
        self.send(packet(OVERDUE, user=user, process=process, **choices), [])

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
    timeout: int = 60,
    idle: int = 300,
    memory: int = 0,
    configuration: int = 0,
    process: int = 0,
) -> bytes:
    numbers = (kind, processes, threads, customer, timeout, idle, memory, configuration, process)
    texts = (user.encode(), python.encode(), name.encode())
    return ASK.pack(protocol, *numbers, *texts)


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
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_into(tmp_path_factory.mktemp("spawner"))


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

        def begin(*, on_old_kernel: bool = False, **environ: str) -> Spawner:
            return stack.enter_context(running(folder, environ, on_old_kernel=on_old_kernel))

        yield begin


@pytest.fixture
def spawner(start: Start) -> Spawner:
    return start()


@contextlib.contextmanager
def running(
    folder: Path,
    environ: dict[str, str],
    *,
    on_old_kernel: bool = False,
    cgroup: Path | None = None,
) -> Iterator[Spawner]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    log = folder / "error.log"
    numbers = map(str, (server(), server(), CONFIGURATION))
    kind = [str(cgroup or ""), str(on_old_kernel)]
    words = [str(folder / "mod_wsgi-spawner"), *numbers]
    with log.open("ab") as stream:
        process = subprocess.Popen(
            [sys.executable, "-c", STARTER, str(theirs.fileno()), *kind, *words],
            stderr=stream,
            env={"PATH": os.environ["PATH"], **environ},
            pass_fds=[theirs.fileno()],
        )
    theirs.close()
    made = Spawner(process=process, folder=folder, log=log, asks=ours)
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


@contextlib.contextmanager
def accounts() -> Iterator[contextlib.ExitStack]:
    """For accounts of the machine, which only one test may make at a time."""
    with Path(tempfile.gettempdir(), "mod_wsgi-test-users.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with contextlib.ExitStack() as stack:
            yield stack


@pytest.fixture
def users() -> Iterator[None]:
    """Accounts: alice with a group beside her own, mallory without a home, the server's."""
    with accounts() as stack:
        stack.callback(subprocess.run, ["groupdel", "wsgi-others"], check=False)
        add(stack, "wsgi-server", SERVER, home=False)
        subprocess.run(["groupadd", "-g", "20109", "wsgi-others"], check=True)
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
    assert told[2:] == ["7", "3", "0", str(server()), "0", str(CONFIGURATION), "0", "0"]


def test_a_process_has_no_descriptors_but_its_own(spawner: Spawner) -> None:
    fds = spawner.given().ask("facts()")["fds"]
    assert fds.pop("0") == "/dev/null"
    assert fds.pop("1") == fds.pop("2")
    assert fds.pop("3").startswith("socket:")
    assert "board" in fds.pop("4")
    assert fds.pop("5").startswith("pipe:")
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


# ---- Users -----------------------------------------------------------------------------------


@only_root
@pytest.mark.usefixtures("users")
def test_a_process_is_the_servers_user_by_default(spawner: Spawner) -> None:
    facts = spawner.given().ask("facts()")
    assert facts["uids"] == facts["gids"] == [SERVER] * 3
    assert facts["argv"][1] == "wsgi-server/shop"


@only_root
@pytest.mark.usefixtures("users")
def test_a_process_is_its_user_with_all_of_the_users_groups(spawner: Spawner) -> None:
    facts = spawner.given("wsgi-alice").ask("facts()")
    assert facts["uids"] == facts["gids"] == [ALICE] * 3
    assert sorted(facts["groups"]) == [ALICE, 20109]
    assert facts["argv"][1] == "wsgi-alice/shop"
    assert facts["cwd"] == facts["environ"]["HOME"] == "/home/wsgi-alice"
    assert facts["environ"]["USER"] == facts["environ"]["LOGNAME"] == "wsgi-alice"


@only_root
@pytest.mark.usefixtures("users")
def test_a_customers_process_is_told_that_it_is_one(spawner: Spawner) -> None:
    facts = spawner.given(f"#{ALICE}", customer=True).ask("facts()")
    assert facts["uids"] == [ALICE] * 3
    assert facts["argv"][4] == "1"


@only_root
@pytest.mark.usefixtures("users")
def test_a_process_can_not_become_root_again(spawner: Spawner) -> None:
    given = spawner.given("wsgi-alice")
    for call in ("setuid", "seteuid", "setgid", "setegid"):
        assert given.ask(f"refused(os.{call}, 0)")


@only_root
@pytest.mark.usefixtures("users")
def test_a_user_without_a_home_starts_at_the_root(spawner: Spawner) -> None:
    facts = spawner.given("wsgi-mallory").ask("facts()")
    assert facts["cwd"] == "/"
    assert facts["uids"] == [MALLORY] * 3


@only_root
@pytest.mark.usefixtures("users")
def test_one_name_of_two_users_is_two_processes(spawner: Spawner) -> None:
    one, other = spawner.given("wsgi-alice"), spawner.given("wsgi-mallory")
    assert one.pid != other.pid
    assert one.ask("os.getuid()") == ALICE
    assert other.ask("os.getuid()") == MALLORY


@only_root
@pytest.mark.usefixtures("users")
def test_a_customer_does_not_share_the_processes_of_the_administrator(spawner: Spawner) -> None:
    ours = spawner.given("wsgi-alice")
    assert spawner.given(f"#{ALICE}", customer=True).pid != ours.pid


def ask_as(uid: int, spawner: Spawner, user: str, **choices: Any) -> Given | Refused:
    """Asks as a child of the server that another module has made that user."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(TIMEOUT)
    spawner.opened.append(ours)
    with theirs:
        child = os.fork()
        if child == 0:
            os.setresuid(uid, uid, uid)
            spawner.send(packet(CONNECT, user=user, **choices), [theirs.fileno()])
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    return answer(ours)


@only_root
@pytest.mark.usefixtures("users")
def test_a_child_that_is_another_user_has_that_users_processes(spawner: Spawner) -> None:
    given = ask_as(ALICE, spawner, f"#{ALICE}")
    assert isinstance(given, Given)
    assert given.ask("os.getuid()") == ALICE


@only_root
@pytest.mark.usefixtures("users")
@pytest.mark.parametrize("user", ["", "wsgi-alice", f"#{MALLORY}", "#"])
def test_a_child_that_is_another_user_has_no_others_processes(spawner: Spawner, user: str) -> None:
    refused = ask_as(ALICE, spawner, user)
    assert isinstance(refused, Refused)
    assert refused.status == 500
    assert "may ask for that user's processes only" in refused.line
    assert spawner.children() == []


@only_root
@pytest.mark.parametrize(
    ("user", "reason"),
    [
        ("#0", "process of root: that would have every right"),
        ("root", "process of root: that would have every right"),
        ("#29999", "the user 29999 has no account"),
        ("nobody-at-all", "mod_wsgi.user is 'nobody-at-all', and there is no such user"),
        ("#4294967295", "4294967295 is no user's number"),
        ("#4294967296", "4294967296 is no user's number"),
        ("#-1", "-1 is no user's number"),
        ("# 20101", "no user's number"),
        ("#", "no user's number"),
        ("daemon", r"daemon \(number 1\) are not allowed: add the name to MOD_WSGI_USERS"),
    ],
)
def test_a_user_is_refused_at_once(spawner: Spawner, user: str, reason: str) -> None:
    refused = spawner.refused(user)
    assert (refused.status, refused.retry_after) == (500, 0)
    assert re.search(reason, refused.line), refused


@only_root
@pytest.mark.usefixtures("users")
@pytest.mark.parametrize(
    "allowed", ["20101", "20100-20101", "20101-", "wsgi-alice", "5 , wsgi-alice"]
)
def test_users_are_listed_by_number_and_by_name(start: Start, allowed: str) -> None:
    spawner = start(MOD_WSGI_USERS=allowed)
    assert spawner.given("wsgi-alice").ask("os.getuid()") == ALICE


@only_root
@pytest.mark.usefixtures("users")
@pytest.mark.parametrize(
    "allowed", ["none", "", "20100", "1-20100", "20102-", "wsgi-alic", "2000"]
)
def test_a_user_who_is_not_listed_is_refused(start: Start, allowed: str) -> None:
    spawner = start(MOD_WSGI_USERS=allowed)
    assert "MOD_WSGI_USERS" in spawner.refused("wsgi-alice").line
    assert spawner.given().ask("os.getuid()") == SERVER


@only_root
def test_a_number_beyond_two_to_the_31_is_a_user(spawner: Spawner) -> None:
    with accounts() as stack:
        add(stack, "wsgi-far", 3_000_000_000, home=False)
        facts = spawner.given("#3000000000", customer=True).ask("facts()")
    assert facts["uids"] == [3_000_000_000] * 3


@only_root
def test_a_user_whose_group_is_root_is_refused(spawner: Spawner) -> None:
    with accounts() as stack:
        stack.callback(subprocess.run, ["userdel", "wsgi-group"], check=False)
        subprocess.run(["useradd", "-M", "-u", "20104", "-g", "0", "wsgi-group"], check=True)
        assert "whose group is root" in spawner.refused("wsgi-group").line


# ---- Programs --------------------------------------------------------------------------------


def test_the_python_that_was_asked_for_runs(spawner: Spawner) -> None:
    shutil.copy(FAKE, spawner.folder / "mod_wsgi-py2.7")
    assert spawner.given(python="2.7").ask("sys.argv[0]").endswith("/mod_wsgi-py2.7")
    assert spawner.given(python="3.11").ask("sys.argv[0]").endswith("/mod_wsgi-py3.11")


def test_the_newest_python_runs_where_none_was_asked_for(spawner: Spawner) -> None:
    for version in ("2.7", "3.9", "3.13", "3.13t"):
        shutil.copy(FAKE, spawner.folder / f"mod_wsgi-py{version}")
    assert spawner.given(python="").ask("sys.argv[0]").endswith("/mod_wsgi-py3.13")


def test_a_program_that_is_missing_is_named(spawner: Spawner) -> None:
    refused = spawner.refused(python="3.6")
    assert refused.status == 503
    assert refused.line == f"{spawner.folder}/mod_wsgi-py3.6: No such file or directory"


def test_a_program_that_everybody_can_change_is_not_run(spawner: Spawner) -> None:
    (spawner.folder / "mod_wsgi-py3.11").chmod(0o777)
    assert "everybody can write to it" in spawner.refused().line


@only_root
def test_a_program_of_another_user_is_not_run(spawner: Spawner) -> None:
    os.chown(spawner.folder / "mod_wsgi-py3.11", ALICE, ALICE)
    assert "must belong to root" in spawner.refused().line


# ---- More than one process -------------------------------------------------------------------


def test_another_process_starts_when_all_are_busy(spawner: Spawner) -> None:
    first = spawner.given(threads=1)
    first.ask("set_busy(1)")
    second = spawner.given(threads=1)
    assert second.pid != first.pid
    assert second.slot != first.slot


def test_one_two_four_processes_start_in_a_second(spawner: Spawner) -> None:
    """They take long to start, and a hundred connections wait."""
    spawner.at_start("time.sleep(3.7)")
    began = time.monotonic()
    for _ in range(100):
        spawner.begin(processes=64, threads=1)
    counts = []
    for second in range(3):
        time.sleep(max(0, began + second + 0.5 - time.monotonic()))
        counts.append(len(spawner.children()))
    assert counts == [1, 3, 7]


def test_no_more_processes_start_than_have_work(spawner: Spawner) -> None:
    spawner.at_start("time.sleep(2.5)")
    waiting = [spawner.begin(processes=64, threads=5) for _ in range(7)]
    assert len({answer(each).pid for each in waiting}) <= 2  # type: ignore[union-attr]
    assert len(spawner.children()) == 2


def test_a_start_that_hangs_does_not_keep_others_from_starting(spawner: Spawner) -> None:
    spawner.at_start("time.sleep(60)")
    waiting = spawner.begin()
    (hanging,) = until(spawner.children)
    time.sleep(0.5)
    spawner.at_start("")
    given = answer(waiting)
    assert isinstance(given, Given)
    assert given.pid != hanging


def test_there_are_no_more_processes_than_allowed(spawner: Spawner) -> None:
    first = spawner.given(processes=2, threads=1)
    first.ask("set_busy(3)")
    second = spawner.given(processes=2, threads=1)
    second.ask("set_busy(2)")
    time.sleep(0.15)
    assert spawner.given(processes=2, threads=1).pid == second.pid, "the least busy"
    assert len(spawner.children()) == 2


def test_many_connections_at_once_are_spread(spawner: Spawner) -> None:
    spawner.at_start("set_busy(2)")
    asked = [spawner.begin(processes=3, threads=2) for _ in range(12)]
    given = [answer(each) for each in asked]
    assert len({each.pid for each in given if isinstance(each, Given)}) == 3


def test_a_connection_goes_to_a_process_that_gets_free_sooner(spawner: Spawner) -> None:
    first = spawner.given(threads=1)
    first.ask("set_busy(1)")
    spawner.at_start("import time; time.sleep(60)")
    waiting = spawner.begin(threads=1)
    time.sleep(0.2)
    first.ask("set_busy(0)")
    got = answer(waiting)
    assert isinstance(got, Given)
    assert got.pid == first.pid


def test_the_board_that_the_server_gets_can_only_be_read(spawner: Spawner) -> None:
    given = spawner.given()
    assert os.fstat(given.board).st_size == 64 * 64 + 65536
    given.ask("set_busy(3)")
    assert struct.unpack("=III", os.pread(given.board, 12, given.slot * 64)) == (given.pid, 1, 3)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.pwrite(given.board, b"x", 0)


def test_the_board_can_not_be_made_smaller(spawner: Spawner) -> None:
    assert spawner.given().ask("refused(os.ftruncate, 4, 0)")


# ---- Ends ------------------------------------------------------------------------------------


def test_a_process_that_was_killed_is_told_of_and_replaced(spawner: Spawner) -> None:
    given = spawner.given()
    os.kill(given.pid, signal.SIGKILL)
    assert given.ends()
    line = spawner.logs("signal 9")
    assert re.search(
        rf"\[error\] mod_wsgi: MW0707: process {given.pid} of .+/shop: signal 9 after 0 s", line
    )
    assert spawner.given().pid != given.pid


def test_a_process_that_ends_by_itself_is_told_of(spawner: Spawner) -> None:
    given = spawner.given()
    given.tell("die(3)")
    assert given.ends()
    spawner.logs(f"process {given.pid} of .+/shop: exit status 3 after 0 s")


def test_a_process_that_ends_by_itself_gets_no_more_connections(spawner: Spawner) -> None:
    given = spawner.given()
    given.ask("say('d')")
    deadline = time.monotonic() + TIMEOUT
    while spawner.given().pid == given.pid:
        assert time.monotonic() < deadline
    given.tell("die(0)")
    assert given.ends()
    time.sleep(0.2)
    assert "exit status" not in spawner.text()


def test_a_start_that_fails_is_told_to_those_who_wait(spawner: Spawner) -> None:
    spawner.at_start("import sys; sys.exit('no room on the moon')")
    refused = spawner.refused()
    assert (refused.status, refused.retry_after) == (503, 1)
    assert refused.line.endswith(
        "exit status 1 after 0 s, before it was ready: no room on the moon"
    )
    spawner.logs("exit status 1 after 0 s, before it was ready")


def test_a_start_that_failed_is_tried_again_after_a_second(spawner: Spawner) -> None:
    spawner.at_start("import os; os._exit(1)")
    began = time.monotonic()
    spawner.refused()
    spawner.refused()
    spawner.logs("before it was ready")
    assert spawner.text().count("before it was ready") == 1
    spawner.at_start("")
    time.sleep(max(0, began + 2 - time.monotonic()))
    assert spawner.given().ask("1") == 1


def test_processes_that_die_at_once_are_started_less_and_less_often(spawner: Spawner) -> None:
    spawner.at_start("sys.exit('no room on the moon')")
    began = time.monotonic()
    seen = []
    for pause in (1, 2, 4):
        refused = spawner.refused()
        assert refused.line.endswith("before it was ready: no room on the moon")
        assert (refused.status, refused.retry_after) == (503, pause)
        seen.append(refused.line)
        line = refused.line
        assert until(lambda: spawner.refused().line != line)  # noqa: B023 - called at once
    assert len(set(seen)) == 3
    assert time.monotonic() - began > 7
    spawner.logs(
        r"MW0720: 2 processes of .+/shop have died soon after .+ the next one starts in 2 s"
    )


def test_those_who_are_refused_are_told_when_the_next_attempt_is(spawner: Spawner) -> None:
    spawner.at_start("os._exit(1)")
    spawner.refused()
    assert until(lambda: spawner.refused().retry_after == 2)
    time.sleep(1.1)
    assert spawner.refused().retry_after == 1
    assert spawner.text().count("before it was ready") == 2


def test_a_restart_forgets_that_processes_have_died(spawner: Spawner) -> None:
    spawner.at_start("os._exit(1)")
    spawner.refused()
    assert until(lambda: spawner.refused().retry_after == 2)
    spawner.at_start("")
    spawner.restart()
    assert spawner.given().ask("1") == 1


def test_a_process_that_dies_without_an_answer_is_replaced_at_once_but_once(
    spawner: Spawner,
) -> None:
    for _ in range(2):
        given = spawner.given()
        given.tell("write('<3>out of moons\\n') and die(3)")
        assert given.ends()
        spawner.logs(f"process {given.pid} of .+ exit status 3")
    assert until(lambda: isinstance(spawner.ask(), Refused))
    refused = spawner.refused()
    assert refused.line.endswith("out of moons")
    assert refused.retry_after == 1
    assert until(lambda: isinstance(spawner.ask(), Given))


def test_a_process_that_has_served_is_replaced_within_a_second(spawner: Spawner) -> None:
    for _ in range(4):
        given = spawner.given()
        given.tell("(set_used(), die(3))")
        assert given.ends()
        spawner.logs(f"process {given.pid} of .+ exit status 3")
    assert spawner.given().ask("1") == 1
    assert "MW0720" not in spawner.text()


def test_others_serve_while_processes_die_at_their_start(spawner: Spawner) -> None:
    first = spawner.given(threads=1)
    first.ask("set_busy(1)")
    spawner.at_start("os._exit(1)")
    assert [spawner.given(threads=1).pid for _ in range(20)] == [first.pid] * 20
    assert spawner.text().count("before it was ready") <= 3


def test_the_server_ends_and_so_does_everything(start: Start) -> None:
    spawner = start()
    pids = [spawner.given(name=name).pid for name in "abc"]
    spawner.asks.close()
    assert spawner.process.wait(TIMEOUT) == 0
    assert not [pid for pid in pids if lives(pid)]


def test_a_spawner_that_is_terminated_ends_its_processes(spawner: Spawner) -> None:
    pid = spawner.given().pid
    spawner.process.terminate()
    assert spawner.process.wait(TIMEOUT) == 0
    assert not lives(pid)


def test_a_process_that_does_not_end_is_killed(spawner: Spawner) -> None:
    given = spawner.given()
    given.tell("wait(600)")
    time.sleep(0.2)
    began = time.monotonic()
    spawner.asks.close()
    assert spawner.process.wait(TIMEOUT) == 0
    assert 5 < time.monotonic() - began < 10
    spawner.logs(f"process {given.pid} of .+/shop does not end, as the server does: it is killed")
    assert not lives(given.pid)


def test_a_spawner_that_is_terminated_ends_before_its_server_kills_it(spawner: Spawner) -> None:
    given = spawner.given()
    given.tell("wait(600)")
    time.sleep(0.2)
    began = time.monotonic()
    spawner.process.terminate()
    assert spawner.process.wait(TIMEOUT) == 0
    assert time.monotonic() - began < 3
    assert not lives(given.pid)


def test_processes_end_when_the_spawner_was_killed(spawner: Spawner) -> None:
    pid = spawner.given().pid
    spawner.process.kill()
    assert until(lambda: not lives(pid))


def test_a_process_that_nobody_uses_ends(spawner: Spawner) -> None:
    given = spawner.given(idle=1)
    began = time.monotonic()
    assert until(lambda: not lives(given.pid))
    assert time.monotonic() - began > 0.9
    assert given.ends()
    assert spawner.given(idle=1).pid != given.pid
    assert "it is killed" not in spawner.text()


def test_a_process_that_nobody_uses_may_stay_for_ever(spawner: Spawner) -> None:
    given = spawner.given(idle=0)
    other = spawner.given(name="other", idle=1).pid
    assert until(lambda: not lives(other))
    assert lives(given.pid)


def test_a_process_with_a_request_is_not_idle(spawner: Spawner) -> None:
    """A request that came over a connection that the server had kept ends now."""
    busy = spawner.given(idle=1)
    busy.ask("set_busy(1)")
    other = spawner.given(name="other", idle=1).pid
    assert until(lambda: not lives(other))
    time.sleep(0.5)
    assert lives(busy.pid)
    busy.ask("(set_used(), set_busy(0))")
    began = time.monotonic()
    assert until(lambda: not lives(busy.pid))
    assert time.monotonic() - began > 0.5


def test_idle_processes_end_the_oldest_first_and_one_after_the_other(spawner: Spawner) -> None:
    given = []
    for _ in range(3):
        given.append(spawner.given(threads=1, idle=1))
        given[-1].ask("set_busy(1)")
    gone: list[int] = []
    for each in given:
        each.ask("set_busy(0)")

    def look() -> bool:
        gone.extend(each.pid for each in given if each.pid not in gone and not lives(each.pid))
        return len(gone) == len(given)

    assert until(look)
    assert gone == [each.pid for each in given]


def test_processes_come_and_go_as_they_are_used(spawner: Spawner) -> None:
    for _ in range(3):
        given = spawner.given(idle=1)
        assert given.ends()
    assert spawner.given(idle=1).ask("1") == 1


def test_a_process_without_a_board_tells_that_it_is_used(start: Start) -> None:
    spawner = start(on_old_kernel=True)
    used = spawner.given(name="used", idle=1)
    idle = spawner.given(name="idle", idle=1)

    def idle_has_ended() -> bool:
        used.ask("say('u')")
        return not lives(idle.pid)

    assert until(idle_has_ended)
    assert lives(used.pid)


def test_a_process_that_does_not_finish_its_requests_is_killed(spawner: Spawner) -> None:
    old = spawner.given(timeout=1)
    old.ask("set_busy(1)")
    old.tell("wait(600)")
    time.sleep(0.2)
    began = time.monotonic()
    spawner.restart()
    spawner.logs(f"process {old.pid} of .+/shop has not ended its requests in 6 s: it is killed")
    assert 5.5 < time.monotonic() - began < 9
    assert until(lambda: not lives(old.pid))
    assert "MW0707" not in spawner.text()


def test_a_process_that_does_not_end_after_its_requests_is_killed(spawner: Spawner) -> None:
    old = spawner.given(timeout=60)
    old.tell("wait(600)")
    time.sleep(0.2)
    began = time.monotonic()
    spawner.restart()
    spawner.logs(f"process {old.pid} of .+/shop does not end, though it has no request: it is")
    assert 5.5 < time.monotonic() - began < 9


def test_processes_that_drain_do_not_pile_up(spawner: Spawner) -> None:
    old = []
    for number in range(9):
        old.append(spawner.given(processes=1))
        old[-1].ask("set_busy(1)")
        old[-1].tell("wait(600)")
        time.sleep(0.1)
        spawner.restart(CONFIGURATION + 1 + number)
        assert until(lambda: len(spawner.children()) == len(old) + 1)
    spawner.given(processes=1)
    spawner.logs(
        f"process {old[0].pid} of .+/shop is one too many of those that end: it is killed"
    )
    assert until(lambda: not lives(old[0].pid))
    assert all(lives(each.pid) for each in old[1:])


# ---- Processes that do not answer ------------------------------------------------------------

TELL_AT_SIGNAL = "signal.signal(signal.SIGUSR2, lambda *_: write('is in a loop\\n'))"


def test_a_process_that_does_not_answer_is_replaced_and_killed(spawner: Spawner) -> None:
    spawner.at_start(TELL_AT_SIGNAL)
    given = spawner.given()
    given.tell("write('begins\\n') and wait(600)")
    spawner.logs("begins")
    began = time.monotonic()
    spawner.overdue(given.pid)
    spawner.logs(f"MW0740: process {given.pid} of .+/shop has a request without progress")
    spawner.logs(f"{given.pid}.*is in a loop")
    fresh = spawner.given()
    assert fresh.pid != given.pid
    assert time.monotonic() - began < 4
    spawner.logs(f"MW0708: process {given.pid} of .+/shop hangs: it is killed")
    assert given.ends()
    assert time.monotonic() - began > 5
    assert fresh.ask("os.getpid()") == fresh.pid


def test_another_process_starts_before_anybody_asks_for_one(spawner: Spawner) -> None:
    spawner.at_start(TELL_AT_SIGNAL)
    given = spawner.given()
    spawner.overdue(given.pid)
    assert until(lambda: set(spawner.children()) - {given.pid})


def test_a_process_that_answers_after_all_ends_by_itself(spawner: Spawner) -> None:
    spawner.at_start(TELL_AT_SIGNAL)
    given = spawner.given()
    given.tell("write('begins\\n') and wait(1)")
    spawner.logs("begins")
    spawner.overdue(given.pid)
    spawner.logs("MW0740")
    assert given.connection.recv(100) == b"null"
    assert until(lambda: not lives(given.pid))
    assert "MW0708" not in spawner.text()


@only_root
@pytest.mark.usefixtures("users")
def test_a_child_that_is_another_user_can_not_have_others_replaced(spawner: Spawner) -> None:
    """As mpm-itk makes them. The spawner reads what is sent in its order."""
    spawner.at_start(TELL_AT_SIGNAL)
    given = spawner.given("wsgi-mallory")
    child = os.fork()
    if child == 0:
        os.setresuid(ALICE, ALICE, ALICE)
        spawner.overdue(given.pid, "wsgi-mallory")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert spawner.given("wsgi-mallory").pid == given.pid
    assert "MW0740" not in spawner.text()


def test_many_complaints_are_one(spawner: Spawner) -> None:
    spawner.at_start(TELL_AT_SIGNAL)
    given = spawner.given()
    given.tell("write('begins\\n') and wait(600)")
    spawner.logs("begins")
    for _ in range(50):
        spawner.overdue(given.pid)
    spawner.given()
    assert spawner.text().count("MW0740") == 1
    assert len(spawner.children()) == 2


def test_processes_that_do_not_answer_are_replaced_within_the_limits(start: Start) -> None:
    """They count until they have ended."""
    spawner = start(**{LIMITS: "total=1"})
    spawner.at_start(TELL_AT_SIGNAL)
    for number in range(2):
        given = spawner.given()
        given.tell(f"write('begins {number}\\n') and wait(600)")
        spawner.logs(f"begins {number}")
        spawner.overdue(given.pid)
        spawner.logs(f"MW0740: process {given.pid}")
    assert "total=1" in spawner.refused().line
    assert len(spawner.children()) == 2
    assert until(lambda: isinstance(spawner.ask(), Given))


@pytest.mark.parametrize(
    "choices", [{"name": "other"}, {"python": "3.12"}, {"user": "#4"}, {"customer": True}]
)
def test_a_process_of_another_group_is_not_believed_to_hang(
    spawner: Spawner, choices: dict[str, Any]
) -> None:
    given = spawner.given()
    spawner.overdue(given.pid, **choices)
    spawner.overdue(spawner.process.pid)
    spawner.overdue(os.getpid())
    assert given.ask("os.getpid()") == given.pid
    assert spawner.given().pid == given.pid
    assert "MW0740" not in spawner.text()


# ---- Restarts --------------------------------------------------------------------------------


def test_a_restart_swaps_every_group(spawner: Spawner) -> None:
    before = [spawner.given(name=name).pid for name in "abc"]
    spawner.restart()
    assert until(lambda: not [pid for pid in before if lives(pid)])
    after = [spawner.given(name=name).pid for name in "abc"]
    assert not set(before) & set(after)
    assert until(lambda: len(spawner.children()) == 3)


def test_the_group_that_was_swapped_last_is_swapped_last(spawner: Spawner) -> None:
    """One that wants fresh processes all the time does not keep the others from theirs."""
    quiet, greedy = (spawner.given(name=name) for name in ("quiet", "greedy"))
    greedy.ask("say('s')")
    assert until(lambda: not lives(greedy.pid))
    greedy = spawner.given(name="greedy")
    spawner.at_start("write('begins\\n')")
    spawner.restart()
    assert until(lambda: not lives(quiet.pid) and not lives(greedy.pid))
    begun = re.findall(r"(\w+): begins", spawner.text())
    assert begun == ["quiet", "greedy"]


def test_a_request_under_way_outlives_a_restart(spawner: Spawner) -> None:
    old = spawner.given()
    old.tell("wait(1)")
    spawner.restart()
    assert spawner.given().pid != old.pid
    assert json.loads(old.connection.recv(100)) is None


def test_the_old_processes_stay_when_no_fresh_one_can_start(spawner: Spawner) -> None:
    old = spawner.given()
    spawner.at_start("import os; os._exit(1)")
    spawner.restart()
    spawner.logs("before it was ready")
    assert spawner.given().pid == old.pid


SLOW_START = "import os, time; time.sleep(0.5)"
DEADLY_WHILE_IT_LOADS = "import os, sys; sys.argv[8] != '0' and os._exit(7)"


def test_an_old_process_serves_until_a_fresh_one_is_ready(spawner: Spawner) -> None:
    old = spawner.given()
    spawner.at_start(SLOW_START)
    spawner.restart(CONFIGURATION)
    assert spawner.given().pid == old.pid
    assert until(lambda: not lives(old.pid))
    told = spawner.given().ask("sys.argv")
    assert told[7:9] == [str(CONFIGURATION), "30"]


def test_an_old_process_serves_nobody_after_a_change_of_the_configuration(
    spawner: Spawner,
) -> None:
    old = spawner.given()
    spawner.at_start(SLOW_START)
    spawner.restart()
    assert spawner.given().pid != old.pid


def test_a_busy_old_process_serves_until_there_are_as_many_fresh_ones(spawner: Spawner) -> None:
    old = []
    for _ in range(2):
        old.append(spawner.given(threads=1))
        old[-1].ask("set_busy(1)")
    assert old[0].pid != old[1].pid
    spawner.restart(CONFIGURATION)
    assert until(lambda: not lives(old[0].pid) and not lives(old[1].pid))
    assert until(lambda: len(spawner.children()) == 2)


def test_a_group_that_nobody_uses_ends_with_a_restart(spawner: Spawner) -> None:
    old = spawner.given()
    spawner.restart(CONFIGURATION)
    assert until(lambda: not lives(old.pid))
    (fresh,) = spawner.children()
    spawner.restart(CONFIGURATION)
    assert until(lambda: spawner.children() == [])
    assert spawner.given().pid != fresh


def test_a_process_that_still_loads_at_a_restart_is_swapped_too(spawner: Spawner) -> None:
    """It may have loaded what was changed before the restart."""
    old = spawner.given()
    spawner.at_start(SLOW_START)
    spawner.restart(CONFIGURATION)
    (loads,) = until(lambda: [pid for pid in spawner.children() if pid != old.pid])
    spawner.restart(CONFIGURATION)
    assert until(lambda: not lives(old.pid) and not lives(loads))
    assert spawner.given().pid not in {old.pid, loads}
    assert until(lambda: len(spawner.children()) == 1), spawner.text()


def test_groups_without_processes_do_not_use_up_descriptors(spawner: Spawner) -> None:
    given = [answer(each) for each in [spawner.begin(name=f"app{n}") for n in range(70)]]
    for each in given:
        assert isinstance(each, Given)
        each.tell("(say('d'), wait(0.3), die(0))")
    assert until(lambda: spawner.children() == [])
    assert until(lambda: boards(spawner.process.pid) == 2 * 64)


def boards(pid: int) -> int:
    """How many descriptors of boards the process has. Some may be closed meanwhile."""
    found = 0
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found += "board" in str(fd.readlink())
    return found


def test_a_second_process_may_load_what_the_first_has_noted(spawner: Spawner) -> None:
    spawner.given(threads=1).ask("set_busy(1)")
    assert spawner.given(threads=1).ask("sys.argv")[8] == "5"


def test_after_a_death_in_a_load_a_process_starts_that_loads_nothing(spawner: Spawner) -> None:
    old = spawner.given()
    spawner.at_start(DEADLY_WHILE_IT_LOADS)
    spawner.restart()
    fresh = spawner.given()
    assert fresh.pid != old.pid
    assert fresh.ask("sys.argv")[8] == "0"
    assert spawner.text().count("exit status 7 after 0 s, before it was ready") == 1


def test_the_last_process_is_replaced_when_it_dies_in_use(spawner: Spawner) -> None:
    """The one in its place has no connection, and is not replaced."""
    first = spawner.given()
    first.ask("set_used()")
    os.kill(first.pid, signal.SIGKILL)
    (second,) = until(lambda: [pid for pid in spawner.children() if pid != first.pid])
    assert until(lambda: f"process {first.pid} of" in spawner.text())
    time.sleep(0.3)
    os.kill(second, signal.SIGKILL)
    assert until(lambda: f"process {second} of" in spawner.text())
    time.sleep(0.3)
    assert spawner.children() == []
    assert spawner.given().ask("sys.argv")[8] == "5"


def test_only_the_server_can_ask_for_a_restart(spawner: Spawner) -> None:
    before = spawner.given().pid
    spawner.send(packet(RESTART)[:-1], [])
    spawner.logs("does not understand")
    assert spawner.given().pid == before


@only_root
def test_a_restart_is_not_believed_of_a_child_of_the_server(spawner: Spawner) -> None:
    before = spawner.given().pid
    child = os.fork()
    if child == 0:
        os.setuid(SERVER)
        spawner.restart_with([])
        os._exit(0)
    os.waitpid(child, 0)
    time.sleep(0.3)
    assert spawner.given().pid == before


# ---- Limits ----------------------------------------------------------------------------------

LIMITS = "MOD_WSGI_LIMITS"
LIMIT = "resource.getrlimit(resource.RLIMIT_{})"
UNLIMITED = [-1, -1]
MB = 1024 * 1024
SYS_RESOURCE = 24


def may_fix_the_score() -> bool:
    """Root in a container may not. The kernel then lets everybody take the score back."""
    status = Path("/proc/self/status").read_text()
    return bool(int(status.partition("CapEff:")[2].split()[0], 16) >> SYS_RESOURCE & 1)


OOM_SCORE = "int(Path('/proc/self/oom_score_adj').read_text())"


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("memories=3", "the words are total=, processes=, concurrency=, threads=, .*nproc="),
        ("threads", "the words are"),
        ("threads=0", "threads= has a number from 1 to 64, or off"),
        ("threads=5x", "threads= has a number"),
        ("concurrency=0", "concurrency= has a number from 1 to 65535, or off"),
        ("nice=-5", "nice= has a number from 0 to 19, or off"),
        ("total=", "total= has a number"),
        ("memory=99999999999999999999", "memory= has a number"),
    ],
)
def test_a_limit_that_makes_no_sense_is_told(start: Start, word: str, reason: str) -> None:
    spawner = start(**{LIMITS: f"processes=3, {word},idle=9"})
    line = spawner.logs(f"MW0730: {LIMITS}: '{word}' has no effect: {reason}")
    assert "[warn]" in line
    assert spawner.text().count("MW0730") == 1


@only_root
@pytest.mark.usefixtures("users")
def test_a_customer_gets_no_more_than_the_limits(start: Start) -> None:
    spawner = start(**{LIMITS: "Processes=3\tthreads=2,memory=64"})
    told = spawner.given(f"#{ALICE}", customer=True, processes=9, threads=9).ask("sys.argv")
    assert (told[2], told[3], told[9]) == ("2", "3", "64")
    told = spawner.given("wsgi-alice", processes=9, threads=9, memory=100).ask("sys.argv")
    assert (told[2], told[3], told[9]) == ("9", "9", "100")


@only_root
@pytest.mark.usefixtures("users")
def test_a_customer_may_have_less_than_the_limits(spawner: Spawner) -> None:
    given = spawner.given(f"#{ALICE}", customer=True, processes=2, threads=3, memory=5)
    told = given.ask("sys.argv")
    assert (told[2], told[3], told[9]) == ("3", "2", "5")


@only_root
@pytest.mark.usefixtures("users")
def test_the_system_bounds_a_customer_for_good(start: Start) -> None:
    spawner = start(**{LIMITS: "nofile=300 nice=5 memory=64 nproc=200 threads=4"})
    given = spawner.given(f"#{ALICE}", customer=True)
    assert given.ask(LIMIT.format("NOFILE")) == [300, 300]
    assert given.ask(LIMIT.format("NPROC")) == [200, 200]
    wall = 2 * 64 + 8 * (4 + 4) + 40 * os.sysconf("SC_NPROCESSORS_ONLN")
    assert given.ask(LIMIT.format("DATA")) == [wall * MB] * 2
    for name in ("CORE", "NICE", "RTPRIO"):
        assert given.ask(LIMIT.format(name)) == [0, 0]
    assert given.ask("os.nice(0)") == os.nice(0) + 5
    assert given.ask("error_of(lambda: os.nice(-1))") == "PermissionError"
    assert given.ask(OOM_SCORE) == 200
    if may_fix_the_score():
        lower = "error_of(lambda: Path('/proc/self/oom_score_adj').write_text('199'))"
        assert given.ask(lower) == "PermissionError"


@only_root
@pytest.mark.usefixtures("users")
def test_the_administrators_processes_may_have_what_the_server_has(start: Start) -> None:
    spawner = start(**{LIMITS: "nofile=300 nice=5 memory=64 nproc=20"})
    ours = json.loads(json.dumps(resource.getrlimit(resource.RLIMIT_NOFILE)))
    for user in ("", "wsgi-alice"):
        given = spawner.given(user, name=user or "shop")
        assert given.ask(LIMIT.format("NOFILE")) == [300, ours[1]]
        assert given.ask(LIMIT.format("DATA")) == UNLIMITED
        assert given.ask(LIMIT.format("NPROC")) == list(resource.getrlimit(resource.RLIMIT_NPROC))
        assert given.ask("os.nice(0)") == os.nice(0) + 5
        assert given.ask(OOM_SCORE) == 200


def test_limits_can_be_off(start: Start) -> None:
    off = "total processes concurrency threads memory timeout idle nice nofile nproc".replace(
        " ", "=OFF "
    )
    spawner = start(**{LIMITS: off + "=off"})
    given = spawner.given()
    assert given.ask(LIMIT.format("NOFILE")) == list(resource.getrlimit(resource.RLIMIT_NOFILE))
    assert given.ask("os.nice(0)") == os.nice(0)
    assert LIMITS not in spawner.text()


@only_root
@pytest.mark.usefixtures("users")
def test_a_user_can_not_fill_the_machine_with_processes(start: Start) -> None:
    spawner = start(**{LIMITS: "nproc=20"})
    given = spawner.given(f"#{ALICE}", customer=True)
    forked = given.ask("fork_all(40)")
    assert 0 < forked < 20
    spawner.given(f"#{ALICE}", customer=True, name="last")
    refused = spawner.refused(f"#{ALICE}", customer=True, name="none")
    assert refused.status == 503
    assert "as many processes and threads as nproc of MOD_WSGI_LIMITS allows" in refused.line
    assert spawner.given(f"#{MALLORY}", customer=True).ask("fork_all(5)") == 5


def customers(spawner: Spawner, uid: int, name: str, *, busy: bool) -> Given:
    given = spawner.given(f"#{uid}", customer=True, name=name, processes=1, threads=1)
    given.ask(f"set_busy({int(busy)})")
    time.sleep(0.12)  # a fresh connection counts as a request for a moment
    return given


@only_root
@pytest.mark.usefixtures("users")
def test_a_customer_has_so_many_processes_whatever_their_names(start: Start) -> None:
    spawner = start(**{LIMITS: "processes=2"})
    kept = [customers(spawner, ALICE, name, busy=True) for name in "ab"]
    refused = spawner.refused(f"#{ALICE}", customer=True, name="c")
    assert (refused.status, refused.retry_after) == (503, 1)
    assert refused.line == (
        f"the user {ALICE} has as many processes as MOD_WSGI_LIMITS in the server's environment "
        "allows, processes=2, and none is idle"
    )
    assert "allows, processes=2," in spawner.refused(f"#0{ALICE}", customer=True, name="d").line
    assert customers(spawner, MALLORY, "c", busy=True).ask("1") == 1
    assert [given.ask("1") for given in kept] == [1, 1]
    assert spawner.given("wsgi-alice").ask("1") == 1


@only_root
@pytest.mark.usefixtures("users")
def test_at_the_limit_an_idle_process_of_the_same_customer_ends(start: Start) -> None:
    spawner = start(**{LIMITS: "processes=2"})
    others = customers(spawner, MALLORY, "idle", busy=False)
    busy = customers(spawner, ALICE, "a", busy=True)
    idle = customers(spawner, ALICE, "b", busy=False)
    fresh = customers(spawner, ALICE, "c", busy=False)
    assert until(lambda: not lives(idle.pid))
    assert [given.ask("1") for given in (others, busy, fresh)] == [1, 1, 1]


def test_at_the_limit_of_all_the_longest_idle_process_ends(start: Start) -> None:
    spawner = start(**{LIMITS: "total=3"})
    given = [spawner.given(name=name, threads=1) for name in "abc"]
    given[0].ask("set_busy(1)")
    time.sleep(0.12)
    assert spawner.given(name="b").pid == given[1].pid
    time.sleep(0.12)
    assert spawner.given(name="d").ask("1") == 1
    assert until(lambda: not lives(given[2].pid))
    assert [each.ask("1") for each in given[:2]] == [1, 1]


def test_when_all_are_busy_at_the_limit_of_all_requests_are_refused(start: Start) -> None:
    spawner = start(**{LIMITS: "total=2"})
    for name in "ab":
        spawner.given(name=name, threads=1).ask("set_busy(1)")
    refused = spawner.refused(name="c")
    assert (refused.status, refused.retry_after) == (503, 1)
    assert refused.line.startswith("there are as many processes as MOD_WSGI_LIMITS")
    assert "total=2" in refused.line
    assert spawner.given(name="a", threads=1).ask("1") == 1, "at the least busy one, as ever"
    assert len(spawner.children()) == 2


def test_a_swap_needs_no_room_but_not_for_ever(start: Start) -> None:
    spawner = start(**{LIMITS: "total=1"})
    first = spawner.given()
    first.tell("wait(1.5)")
    spawner.restart()
    second = spawner.given()
    second.tell("wait(1.5)")
    spawner.restart(CONFIGURATION + 2)
    assert "total=1" in spawner.refused().line
    assert json.loads(first.connection.recv(100)) is None
    assert json.loads(second.connection.recv(100)) is None
    assert until(lambda: isinstance(spawner.ask(), Given))


# ---- Processes that have grown too large -----------------------------------------------------


def test_a_process_that_has_grown_too_large_is_replaced(spawner: Spawner) -> None:
    old = spawner.given()
    spawner.at_start(SLOW_START)
    old.ask("say('s')")
    assert spawner.given().pid == old.pid, "until the fresh one has loaded"
    assert until(lambda: not lives(old.pid))
    assert spawner.given().ask("sys.argv")[8] == "30"
    assert len(spawner.children()) == 1


def test_only_the_one_that_has_grown_is_replaced(spawner: Spawner) -> None:
    given = []
    for _ in range(3):
        given.append(spawner.given(threads=1))
        given[-1].ask("set_busy(1)")
    given[1].ask("say('s')")
    assert until(lambda: not lives(given[1].pid))
    assert until(lambda: len(spawner.children()) == 3)
    assert [given[0].ask("1"), given[2].ask("1")] == [1, 1]


def test_a_process_that_has_grown_stays_if_no_other_can_start(spawner: Spawner) -> None:
    """It says so again, and then another can."""
    old = spawner.given()
    spawner.at_start("import os; os._exit(1)")
    old.ask("say('s')")
    spawner.logs("before it was ready")
    assert spawner.given().pid == old.pid
    spawner.at_start("")

    def says_it_again() -> bool:
        with contextlib.suppress(ConnectionError):
            old.ask("say('s')")
        return not lives(old.pid)

    assert until(says_it_again)
    assert spawner.given().pid != old.pid


def test_a_process_that_says_it_all_the_time_starts_no_crowd(spawner: Spawner) -> None:
    old = spawner.given()
    spawner.at_start(SLOW_START)
    old.ask("[say('s') for _ in range(1000)] and 1")
    seen = set()
    while lives(old.pid):
        seen |= set(spawner.children())
        time.sleep(0.01)
    assert len(seen) == 2


ALWAYS_TOO_LARGE = """
import threading

def talk():
    while True:
        time.sleep(0.02)
        os.write(NEWS, b"s")

threading.Thread(target=talk, daemon=True).start()
"""


def test_a_process_that_is_too_large_as_soon_as_it_has_loaded_stays_for_a_while(
    spawner: Spawner,
) -> None:
    """Else there would be one swap after the other, and others would not get theirs."""
    spawner.at_start(ALWAYS_TOO_LARGE)
    first = spawner.given(name="large")
    assert until(lambda: not lives(first.pid))
    second = spawner.given(name="large")
    spawner.logs(
        f"MW0741: process {second.pid} of .+/large has more memory than mod_wsgi.memory allows as "
        "soon as it has loaded: it stays for 2 min"
    )
    spawner.at_start("")
    other = spawner.given(name="other")
    other.ask("say('s')")
    assert until(lambda: not lives(other.pid))
    assert spawner.given(name="large").pid == second.pid
    assert spawner.text().count("MW0741") == 1


# ---- Logs ------------------------------------------------------------------------------------


def test_what_a_process_writes_is_logged_with_its_name(spawner: Spawner) -> None:
    given = spawner.given()
    given.ask(r"write('one\ntwo\n')")
    line = spawner.logs("two")
    assert re.search(rf"\] \[notice\] \[pid {given.pid}\] .+/shop: two$", line)


def test_a_line_can_say_its_level(spawner: Spawner) -> None:
    given = spawner.given()
    given.ask(r"write('<3>bad\n<4>odd\n<6>fine\n<x>what\n')")
    assert "[error]" in spawner.logs("bad")
    assert "[warn]" in spawner.logs("odd")
    assert "[notice]" in spawner.logs(": fine")
    assert "[notice]" in spawner.logs(": <x>what")


def test_standard_output_goes_to_the_log_too(spawner: Spawner) -> None:
    spawner.given().ask(r"write('printed\n', 1)")
    spawner.logs("printed")


def test_a_line_can_not_forge_another(spawner: Spawner) -> None:
    spawner.given().ask(r"write('a\x1b[2Jb\rc\x00d\n')")
    assert spawner.logs(r"a\\x1b").endswith(r"a\x1b[2Jb\x0dc\x00d")


def test_a_long_line_becomes_several(spawner: Spawner) -> None:
    spawner.given().ask("write('x' * 9000 + '\\nend\\n')")
    spawner.logs("end")
    assert spawner.text().count("x") >= 9000


def test_the_last_ask_says_where_the_log_is(spawner: Spawner) -> None:
    other = spawner.folder / "other.log"
    given = spawner.given()
    spawner.given(log=other)
    given.ask(r"write('there\n')")
    assert until(lambda: "there" in other.read_text())
    assert "there" not in spawner.text()


def test_a_flood_is_cut_and_counted(spawner: Spawner) -> None:
    given = spawner.given()
    given.ask("[write('line %d\\n' % n) for n in range(5000)] and 1")
    time.sleep(1.1)
    given.ask(r"write('later\n')")
    spawner.logs(": later")
    spawner.logs(r"\d+ lines are left out here: more than 100 in a second")
    assert spawner.text().count(": line ") <= 300


def test_a_log_that_nobody_reads_stops_nothing(spawner: Spawner) -> None:
    reads, writes = os.pipe()
    given = spawner.given()
    try:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        spawner.opened.append(ours)
        spawner.send(packet(CONNECT), [theirs.fileno(), writes])
        theirs.close()
        for _ in range(30):
            given.ask("write('x' * 4000 + '\\n')")
        assert spawner.given(name="another", log=spawner.log).ask("1") == 1
    finally:
        os.close(reads)
        os.close(writes)


# ---- Asks that make no sense -----------------------------------------------------------------


@pytest.mark.parametrize(
    "choices",
    [
        {"processes": 0},
        {"processes": 65},
        {"threads": 0},
        {"threads": 1000},
        {"name": ""},
        {"name": "x" * 256},
        {"user": "x" * 256},
        {"python": "../../bin/sh"},
        {"python": "3" * 16},
        {"user": "wsgi-alice", "customer": True},
        {"customer": True},
    ],
    ids=repr,
)
def test_an_ask_that_makes_no_sense_is_refused(spawner: Spawner, choices: dict[str, Any]) -> None:
    refused = spawner.refused(**choices)
    assert "does not understand" in refused.line
    assert spawner.given().ask("1") == 1


def test_an_empty_ask_is_not_the_end(spawner: Spawner) -> None:
    spawner.asks.send(b"")
    assert spawner.logs("does not understand")
    assert spawner.given().ask("os.getpid()")


def test_no_process_gives_the_spawner_a_descriptor(spawner: Spawner) -> None:
    """Closing a descriptor may wait: for SO_LINGER, or for a program's file system."""
    given = spawner.given()
    code = "__import__('socket').send_fds(socket.socket(fileno=os.dup(3)), [b'x'], [0])"
    assert given.ask(f"error_of(lambda: {code})") == "BrokenPipeError"


def test_an_ask_of_another_version_is_refused(spawner: Spawner) -> None:
    assert "another version" in spawner.refused(protocol=PROTOCOL + 1).line


def test_an_ask_without_a_connection_is_ignored(spawner: Spawner) -> None:
    spawner.send(packet(CONNECT), [])
    assert spawner.given().ask("1") == 1


def test_descriptors_of_odd_asks_are_closed(spawner: Spawner) -> None:
    place = Path(f"/proc/{spawner.process.pid}/fd")
    spawner.given()
    before = len(list(place.iterdir()))
    with Path(os.devnull).open() as file:
        for count in range(9):
            spawner.send(b"odd", [file.fileno()] * count)
            spawner.send(packet(9), [file.fileno()] * count)
            spawner.send(packet(RESTART)[:40], [file.fileno()] * count)
    spawner.given()
    assert until(lambda: len(list(place.iterdir())) <= before)


def test_a_hundred_asks_leave_no_descriptor(spawner: Spawner) -> None:
    place = Path(f"/proc/{spawner.process.pid}/fd")
    spawner.given(processes=1)
    before = len(list(place.iterdir()))
    for _ in range(100):
        spawner.given(processes=1).connection.close()
    assert until(lambda: len(list(place.iterdir())) <= before)


def test_random_asks_end_nothing(spawner: Spawner) -> None:
    chance = random.Random(18)  # noqa: S311 - the same asks each time
    alive = spawner.given()
    with Path(os.devnull).open() as file:
        for _ in range(500):
            data = bytearray(packet(chance.choice([CONNECT, CONNECT, RESTART, 7])))
            for _ in range(chance.randrange(4)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            size = chance.choice([len(data), len(data), chance.randrange(1, len(data))])
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with ours, theirs:
                fds = [theirs.fileno(), file.fileno()]
                spawner.send(bytes(data[:size]), fds[: chance.randrange(3)])
    assert alive.ends() or alive.ask("1") == 1
    assert until(lambda: isinstance(spawner.ask(), Given))


# ---- Old kernels -----------------------------------------------------------------------------


def test_an_old_kernel_has_no_board_and_all_else(start: Start) -> None:
    spawner = start(on_old_kernel=True)
    given = spawner.given(processes=1)
    assert given.board == -1
    facts = given.ask("facts()")
    assert facts["argv"][6] == "-1"
    assert sorted(int(fd) for fd in facts["fds"])[:4] == [0, 1, 2, 3]
    assert [name for name in facts["fds"].values() if "pipe" not in name][1:] == [
        name for name in facts["fds"].values() if name.startswith("socket:")
    ]
    assert len(facts["fds"]) == 6, facts["fds"]


def test_connections_are_counted_where_there_is_no_board(start: Start) -> None:
    spawner = start(on_old_kernel=True)
    pids = [spawner.given(processes=3, threads=2).pid for _ in range(9)]
    assert sorted(pids.count(pid) for pid in set(pids)) == [3, 3, 3]
