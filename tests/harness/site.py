"""A running server as a test sees it: where to ask, what was answered, what it logged."""

import http.client
import json
import os
import re
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import Template
from typing import Any

import requests

from tests.harness.errorlog import Watch, until

TIMEOUT = 10.0


class Config(Template):
    """A configuration with @{name} for what only the harness knows; `$` belongs to Apache."""

    delimiter = "@"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer as it came over the wire: every header line, in order."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)

    @property
    def text(self) -> str:
        return self.body.decode("latin-1")

    def json(self) -> Any:
        return json.loads(self.body)


def session() -> requests.Session:
    """A client that ignores the environment's proxies and holds no server process for itself."""
    made = requests.Session()
    made.trust_env = False
    made.headers.update({"Connection": "close", "Accept-Encoding": "identity"})
    return made


@dataclass(frozen=True, kw_only=True)
class Site:
    """One Apache under test."""

    port: int
    pid: int
    root: Path
    scratch: Path
    watch: Watch
    address: str = "127.0.0.1"
    mode: str = "embedded"
    client: requests.Session = field(default_factory=session)

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.port}"

    def at(self, address: str) -> "Site":
        """The same server, asked at another of its addresses: another virtual host."""
        return replace(self, address=address)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, data: Any = b"", **options: Any) -> requests.Response:
        return self.request("POST", path, data=data, **options)

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        options = {"timeout": TIMEOUT, "allow_redirects": False, **options}
        return self.client.request(method, self.url + path, **options)

    def connect(self) -> socket.socket:
        return socket.create_connection((self.address, self.port), timeout=TIMEOUT)

    def raw(self, request: bytes) -> bytes:
        """Everything that comes back for these bytes until the server closes the connection."""
        with self.connect() as connection:
            connection.sendall(request)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def ask(
        self,
        target: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        version: str = "HTTP/1.1",
    ) -> Reply:
        """One exchange whose target reaches the server letter for letter."""
        with self.connect() as connection:
            connection.sendall(message(target, method, headers or {}, body, version))
            return read_reply(connection, method)

    def children(self) -> list[int]:
        """The server's own processes: those that answer clients."""
        return [pid for pid in children_of(self.pid) if not is_spawner(pid)]

    def spawners(self) -> list[int]:
        """The program that starts applications' processes; the one before it, too, if it lives."""
        return [pid for pid in children_of(self.pid) if is_spawner(pid)]

    def spawned(self) -> list[int]:
        """The processes of their own that applications run in."""
        return [pid for spawner in self.spawners() for pid in children_of(spawner)]

    def processes(self) -> list[int]:
        """The processes that applications run in: in each mode those that have Python."""
        return self.children() if self.mode == "embedded" else self.spawned()

    def restart(self) -> None:
        """Gracefully: requests under way are to end undisturbed."""
        os.kill(self.pid, signal.SIGUSR1)

    def told(self, name: str) -> str:
        """What an application told through tests/apps/waiting.py, a line for each time."""
        path = self.scratch / f"{name}.told"
        assert until(path.exists, TIMEOUT), f"the application never told {name}"
        return path.read_text()

    def go(self, name: str) -> None:
        """Lets an application go on that waits in tests/apps/waiting.py."""
        (self.scratch / f"{name}.go").touch()

    def expects(self, pattern: str) -> None:
        """Announces a severe line of the error log, which then must come."""
        self.watch.expected.append(pattern)

    def tolerates(self, pattern: str) -> None:
        """Announces a severe line that may come or not, as the server's line has it."""
        self.watch.tolerated.append(pattern)

    def expects_traceback(self, last_line: str) -> None:
        """Announces a traceback that must come and end with a line like this."""
        self.watch.tracebacks.append(last_line)


def message(
    target: str,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    version: str = "HTTP/1.1",
) -> bytes:
    """A request as bytes; the connection ends with its answer unless the headers say otherwise."""
    lines = {"Host": "127.0.0.1", "Connection": "close", **(headers or {})}
    if body and not {"Content-Length", "Transfer-Encoding"} & set(lines):
        lines["Content-Length"] = str(len(body))
    head = [f"{method} {target} {version}", *(f"{key}: {text}" for key, text in lines.items())]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


def read_reply(connection: socket.socket, method: str = "GET") -> Reply:
    response = http.client.HTTPResponse(connection, method=method)
    response.begin()
    return Reply(
        status=response.status,
        reason=response.reason,
        headers=tuple(response.getheaders()),
        body=response.read(),
    )


def receive_until(connection: socket.socket, wanted: bytes) -> bytes:
    """What comes up to and with the bytes wanted, and whatever came along with them."""
    seen = b""
    while wanted not in seen:
        block = connection.recv(65536)
        assert block, f"the connection ended without {wanted!r}: {seen!r}"
        seen += block
    return seen


def running_processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def parent_of(pid: int) -> int | None:
    """The parent's pid; None where the process has ended, or is only waiting to be reaped."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    match = re.search(r"\) (\w) (\d+)", state)
    return int(match[2]) if match and match[1] != "Z" else None


def exists(pid: int) -> bool:
    """Whether there is such a process. One that is only waiting to be reaped is."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def children_of(parent: int) -> list[int]:
    return [pid for pid in running_processes() if parent_of(pid) == parent]


def is_spawner(pid: int) -> bool:
    return any(word.endswith("/mod_wsgi-spawner") for word in words_of(pid)[:1])


def words_of(pid: int) -> list[str]:
    """The command line of a process; nothing where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def memory(pid: int, field_name: str) -> int:
    """A field of /proc/PID/status in bytes: VmRSS is what is held now, VmHWM the most ever."""
    status = Path(f"/proc/{pid}/status").read_text()
    match = re.search(rf"^{field_name}:\s+(\d+) kB", status, re.MULTILINE)
    assert match, f"/proc/{pid}/status has no {field_name}"
    return int(match[1]) * 1024
