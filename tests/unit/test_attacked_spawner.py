"""The spawner, attacked: by a child of the server that was broken into, and by processes.

What is refused has no effect on others. What is taken has bounds: descriptors, memory, processes.
"""

# ruff: noqa: F811 - the fixtures are those of test_spawner.py

import os
import socket
import struct
import time
from pathlib import Path
from typing import Any

import pytest

from tests.harness.site import memory
from tests.unit.test_spawner import (  # noqa: F401 - the fixtures are used by their names
    ALICE,
    CONNECT,
    LIMIT,
    LIMITS,
    MALLORY,
    Given,
    Refused,
    Spawner,
    Start,
    answer,
    ask_as,
    customers,
    folder,
    lives,
    only_root,
    packet,
    program,
    spawner,
    start,
    until,
    users,
)

SO_LINGER_LONG = struct.pack("ii", 1, 60)


def descriptors(of: Spawner) -> int:
    return len(list(Path(f"/proc/{of.process.pid}/fd").iterdir()))


def seconds(pid: int) -> float:
    """Of the processor's time."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def serves(of: Spawner, name: str = "shop") -> bool:
    return bool(of.given(name=name, processes=1).ask("1 + 1") == 2)


# ---- A child of the server that was broken into ----------------------------------------------


def test_a_flood_of_asks_takes_no_memory_and_no_descriptors(spawner: Spawner) -> None:
    assert serves(spawner)
    flood(spawner, 200)
    fds, held = descriptors(spawner), memory(spawner.process.pid, "VmRSS")
    flood(spawner, 2000)
    assert serves(spawner, "other")
    assert until(lambda: isinstance(spawner.ask(), Given))
    assert until(lambda: descriptors(spawner) <= fds + 20)
    assert memory(spawner.process.pid, "VmRSS") - held < 4_000_000


def flood(spawner: Spawner, count: int) -> None:
    with Path(os.devnull).open("ab") as log:
        for number in range(count):
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with ours, theirs:
                asked = packet(CONNECT, processes=number % 70, threads=1)
                spawner.send(asked, [theirs.fileno(), log.fileno()])


def test_a_flood_of_names_has_no_more_processes_than_the_bound(start: Start) -> None:
    spawner = start(MOD_WSGI_LIMITS="total=4")
    assert serves(spawner)
    asked = [spawner.begin(name=f"name-{number}") for number in range(60)]
    told = [answer(connection) for connection in asked]
    assert len(spawner.children()) <= 4
    assert sum(isinstance(each, Given) for each in told) <= 4
    assert {each.status for each in told if isinstance(each, Refused)} == {503}
    for connection in asked:
        connection.close()
    assert until(lambda: isinstance(spawner.ask(), Given))


@pytest.mark.parametrize(
    "name",
    ["../../../tmp/x", "/etc/passwd", "..", "%n%s%1000000d", "\x1b[2J\r\n[error] forged", "a\tb"],
)
def test_a_name_is_only_a_name(spawner: Spawner, name: str) -> None:
    given = spawner.given(name=name)
    assert given.ask("sys.argv[1]").endswith("/" + name)
    given.ask(r"write('a line\n')")
    assert "\x1b" not in spawner.logs(": a line")
    assert "\n[error] forged" not in spawner.text()


USERS = [
    "#0",
    "#-1",
    "#",
    "#4294967295",
    "#4294967296",
    "# 1",
    "#1e3",
    "#0x0",
    "root",
    "%n%s",
    "../root",
]


@pytest.mark.parametrize("customer", [False, True])
@pytest.mark.parametrize("user", USERS)
def test_a_user_that_is_none_has_no_process(
    spawner: Spawner, user: str, *, customer: bool
) -> None:
    refused = spawner.refused(user, customer=customer)
    assert refused.status in {500, 503}
    assert serves(spawner)
    assert len(spawner.children()) == 1


def test_a_python_is_only_a_version(spawner: Spawner) -> None:
    for python in ("../../bin/sh", "3.11/../x", "..", "....", "3.11\n", " 3.11", "-"):
        assert spawner.refused(python=python).status == 503
    assert serves(spawner)


@pytest.mark.parametrize("log", ["a pipe that is full", "a file to read", "none"])
def test_any_descriptor_may_be_the_log(spawner: Spawner, log: str) -> None:
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    if log == "a pipe that is full":
        while until_full(writes):
            pass
    chosen = {"a pipe that is full": [writes], "a file to read": [reads]}.get(log, [])
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    spawner.opened.append(ours)
    with theirs:
        spawner.send(packet(CONNECT, name="other"), [theirs.fileno(), *chosen])
    got = answer(ours)
    assert isinstance(got, Given)
    got.ask(r"write('a line\n' * 200)")
    assert serves(spawner)
    os.close(reads)
    os.close(writes)


def until_full(writes: int) -> bool:
    try:
        return os.write(writes, b"x" * 4096) > 0
    except BlockingIOError:
        return False


@pytest.mark.parametrize(
    "kind", ["folder", "file", "pipe", "device", "stream", "path", "lingering"]
)
def test_any_descriptor_may_be_the_connection(spawner: Spawner, kind: str) -> None:
    """The process that gets it finds no connection there. Nobody else notices."""
    assert serves(spawner)
    fds = descriptors(spawner)
    ends, streams = os.pipe(), socket.socketpair()
    listener = socket.create_server(("127.0.0.1", 0))
    lingering = socket.create_connection(listener.getsockname())
    lingering.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, SO_LINGER_LONG)
    paths = {"folder": "/", "file": "/etc/hostname", "device": "/dev/zero", "path": "/etc"}
    flags = os.O_PATH if kind == "path" else os.O_RDONLY
    opened = os.open(paths.get(kind, "/"), flags)
    chosen = {
        "pipe": ends[1],
        "stream": streams[0].fileno(),
        "lingering": lingering.fileno(),
    }.get(kind, opened)
    for name in ("shop", "another", "#nobody"):
        spawner.send(packet(CONNECT, name=name, processes=1), [chosen])
        spawner.send(packet(CONNECT, name=name, processes=0), [chosen])
    for each in (opened, *ends):
        os.close(each)
    for closed in (*streams, listener, lingering):
        closed.close()
    assert until(lambda: isinstance(spawner.ask(name="fresh"), Given))
    assert until(lambda: descriptors(spawner) <= fds + 40)


# ---- A child of the server that has become a user, as by mpm-itk -----------------------------


def as_alice(spawner: Spawner, **choices: Any) -> Given | Refused:
    """Asks as code of alice's does, which says nothing of a customer."""
    return ask_as(ALICE, spawner, f"#{ALICE}", **choices)


