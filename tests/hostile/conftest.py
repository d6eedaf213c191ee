"""A server with an honest application, and a hostile process beside it."""

import base64
import re
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import SITES, fail_if_told
from tests.harness import frames
from tests.harness.cells import Cell
from tests.harness.errorlog import until
from tests.harness.serving import Workshop, running
from tests.harness.site import Site, message

PROGRAM = Path(__file__).with_name("process.py")

CONFIG = """
@{base}
@{applications}
"""

SECTION = """
<Location /%s>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application hostile
    SetEnv mod_wsgi.directory "@{apps}"
    SetEnv mod_wsgi.process %s
    SetEnv mod_wsgi.python 1.0
    SetEnv mod_wsgi.processes 1
    SetEnv mod_wsgi.threads 5
</Location>
"""


def section(name: str) -> str:
    """A path with a hostile process of its own, which has what earlier requests left in it."""
    return SECTION % (name, name)


CONFIG += section("hostile")

SETTLED = 10.0  # seconds until a server has closed what it is to close


@dataclass(frozen=True, kw_only=True)
class Target:
    """A server, and what must be the same when a hostile process has done its worst."""

    site: Site
    children: tuple[int, ...]
    descriptors: int

    def ask(self, code: str, path: str = "/hostile") -> bytes:
        """All that the client gets when a hostile process runs this code."""
        return self.site.raw(request(code, path=path))

    def breaks(self, reason: str) -> None:
        """Announces the one line of the log, with the process and what it has done."""
        self.site.expects(rf"MW0606: process \d+ of \S*hostile broke the protocol: .*{reason}")

    def complaints(self) -> list[str]:
        return [line for line in self.site.watch.lines() if "MW060" in line]


def request(
    code: str,
    method: str = "GET",
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    path: str = "/hostile",
) -> bytes:
    """A request that has a hostile process run this code."""
    lines = {**(headers or {}), "X-Do": base64.b64encode(code.encode()).decode()}
    return message(path, method, lines, body)


def rest_of(connection: socket.socket) -> bytes:
    """What still comes until the connection is closed, or broken."""
    seen = b""
    with suppress(ConnectionResetError):
        while block := connection.recv(1 << 20):
            seen += block
    return seen


def served(site: Site) -> bool:
    return site.get("/hello/application").status_code == 200


def count_descriptors(site: Site) -> int:
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in site.children())


@pytest.fixture(scope="module")
def module_with_program(cell: Cell, workshop: Workshop, module: Path) -> Path:
    """The module in a folder whose programs are the cell's, and the hostile one."""
    folder = workshop.folder / f"{cell.name}-hostile"
    programs = folder / "mod_wsgi"
    if not folder.exists():
        shutil.copytree(module.parent / "mod_wsgi", programs)
        shutil.copy(module, folder)
        shutil.copy(PROGRAM, programs / "mod_wsgi-py1.0")
        (programs / "mod_wsgi-py1.0").chmod(0o755)
        shutil.copy(str(frames.__file__), programs / "frames.py")
    return folder / module.name


@pytest.fixture(scope="module")
def attacked(
    request: pytest.FixtureRequest, cell: Cell, workshop: Workshop, module_with_program: Path
) -> Iterator[Site]:
    more = getattr(request.module, "MORE", "")
    if cell.server.line != "1.3":
        more += getattr(request.module, "FILTERS", "")
    with running(
        cell,
        module_with_program,
        workshop,
        CONFIG + more,
        files=getattr(request.module, "FILES", {}),
        values={"modules": str(cell.server.modules)},
        processes=2,
        deaths=True,
    ) as started:
        yield started


@pytest.fixture
def target(request: pytest.FixtureRequest, attacked: Site) -> Iterator[Target]:
    """The server that all tests of a file attack, which must not change by that."""
    request.node.stash[SITES] = [attacked]
    attacked.watch.begin()
    for _ in range(4):  # each child keeps a connection to the honest process
        assert served(attacked)
    made = Target(
        site=attacked,
        children=tuple(attacked.children()),
        descriptors=count_descriptors(attacked),
    )
    yield made
    assert served(attacked)
    assert tuple(attacked.children()) == made.children
    most = made.descriptors + 2 * len(made.children)  # connections with both processes
    assert until(lambda: count_descriptors(attacked) <= most, SETTLED), count_descriptors(attacked)
    fail_if_told(attacked)


Complete = Callable[[bytes], bool]


@pytest.fixture
def complete() -> Complete:
    return is_complete


def is_complete(answer: bytes) -> bool:
    """Whether a client takes this for a whole response with a status that is no error."""
    top, separator, body = answer.partition(b"\r\n\r\n")
    if not separator or re.match(rb"HTTP/\S+ [45]\d\d ", top):
        return False
    length = re.search(rb"\r\nContent-Length: (\d+)", top, re.IGNORECASE)
    if length:
        return len(body) == int(length[1])
    if b"chunked" in top.lower():
        return body.endswith(b"0\r\n\r\n")
    return True
