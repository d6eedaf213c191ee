"""What the benchmarks ask, of whom, with which configuration; and their own two clients."""

import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from bench import BENCH, http2, instructions, peers, processes, report, slow
from bench.__main__ import chosen_peers, chosen_ways, chosen_workloads, load_for, parse
from bench.kit import Kit
from bench.load import Sample, Series, accepted
from bench.peers import FLOOR, FLUSHING, LEAST, OURS, PEERS, PROCESSES, Started, Task, can_serve
from bench.workloads import BELOW, HELLO, WAYS, WORKLOADS, Workload, applications, ways
from command import TOP, Problem
from command.httpd import Load
from command.servers import Server

BY_NAME = {workload.name: workload for workload in WORKLOADS}
IN_APACHE = [OURS, "before", FLOOR, FLUSHING, LEAST, "embedded"]


def server(mpm: str = "event", modules: Path = Path("/nowhere")) -> Server:
    return Server(
        line="2.4",
        version="2.4.1",
        mpm=mpm,
        apxs=Path("apxs"),
        httpd=Path("httpd"),
        modules=modules,
        static=frozenset(),
    )


def configuration(peer: str, workload: Workload, monkeypatch: pytest.MonkeyPatch) -> str:
    """What Apache would have been given, had it been started."""
    given: list[str] = []

    @contextmanager
    def record(_task: Task, _module: Path, lines: str, **_options: Any) -> Iterator[Started]:
        given.append(lines)
        yield Started(url="", apache=None)

    monkeypatch.setattr(peers, "apache", record)
    python = cast("Any", None)
    here = Path(__file__)
    kit = Kit(
        python=python,
        ours=here,
        before=here,
        floor=here,
        least=here,
        incumbent=here,
        venv=here,
        file=here,
    )
    load = Load(processes=1, threads=8)
    with PEERS[peer].start(Task(server=server(), kit=kit, load=load, workload=workload)):
        return given[0]