@only_root
@pytest.mark.usefixtures("users")
def test_who_asks_for_processes_of_its_own_has_the_limits_of_a_customer(start: Start) -> None:
    spawner = start(**{LIMITS: "processes=2 threads=3 memory=64 nproc=200 nofile=300"})
    given = as_alice(spawner, processes=64, threads=64)
    assert isinstance(given, Given)
    told = given.ask("sys.argv")
    assert (told[2], told[3], told[9]) == ("3", "2", "64")
    assert told[4] == "0", "the application may be the administrator's"
    assert given.ask(LIMIT.format("NPROC")) == [200, 200]
    assert given.ask(LIMIT.format("NOFILE")) == [300, 300]


@only_root
@pytest.mark.usefixtures("users")
def test_processes_of_ones_own_count_with_those_of_the_customer(start: Start) -> None:
    spawner = start(**{LIMITS: "processes=2"})
    customers(spawner, ALICE, "a", busy=True)
    given = as_alice(spawner, name="b", processes=1, threads=1)
    assert isinstance(given, Given)
    given.ask("set_busy(1)")
    time.sleep(0.12)  # a fresh connection counts as a request for a moment
    for name, user in (("c", f"#{ALICE}"), ("d", f"#0{ALICE}")):
        refused = ask_as(ALICE, spawner, user, name=name)
        assert isinstance(refused, Refused)
        assert f"the user {ALICE} has as many processes" in refused.line
    assert "processes=2," in spawner.refused(f"#{ALICE}", name="e", customer=True).line
    assert serves(spawner)
    assert isinstance(ask_as(MALLORY, spawner, f"#{MALLORY}"), Given)


@only_root
@pytest.mark.usefixtures("users")
def test_who_asks_for_processes_of_its_own_changes_no_others(start: Start) -> None:
    """Those of the same user and name that the administrator has set up."""
    spawner = start(**{LIMITS: "processes=2 threads=3"})
    trusted = spawner.given(f"#{ALICE}", processes=9, threads=9)
    asked = as_alice(spawner, processes=1, threads=1)
    assert isinstance(asked, Given)
    assert asked.pid != trusted.pid
    assert spawner.given(f"#{ALICE}", processes=9, threads=9).pid == trusted.pid
    assert trusted.ask("sys.argv")[2] == "9"


# ---- Processes -------------------------------------------------------------------------------


@pytest.mark.parametrize("where", [1, 2, 5], ids=["output", "errors", "news"])
def test_a_flood_from_a_process_holds_up_nobody(spawner: Spawner, where: int) -> None:
    """It writes without end, bytes that mean nothing."""
    flooding = spawner.given(name="flood")
    held = memory(spawner.process.pid, "VmRSS")
    code = f"__import__('threading').Thread(target=lambda: [write('\\x00x\\x1b' * 20000, {where}) "
    code += "for _ in iter(int, 1)], daemon=True).start()"
    flooding.tell(code)
    for _ in range(20):
        assert serves(spawner)
    assert memory(spawner.process.pid, "VmRSS") - held < 8_000_000
    os.kill(flooding.pid, 9)


