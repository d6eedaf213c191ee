"""The matrix when something else fails: the daemon, its address, this machine's disk, the user.

A daemon of the tests' own answers on a socket, so that no Docker is needed.
"""

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

import pytest

from command import TOP, Problem
from matrix import (
    CellFailed,
    Unavailable,
    __main__,
    bases,
    containers,
    engine,
    explained,
    leftovers,
    reports,
    results,
)
from matrix.archives import Shelf
from matrix.containers import Site
from matrix.engine import Ended, Task
from matrix.snapshot import Snapshot
from matrix.work import Interrupted, Work
from tests.harness.errorlog import until

CELL = "apache2.4-prefork-py3.11-bookworm"
FULL = Path("/dev/full")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps runs that go on elsewhere on this machine out of these tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What became of a build: it has begun, and its client has hung up."""

    begun: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)


class Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    seen = Seen()
    breaks_off = False


class Answers(BaseHTTPRequestHandler):
    """Just enough of Docker: a base is there, nothing else is, and a build never ends."""

    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path.endswith("/version"):
            self.tell(200, {"Version": "1", "ApiVersion": "1.41"})
        elif self.path.endswith("/debian:bookworm/json"):
            self.tell(200, {"Id": "sha256:1"})
        elif self.path.endswith("/_ping"):
            self.tell(200, {})
        elif "/containers/json" in self.path:
            self.tell(200, [])
        else:
            self.tell(404, {"message": "No such image"})

    def do_POST(self) -> None:
        if self.headers["Transfer-Encoding"] == "chunked":
            while size := int(self.rfile.readline(), 16):
                self.rfile.read(size + 2)
            self.rfile.readline()
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        step = json.dumps({"stream": "Step 1\n"}).encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(step), step))
        self.server.seen.begun.set()
        if not self.server.breaks_off:
            self.rfile.read(1)
        self.server.seen.left.set()
        self.close_connection = True

    def tell(self, status: int, content: object) -> None:
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    path = tmp_path / "docker.sock"
    with Server(str(path), Answers) as server:
        server.seen = Seen()
        threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        yield server
        server.shutdown()


def build(client: engine.Client, log: Path, raised: list[BaseException]) -> None:
    try:
        with log.open("w", buffering=1) as stream, explained.explained():
            engine.build_image(client, "x:1", b"context", stream, missing="E: ")
    except (Problem, CellFailed) as error:
        raised.append(error)


def test_an_interrupt_ends_a_build_and_hangs_up(daemon: Server, tmp_path: Path) -> None:
    raised: list[BaseException] = []
    log = tmp_path / "log"
    log.touch()
    with engine.connected() as client:
        building = threading.Thread(target=build, args=(client, log, raised), daemon=True)
        building.start()
        assert until(lambda: "Step 1" in log.read_text(), 10)
        client.work.stop()
        building.join(10)
        assert not building.is_alive()
        assert daemon.seen.left.wait(10)
        build(client, log, raised)
    assert isinstance(raised[0], Problem)
    assert isinstance(raised[1], Interrupted)


def test_a_program_that_is_waited_for_ends_at_an_interrupt(tmp_path: Path) -> None:
    client: Any = engine.Client.__new__(engine.Client)
    client.work = Work()
    script = "trap 'echo tidied; exit 3' TERM; echo begun; sleep 60 & wait"
    ended: list[int] = []
    log = tmp_path / "log"
    with log.open("w") as stream:

        def program() -> None:
            ended.append(bases.run_program(client, ["sh", "-c", script], stream))

        waiting = threading.Thread(target=program, daemon=True)
        waiting.start()
        assert until(lambda: log.read_text() == "begun\n" and bool(client.work.ends), 10)
        client.work.stop()
        waiting.join(10)
    assert ended == [3]
    assert log.read_text() == "begun\ntidied\n"


def test_ctrl_c_in_an_image_build_ends_the_run_with_one_line(
    daemon: Server, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "matrix", "run", CELL, "--output", str(tmp_path / "out")]
    with subprocess.Popen(
        command,
        cwd=TOP,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        assert daemon.seen.begun.wait(60)
        run.send_signal(signal.SIGINT)
        said, complained = run.communicate(timeout=30)
    assert daemon.seen.left.wait(10)
    assert run.returncode == 130
    assert complained == "matrix: interrupted\n"
    assert "1 not run in" in said
    assert "exit status 130" in said
    assert "failed" not in said


HOLDS = """
import sys
from pathlib import Path
from matrix import leftovers
with leftovers.alone_in(Path(sys.argv[1])), leftovers.new_run(Path(sys.argv[2])) as name:
    print(name, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A run in another process, in the folders out and cache/mod_wsgi-matrix/runs."""
    runs = tmp_path / "cache" / "mod_wsgi-matrix" / "runs"
    command = [sys.executable, "-c", HOLDS, str(tmp_path / "out"), str(runs)]
    with subprocess.Popen(
        command, cwd=TOP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def name_of(other: subprocess.Popen[str]) -> str:
    assert other.stdout
    return other.stdout.readline().strip()


@pytest.mark.parametrize("words", [["run", CELL], ["run", "--local"], ["clean"]])
@pytest.mark.usefixtures("daemon")
def test_two_runs_do_not_write_into_one_folder(
    other: subprocess.Popen[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "no-runs"))
    assert name_of(other)
    (tmp_path / "out" / f"{CELL}.log").write_text("of the first run")
    assert __main__.main([*words, "--output", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"matrix: process {other.pid} is running the matrix in {tmp_path}/out")
    assert "--output" in told
    assert (tmp_path / "out" / f"{CELL}.log").read_text() == "of the first run"


@pytest.mark.usefixtures("daemon")
def test_nothing_is_cleaned_while_a_run_goes_on_elsewhere(
    other: subprocess.Popen[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert name_of(other)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert __main__.main(["clean", "--output", str(tmp_path / "another")]) == 2
    assert f"process {other.pid} is running the matrix: wait" in capsys.readouterr().err


def test_what_a_killed_run_has_left_is_removed_by_the_next(
    other: subprocess.Popen[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, removed = name_of(other), list[str]()

    def note(_: object, of_run: str) -> int:
        removed.append(of_run)
        return 2

    monkeypatch.setattr(engine, "remove_containers", note)
    runs = tmp_path / "cache" / "mod_wsgi-matrix" / "runs"
    client: Any = None
    with leftovers.new_run(runs):
        assert leftovers.remove(client, runs) == 0
        other.kill()
        other.wait()
        assert leftovers.remove(client, runs) == 2
        assert leftovers.remove(client, runs) == 0
    assert removed == [name]
    assert list(runs.iterdir()) == []
    with leftovers.alone_in(tmp_path / "out"):
        pass


def test_a_daemon_that_dies_in_a_build_is_named(daemon: Server, tmp_path: Path) -> None:
    daemon.breaks_off = True
    raised: list[BaseException] = []
    with engine.connected() as client:
        build(client, tmp_path / "log", raised)
    assert "Docker broke off the connection: is the daemon still running?" in str(raised[0])


def test_a_daemon_that_says_nothing_is_named_by_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_FIRST_SECONDS", 0.2)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "s"))
        silent.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/s")
        with pytest.raises(Problem, match=f"answers at unix://{tmp_path}/s"), engine.connected():
            pass


@pytest.mark.parametrize(
    ("host", "line"),
    [
        ("tcp://nohost.invalid:2375", "no Docker daemon answers at tcp://nohost.invalid:2375 ("),
        ("tcp://127.0.0.1:9", "answers at tcp://127.0.0.1:9 (Connection refused): correct DOCKER"),
        ("nonsense://x", "Docker failed at nonsense://x: "),
        ("tcp://127.0.0.1:port", "Docker failed at tcp://127.0.0.1:port: "),
        ("ssh://nohost.invalid", "Docker failed at ssh://nohost.invalid: "),
    ],
)
def test_a_wrong_address_of_the_daemon_is_named(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    host: str,
    line: str,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    assert __main__.main(["run", CELL, "--output", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert line in told
    assert told.count("\n") == 1
    assert "start it" not in told


@pytest.mark.parametrize("words", [["run", CELL], ["run", "--local"], ["build", CELL], ["bases"]])
@pytest.mark.usefixtures("daemon")
def test_a_folder_that_cannot_be_made_is_no_fault_of_docker(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert __main__.main([*words, "--output", "/proc/x"]) == 2
    told = capsys.readouterr().err
    assert told == "matrix: cannot use /proc/x: No such file or directory\n"


@pytest.mark.usefixtures("daemon")
def test_a_cache_that_cannot_be_written_is_no_fault_of_docker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert __main__.main(["run", CELL, "--output", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert told == f"matrix: cannot use {tmp_path}/file/mod_wsgi-matrix/runs: Not a directory\n"


@pytest.mark.parametrize("option", ["--markdown", "--summary"])
def test_a_report_that_cannot_be_written_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    whole = results.Report(
        started="2026-01-02 03:04 UTC",
        seconds=1,
        where="here",
        revision="abc",
        verb="run",
        results=(),
    )
    results.save(tmp_path / reports.JSON, whole)
    words = ["report", "--output", str(tmp_path), option, f"{tmp_path}/no/x.md"]
    assert __main__.main(words) == 2
    told = capsys.readouterr().err
    assert told == f"matrix: cannot use {tmp_path}/no/x.md: No such file or directory\n"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    client: Any = None
    known: Any = None
    return Site(
        client=client,
        data=known,
        shelf=Shelf(sources=None, cache=tmp_path, lock=tmp_path / "lock"),
        snapshot=Snapshot(files=b"", compiled="", revision=""),
        logs=tmp_path,
        stamps=tmp_path,
    )


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
def test_a_full_disk_of_the_logs_names_the_log(site: Site, tmp_path: Path) -> None:
    (tmp_path / "tools.log").symlink_to(FULL)
    with (
        pytest.raises(Problem, match=f"the disk is full: make room for {tmp_path}/tools.log"),
        explained.explained(),
        site.log("tools") as log,
    ):
        log.write("a line\n")


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
@pytest.mark.usefixtures("daemon")
def test_a_full_disk_of_the_reports_leaves_the_grid_on_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / reports.JSON).symlink_to(FULL)

    def none(*_: object) -> str:
        raise Unavailable("nothing is here")

    monkeypatch.setattr(containers, "build", none)
    assert __main__.main(["run", CELL, "--output", str(tmp_path / "out")]) == 2
    said = capsys.readouterr()
    assert "the disk is full: make room for" in said.err
    assert reports.JSON in said.err
    assert "[1] nothing is here" in said.out


def test_what_is_shared_and_fails_gives_its_log_to_every_cell(site: Site) -> None:
    def fail() -> None:
        with site.log("apache1.3"):
            raise CellFailed("the image did not build")

    for _ in range(2):
        with pytest.raises(CellFailed) as ended, site.log("the cell's own"):
            site.once.get("apache1.3", fail)
        assert ended.value.log == "apache1.3.log"


TASK = Task(
    image="i",
    command=[],
    mounts=[],
    environment={},
    files=b"",
    memory="4g",
    processes=9,
    seconds=60,
)


@pytest.mark.parametrize(
    ("facts", "kind", "line"),
    [
        ({"status": 137}, CellFailed, "the tests got SIGKILL from outside: by docker kill"),
        ({"status": 143}, CellFailed, "the tests got SIGTERM from outside"),
        ({"status": 137, "late": True}, CellFailed, "the tests took longer than 60 s"),
        ({"status": 137, "killed_for_memory": True}, CellFailed, "used more than 4g of memory"),
        ({"status": 1, "disk_full": True}, Problem, "the disk is full"),
    ],
)
def test_what_ended_a_container_from_outside_is_said(
    facts: dict[str, Any], kind: type[Exception], line: str
) -> None:
    known = {"out": {}, "late": False, "killed_for_memory": False}
    with pytest.raises(kind, match=line):
        containers.check_end(Ended(**{**known, **facts}), TASK, "the tests", finished=False)


def test_tests_that_told_of_a_full_disk_and_finished_are_judged_by_their_result() -> None:
    ended = Ended(status=1, out={}, late=False, killed_for_memory=False, disk_full=True)
    containers.check_end(ended, TASK, "the tests", finished=True)
