"""A gigabyte in and a gigabyte out, by a process that does not grow."""

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.harness.serving import Workshop
from tests.harness.site import Site, memory, message, read_reply

GIGABYTE = 1 << 30
BLOCK = bytes(range(256)) * 256
MOST_GROWTH = 10 << 20

CONFIG_OF_ONE = "LimitRequestBody 0\n@{base}\n@{applications}"

pytestmark = pytest.mark.slow


@pytest.fixture
def lone(serve: Serve) -> Site:
    """A server of one process, so that the process that grows is the one that is measured."""
    return serve(CONFIG_OF_ONE, processes=1)


def begin_measuring(site: Site) -> tuple[int, int]:
    """The process that runs Python and what it holds now, its high-water mark set back to that."""
    pid: int = site.get("/states/process").json()["pid"]
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return pid, memory(pid, "VmRSS")


def upload(site: Site, *, chunked: bool) -> dict[str, object]:
    """Sends a gigabyte and gives what the application saw of it."""
    headers = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(GIGABYTE)}
    piece = b"%x\r\n%s\r\n" % (len(BLOCK), BLOCK) if chunked else BLOCK
    with site.connect() as connection:
        connection.sendall(message("/bodies/digest", "POST", headers))
        for _ in range(GIGABYTE // len(BLOCK)):
            connection.sendall(piece)
        if chunked:
            connection.sendall(b"0\r\n\r\n")
        seen: dict[str, object] = read_reply(connection).json()
    return seen


def hash_of_a_gigabyte() -> str:
    whole = hashlib.sha256()
    for _ in range(GIGABYTE // len(BLOCK)):
        whole.update(BLOCK)
    return whole.hexdigest()


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_an_upload_of_a_gigabyte_takes_no_memory(lone: Site, chunked: bool) -> None:
    lone.post("/bodies/digest", BLOCK * 64)
    pid, before = begin_measuring(lone)
    seen = upload(lone, chunked=chunked)
    grown = memory(pid, "VmHWM") - before
    assert seen == {"length": GIGABYTE, "sha256": hash_of_a_gigabyte()}
    assert grown < MOST_GROWTH, f"grew by {grown >> 10} KiB"


def test_a_download_of_a_gigabyte_takes_no_memory(lone: Site) -> None:
    lone.get("/respond/big?64")
    pid, before = begin_measuring(lone)
    reply = lone.get(f"/respond/big?{GIGABYTE // 65536}", stream=True)
    received = sum(len(block) for block in reply.iter_content(1 << 20))
    grown = memory(pid, "VmHWM") - before
    assert received == GIGABYTE
    assert grown < MOST_GROWTH, f"grew by {grown >> 10} KiB"


@pytest.fixture
def big_file(workshop: Workshop) -> Iterator[Path]:
    """A gigabyte that is mostly a hole, with something to tell its places apart."""
    path = workshop.folder / "gigabyte.bin"
    with path.open("wb") as stream:
        for number in range(64):
            stream.seek(number * (GIGABYTE // 64))
            stream.write(b"%08d" % number * 1000)
        stream.truncate(GIGABYTE)
    yield path
    path.unlink()


def digest(blocks: Iterator[bytes]) -> str:
    whole = hashlib.sha256()
    for block in blocks:
        whole.update(block)
    return whole.hexdigest()


def digest_of(path: Path) -> str:
    with path.open("rb") as stream:
        return digest(iter(lambda: stream.read(1 << 20), b""))


@pytest.fixture
def file_server(serve: Serve, big_file: Path) -> Site:
    config = 'EnableSendfile On\n@{base}\nSetEnv tests.file "@{big}"\n@{applications}'
    return serve(config, values={"big": str(big_file)}, processes=1)


def test_a_file_of_a_gigabyte_arrives_right_and_takes_no_memory(
    file_server_without_sendfile: Site, big_file: Path
) -> None:
    site = file_server_without_sendfile
    pid, before = begin_measuring(site)
    reply = site.get("/files/whole", stream=True)
    received = digest(reply.iter_content(1 << 20))
    grown = memory(pid, "VmHWM") - before
    assert received == digest_of(big_file)
    assert grown < MOST_GROWTH, f"grew by {grown >> 10} KiB"


@pytest.fixture
def file_server_without_sendfile(serve: Serve, big_file: Path) -> Site:
    config = '@{base}\nSetEnv tests.file "@{big}"\n@{applications}'
    return serve(config, values={"big": str(big_file)}, processes=1)


@contextmanager
def traced(pid: int, report: Path) -> Iterator[None]:
    """Every sendfile of the process, while the body of the with statement runs."""
    strace = shutil.which("strace")
    assert strace, "strace is not installed: apt-get install strace, or run with --slow=none"
    command = [strace, "-f", "-p", str(pid), "-e", "trace=sendfile,sendfile64", "-o", str(report)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        first = tracer.stderr.readline()
        assert "attached" in first, f"strace could not attach: {first}"
        try:
            yield
        finally:
            tracer.terminate()


@pytest.mark.needs("sendfile")
def test_a_file_of_a_gigabyte_is_sent_with_sendfile(
    file_server: Site, big_file: Path, workshop: Workshop
) -> None:
    report = workshop.folder / "sendfile.trace"
    pid, before = begin_measuring(file_server)
    (sender,) = file_server.children()
    with traced(sender, report):
        reply = file_server.get("/files/whole", stream=True)
        received = digest(reply.iter_content(1 << 20))
    grown = memory(pid, "VmHWM") - before
    assert received == digest_of(big_file)
    assert grown < MOST_GROWTH, f"grew by {grown >> 10} KiB"
    assert sent_by_sendfile(report) >= GIGABYTE


def sent_by_sendfile(report: Path) -> int:
    """The bytes that sendfile says it has sent: what stands behind the last `=` of each line."""
    results = (line.rpartition(" = ")[2].split(" ")[0] for line in report.read_text().splitlines())
    return sum(int(result) for result in results if result.isdigit())