def test_a_full_pipe_of_news_costs_the_spawner_little(spawner: Spawner) -> None:
    """It is root's time, and not the customer's."""
    given = spawner.given(name="talking")
    before = seconds(spawner.process.pid)
    assert given.ask("say('u' * 65536)") == 65536
    assert given.ask("say('u' * 65536)") == 65536, "the first are read"
    assert seconds(spawner.process.pid) - before < 0.1


@pytest.mark.parametrize("fds", [(1, 2), (5,), (4,), (1, 2, 4, 5)])
def test_a_process_may_close_what_it_has(spawner: Spawner, fds: tuple[int, ...]) -> None:
    given = spawner.given(name="closing")
    given.ask(f"[os.close(fd) for fd in {fds}] and 1")
    assert serves(spawner)
    assert serves(spawner, "closing")


def test_a_process_that_lives_on_without_its_news_is_replaced(spawner: Spawner) -> None:
    """It hears nothing, says nothing, and does not end."""
    mute = spawner.given(name="mute", processes=1)
    mute.ask("[signal.signal(12, signal.SIG_IGN), os.dup2(os.pipe()[0], CONTROL)] and 1")
    mute.ask("os.close(NEWS) or 1")
    line = spawner.logs(rf"MW0755: process {mute.pid} of \S+/mute: it has closed its descriptor 5")
    assert "it is replaced, and killed in 5 s" in line
    fresh = spawner.given(name="mute", processes=1)
    assert fresh.pid != mute.pid
    assert lives(mute.pid)
    assert until(lambda: not lives(mute.pid))
    spawner.logs(f"MW0708: process {mute.pid} of .+/mute hangs: it is killed")
    assert lives(fresh.pid)


def test_processes_that_close_their_news_again_and_again_start_less_often(
    spawner: Spawner,
) -> None:
    """For those who ask that is like a death."""
    spawner.at_start(
        "os.write(NEWS, b'r'); os.close(NEWS)\nsignal.signal(12, signal.SIG_IGN); time.sleep(60)\n"
    )
    refused = until(lambda: isinstance(got := spawner.ask(name="mute"), Refused) and got)
    assert "it has closed its descriptor 5" in refused.line
    assert spawner.logs(r"MW0720: \d+ processes of .+/mute have died soon after their start")


def test_a_process_that_never_reads_its_control_socket_gets_no_more(spawner: Spawner) -> None:
    stopped = spawner.given(name="stopped", processes=2, threads=1)
    os.kill(stopped.pid, 19)
    waiting = [spawner.begin(name="stopped", processes=2, threads=1) for _ in range(300)]
    assert serves(spawner)
    os.kill(stopped.pid, 9)
    assert until(lambda: not lives(stopped.pid))
    assert serves(spawner)
    del waiting


def test_a_child_of_a_process_that_keeps_the_pipes_does_not_keep_its_parent(
    spawner: Spawner,
) -> None:
    given = spawner.given(name="forking")
    child = given.ask("os.fork() or wait(60)")
    os.kill(given.pid, 9)
    assert spawner.logs(rf"process {given.pid} of \S+: signal 9")
    assert until(lambda: not lives(given.pid))
    assert serves(spawner, "forking")
    os.kill(child, 9)


BOARD = (
    "os.pwrite(4, struct.pack('=5I', {pid}, {threads}, {busy}, {draining}, {last}), {slot} * 64)"
)


@pytest.mark.parametrize(
    "lie",
    [
        {"busy": 4_000_000_000},
        {"threads": 0, "busy": 2**32 - 1},
        {"draining": 1},
        {"last": 2**32 - 1},
        {"pid": "os.getppid()"},
        {"pid": 1, "busy": 1},
    ],
    ids=repr,
)
def test_who_lies_on_the_board_harms_the_own_group(
    spawner: Spawner, lie: dict[str, object]
) -> None:
    """The spawner signals no process that the board names."""
    assert serves(spawner)
    liar = spawner.given(name="liar", processes=2)
    words = {"pid": "os.getpid()", "threads": 5, "busy": 0, "draining": 0, "last": 0, **lie}
    for slot in (0, 1, 63):
        liar.ask(BOARD.format(slot=slot, **words))
    asked = [spawner.begin(name="liar", processes=2) for _ in range(4)]
    spawner.restart()
    assert until(lambda: serves(spawner))
    assert spawner.process.poll() is None
    del asked


@pytest.mark.parametrize("said", ["r" * 1000, "d" * 1000, "rdrdrd", "x\\x00\\xff", "c"])
def test_news_that_mean_nothing_are_harmless(spawner: Spawner, said: str) -> None:
    spawner.given(name="talking").ask(f"say('{said}')")
    assert serves(spawner)
    assert serves(spawner, "talking")