@pytest.mark.parametrize("workload", [HELLO, BELOW, applications(10)], ids=lambda each: each.name)
def test_the_c_handlers_are_configured_as_we_are(
    workload: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = configuration(OURS, workload, monkeypatch)
    assert ours.count("<Location ") == workload.mounts
    assert ours.count("SetEnv mod_wsgi.") == 3 * workload.mounts
    assert configuration(FLOOR, workload, monkeypatch) == ours
    assert configuration(FLUSHING, workload, monkeypatch) == "FloorFlush On\n" + ours
    assert configuration(LEAST, workload, monkeypatch) == ours


def test_each_of_many_applications_has_its_own_interpreter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workload = applications(10)
    ours = configuration(OURS, workload, monkeypatch)
    theirs = configuration("embedded", workload, monkeypatch)
    for number in range(10):
        assert f"<Location /app{number}>" in ours
        assert f'SetEnv mod_wsgi.interpreter "bench{number}"' in ours
        assert f"WSGIScriptAlias /app{number} " in theirs
        assert f"application-group=bench{number}" in theirs


def test_with_processes_each_application_has_as_many_as_with_daemons(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = configuration(PROCESSES, applications(10), monkeypatch)
    theirs = configuration("daemon", applications(10), monkeypatch)
    assert ours.count('SetEnv mod_wsgi.processes "1"') == theirs.count(" processes=1 ") == 10
    assert ours.count('SetEnv mod_wsgi.threads "8"') == theirs.count(" threads=8 ") == 10
    for number in range(10):
        assert f'SetEnv mod_wsgi.process "bench{number}"' in ours
        assert f"WSGIDaemonProcess bench{number} " in theirs


def test_a_process_is_told_which_file_to_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not have the environment that the server was started with."""
    assert "environ.BENCH_FILE" in configuration(PROCESSES, BY_NAME["file"], monkeypatch)
    assert "environ.BENCH_FILE" not in configuration(PROCESSES, HELLO, monkeypatch)


def test_a_program_that_a_server_has_started_is_no_copy_of_it() -> None:
    parent = os.getpid()
    other = subprocess.Popen(["/bin/sleep", "60"])
    same = subprocess.Popen(
        [Path("/proc/self/exe").readlink(), "-c", "input()"], stdin=subprocess.PIPE
    )
    try:
        assert {other.pid, same.pid} <= {*processes.family(parent, processes.families())}
        found = processes.copies(parent)
        assert same.pid in found
        assert other.pid not in found
    finally:
        for each in (other, same):
            each.kill()
            each.communicate()


def test_applications_are_asked_below_their_mounts() -> None:
    assert BELOW.paths == ["/app/a/b?x=1"]
    assert applications(10).paths[9] == "/app9/a/b?x=1"
    assert len(set(applications(50).paths)) == 50


@pytest.mark.parametrize("name", ["apps10", "apps50", "pipelined", "http2", "deflate", "slow"])
def test_what_only_apache_does_is_asked_of_peers_in_apache(name: str) -> None:
    asked = [each.name for each in PEERS.values() if can_serve(each, BY_NAME[name])]
    knows_least = can_serve(PEERS[LEAST], BY_NAME[name])
    assert asked == [each for each in IN_APACHE if each != LEAST or knows_least]
    assert ways(BY_NAME[name], "event") == [WAYS[0]]


def test_the_c_handlers_are_asked_only_what_they_answer() -> None:
    assert can_serve(PEERS[FLOOR], BY_NAME["page"])
    assert not can_serve(PEERS[FLUSHING], BY_NAME["django"])
    assert can_serve(PEERS[LEAST], BY_NAME["apps10"])
    assert not any(can_serve(PEERS[LEAST], BY_NAME[name]) for name in ("page", "apps50"))
    text = (BENCH / "floor" / "mod_floor.c").read_text()
    for workload in WORKLOADS:
        known = f'"work::{workload.callable}"' in text or workload.callable == "hello"
        assert workload.has_floor == known, workload.name


def test_prefork_is_asked_64_at_once_only_by_choice() -> None:
    assert {way.concurrency for way in ways(HELLO, "prefork")} == {1, 8}
    chosen = ways(HELLO, "prefork", [1, 64])
    assert {way.concurrency for way in chosen} == {1, 64}
    assert load_for("prefork", chosen) == Load(processes=64, threads=1)
    assert load_for("prefork", WAYS[:1]) == Load(processes=8, threads=1)
    assert load_for("event", chosen) == Load(processes=2, threads=64)


def test_a_run_of_the_overhead_keeps_its_connections_and_asks_five_peers() -> None:
    arguments = parse(["--overhead"])
    assert [peer.name for peer in chosen_peers(arguments)] == [
        OURS,
        FLOOR,
        FLUSHING,
        LEAST,
        "embedded",
    ]
    asked = chosen_ways(HELLO, "prefork", arguments)
    assert sorted(way.concurrency for way in asked) == [1, 8, 64]
    assert all(way.keep_alive for way in asked)


def test_on_prefork_the_overhead_is_that_of_the_usual_requests() -> None:
    asked = chosen_workloads(server("prefork"), parse(["--overhead"]))
    assert [each.name for each in asked] == ["hello", "below", "apps10"]


def test_under_callgrind_the_profile_of_apache_is_there_before_it_changes_its_user(
    tmp_path: Path,
) -> None:
    """And its process has the number that callgrind puts into the profile's name."""
    starter = instructions.under_callgrind(server("prefork"), tmp_path).httpd
    tools = tmp_path / "valgrind"
    tools.write_text('#!/bin/sh\necho $$ "$@"\n')
    tools.chmod(0o755)
    told = subprocess.run(
        [str(starter), "-f", "file"],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert told[-4:] == ["httpd", "-X", "-f", "file"]
    assert (tmp_path / f"profile.{told[0]}").stat().st_mode & 0o777 == 0o666


def test_a_start_that_did_more_than_another_is_counted_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first time, the second start seems to cost -100. Both starts cost 100 in truth."""
    totals = iter([600, 1100, 600, 1300, 600, 1100, 1100, 2100])
    monkeypatch.setattr(instructions, "serve", lambda *_: next(totals))
    task = Task(
        server=server("prefork"),
        kit=cast("Kit", None),
        load=Load(processes=1, threads=1),
        workload=HELLO,
    )
    counts = instructions.count_all([task, task], PEERS[OURS])
    assert [(each.request, each.start) for each in counts] == [(1, 100), (2, 100)]


def test_the_names_of_plans_are_names_of_workloads_and_peers() -> None:
    for words in ([], ["--quick"], ["--overhead"]):
        plan = parse(words).plan
        assert set(plan.only) <= set(BY_NAME)
        assert set(plan.peers) <= set(PEERS)


def test_an_option_is_stronger_than_the_plan() -> None:
    arguments = parse(["--quick", "--only", "echo", "--connections", "1", "--peers", OURS])
    assert [each.name for each in chosen_workloads(server(), arguments)] == ["echo"]
    assert [way.concurrency for way in chosen_ways(HELLO, "event", arguments)] == [1]
    assert [peer.name for peer in chosen_peers(arguments)] == [OURS]


def test_an_older_module_is_a_peer_when_it_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert "before" not in [peer.name for peer in chosen_peers(parse([]))]
    assert chosen_peers(parse(["--before", "old.so"]))[-1].name == "before"
    with pytest.raises(SystemExit):
        parse(["--peers", "before"])
    assert "--before FILE" in capsys.readouterr().err


def test_what_an_apache_lacks_modules_for_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mod_deflate.so").touch()
    arguments = parse(["--overhead"])
    names = {each.name for each in chosen_workloads(server(modules=tmp_path), arguments)}
    assert names == {*arguments.plan.only} - {"http2"}
    assert "without mod_http2" in capsys.readouterr().err


def test_only_a_client_that_wants_it_accepts_a_compressed_answer() -> None:
    assert [each.name for each in WORKLOADS if accepted(each)] == ["deflate"]


def series(workload: str, peer: str, rate: float, processor: float) -> Series:
    sample = Sample(rate=rate, p50=1, p99=1, processor=processor, errors=0)
    return Series(mpm="event", workload=workload, way=WAYS[0].title, peer=peer, samples=(sample,))


def test_what_is_kept_of_one_applications_rate_is_told_for_each_server() -> None:
    table = report.kept(
        "event",
        [
            series("below", OURS, 100, 2),
            series("apps10", OURS, 50, 5),
            series("apps50", OURS, 25, 8),
            series("below", FLOOR, 200, 1),
            series("apps10", FLOOR, 190, 1),
        ],
    )
    assert table.rows == [
        ["mod_wsgi", "0.50 / 2.50", "0.25 / 4.00"],
        ["C handler (floor)", "0.95 / 1.00", ""],
    ]


def test_a_request_with_fewer_instructions_than_the_floor_adds_a_negative_number() -> None:
    counts = {OURS: 90.0, FLOOR: 100.0, "plain floor": 80.0, "embedded": 280.0}
    counts |= {PROCESSES: 150.0, "process floor": 110.0}
    rows = report.instructions("a title", counts).rows
    assert [row[:4] for row in rows] == [
        ["mod_wsgi", "90", "100", "-10"],
        ["mod_wsgi, processes", "150", "110", "40"],
        ["C handler (floor)", "100", "80", "20"],
        ["incumbent, embedded", "280", "80", "200"],
    ]


def test_a_plan_writes_between_its_own_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "one\n<!-- bench: begin overhead -->\n<!-- bench: end -->\ntwo\n"
        "<!-- bench: begin -->\nkept\n<!-- bench: end -->\n"
    )
    report.put_into(page, "new", parse(["--overhead"]).plan.begin)
    assert page.read_text() == (
        "one\n<!-- bench: begin overhead -->\n\nnew\n<!-- bench: end -->\ntwo\n"
        "<!-- bench: begin -->\nkept\n<!-- bench: end -->\n"
    )


def test_the_page_has_the_marks_of_each_plan() -> None:
    text = (TOP / "docs" / "performance.md").read_text()
    for words in ([], ["--overhead"]):
        assert text.count(parse(words).plan.begin) == 1


@contextmanager
def serving(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server of one connection, in a thread; the URL of it."""

    def run() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(10)
            serve(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            thread.join(20)


def speak_http2(status: bytes, limit: int) -> Callable[[socket.socket], None]:
    """Answers so many requests, asks whether the client is there, and ends when it leaves."""

    def serve(connection: socket.socket) -> None:
        assert connection.recv(len(http2.PREFACE), socket.MSG_WAITALL) == http2.PREFACE
        connection.sendall(http2.frame(http2.SETTINGS) + http2.frame(http2.PING, payload=bytes(8)))
        left = limit
        for kind, flags, stream, _ in http2.frames(connection):
            if kind == http2.PING:
                assert flags == http2.ACK
            if kind == http2.HEADERS:
                left -= 1
                head = http2.frame(http2.HEADERS, http2.END_HEADERS, stream, status)
                connection.sendall(head + http2.frame(http2.DATA, 0, stream, b"Hello, "))
                connection.sendall(http2.frame(http2.DATA, http2.END_STREAM, stream, b"world!"))
                if left == 0:
                    return

    def until_it_leaves(connection: socket.socket) -> None:
        try:
            serve(connection)
        except Problem:
            assert limit == 0, "the client left early"

    return until_it_leaves


def test_the_http2_client_counts_each_answer_once() -> None:
    with serving(speak_http2(b"\x3f\x91\x01\x88", 0)) as url:
        found = http2.ask(url, "/page", streams=3, seconds=0.1)
    assert len(found.latencies) >= 3
    assert found.errors == 0
    assert found.seconds >= 0.1


def test_the_http2_client_tells_of_answers_that_are_errors() -> None:
    with serving(speak_http2(b"\x8e", 0)) as url:
        found = http2.ask(url, "/page", streams=1, seconds=0.05)
    assert found.errors == len(found.latencies) > 0


def test_the_http2_client_tells_of_a_server_that_breaks_off() -> None:
    with (
        serving(speak_http2(b"\x88", 2)) as url,
        pytest.raises(Problem, match="ended its HTTP/2 connection"),
    ):
        http2.ask(url, "/page", streams=1, seconds=10)


def test_a_slow_client_is_answered_once_and_then_sends_byte_after_byte() -> None:
    parts: list[bytes] = []
    enough = threading.Event()

    def serve(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        while part := connection.recv(1 << 16):
            parts.append(part)
            if len(parts) == 3:
                enough.set()

    with serving(serve) as url, slow.clients(url, "/page", 1):
        assert enough.wait(10)
    assert b"".join(parts).startswith(b"GET")


def test_a_slow_client_that_is_sent_away_is_a_problem() -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    gone = threading.Event()
    with (
        serving(serve) as url,
        pytest.raises(Problem, match="was sent away"),
        slow.clients(url, "/page", 1),
    ):
        gone.wait(0.3)
