"""Runs one Apache for the tests, with everything it serves where its user can read it."""

import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from command import httpd
from tests.harness.cells import Cell
from tests.harness.config import APPS, expand
from tests.harness.errorlog import Watch, until
from tests.harness.site import Site, parent_of, words_of

DATA_SIZE = 200_003

# Applications run in as many processes, with as many threads, as the server has itself. A file of
# tests that says otherwise for a section is obeyed.
PROCESSES = """
SetEnv mod_wsgi.process auto
SetEnv mod_wsgi.processes {load.processes}
SetEnv mod_wsgi.threads {load.threads}
"""

# Nobody's application is embedded if it is a customer's, unless the server says so.
EMBEDDED = {"MOD_WSGI_USERS": "none"}

# Their processes wait five seconds for threads that have ended (glibc 2.34+). They are killed once
# the server was told to stop, but where a test stops it itself.
SLOW_TO_STOP = (("2.0", "worker"), ("2.2", "worker"))

# Told to stop while a connection ends, the event model of 2.4.71 may crash: a core showed its main
# thread in apr_os_sock_get, and 1 of 360 stops without Python crashed too (2 of 40 with it). That
# both have one cause is likely, not proven; shorten this to look again.
CONNECTIONS_END = 0.1

# So long a start waits for the spawner's program. Some tests keep it from starting.
SPAWNER_SECONDS = 5

# Applications' processes end this many seconds after the server at the latest.
PROCESSES_END = 10.0


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """The folder of one run: the applications, what they send, and a root for each server."""

    folder: Path
    numbers: Iterator[int] = field(default_factory=count)

    @classmethod
    def furnish(cls, folder: Path) -> "Workshop":
        made = cls(folder=folder)
        shutil.copytree(APPS, made.apps, ignore=shutil.ignore_patterns("__pycache__"))
        made.data.write_bytes(bytes(number * 7 % 251 for number in range(DATA_SIZE)))
        httpd.open_to_all(folder, made.data, made.apps, *made.apps.rglob("*"))
        return made

    @property
    def apps(self) -> Path:
        return self.folder / "apps"

    @property
    def data(self) -> Path:
        """A file to send, whose every place is different from its neighbours."""
        return self.folder / "data.bin"

    def new_root(self, cell: Cell) -> Path:
        root = self.folder / f"{cell.name}-{next(self.numbers)}"
        (root / "scratch").mkdir(parents=True)
        (root / "scratch").chmod(0o777)
        return root


@contextmanager
def running(
    cell: Cell,
    module: Path | None,
    workshop: Workshop,
    config: str,
    *,
    files: Mapping[str, str] | None = None,
    values: Mapping[str, str] | None = None,
    processes: int | None = None,
    log_level: str = "info",
    deaths: bool = False,
) -> Iterator[Site]:
    """A server with this configuration, and these files under its document root.

    With deaths=True the tests kill applications' processes.
    """
    root, port = workshop.new_root(cell), httpd.free_port()
    known = {
        "apps": str(workshop.apps),
        "data": str(workshop.data),
        "include": "includes_module" if cell.server.line == "1.3" else "include_module",
        "logs": str(root),
        "port": str(port),
        "scratch": str(root / "scratch"),
        "version": cell.python.version + cell.python.abi,
        "www": str(root / "htdocs"),
        **(values or {}),
    }
    for name, text in (files or {}).items():
        path = root / "htdocs" / expand(name, known)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(expand(text, known))
    watch = Watch(folder=root)
    load = httpd.default_load(cell.server)
    if processes:
        load = httpd.Load(processes=processes, threads=threads(cell))
    apart = cell.mode == "processes"
    beside: list[int] = []
    with httpd.running(
        cell.server,
        module,
        body=(PROCESSES.format(load=load) if apart and module else "") + expand(config, known),
        root=root,
        port=port,
        load=load,
        log_level=log_level,
        environment=None if apart else EMBEDDED,
    ) as started:
        watch.begin()
        site = Site(
            port=port,
            pid=started.pid,
            root=root,
            scratch=root / "scratch",
            watch=watch,
            mode=cell.mode,
        )
        # The parent listens before it has anyone to serve.
        assert until(site.children), f"the server of {cell.name} started no process"
        if apart:  # until its program runs, it looks like one of the server's own
            until(site.spawners, SPAWNER_SECONDS)
        yield site
        beside = [*site.spawners(), *site.spawned()]
        if cell.server.mpm == "event":
            time.sleep(CONNECTIONS_END)
        if (cell.server.line, cell.server.mpm) in SLOW_TO_STOP:
            stop_at_once(site)
    left = end(beside)
    assert not left, f"processes of applications outlived the server of {cell.name}: {left}"
    crashes = watch.crashes(deaths=deaths)
    assert not crashes, f"processes of {cell.name} did not end well:\n{crashes}"


def end(processes: list[int]) -> list[str]:
    """Waits for the end of processes. Kills those that do not end, and says which these were."""
    until(lambda: not any(map(parent_of, processes)), PROCESSES_END)
    left = {pid: " ".join(words_of(pid)) for pid in processes if parent_of(pid)}
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return [f"{pid} ({words})" for pid, words in left.items()]


def stop_at_once(site: Site) -> None:
    """Tells the server to stop, so that it tidies up, and ends its processes for it."""
    children = site.children()
    with suppress(ProcessLookupError):
        os.kill(site.pid, signal.SIGTERM)
    for child in children:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def threads(cell: Cell) -> int:
    return 1 if cell.server.mpm == "prefork" else 8
