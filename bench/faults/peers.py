"""Starts what is compared: each with the same application, processes and bounds."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import APPS, programs
from bench.peers import location
from command import Problem, httpd
from command.httpd import Load
from command.servers import Server
from tests.harness.errorlog import until
from tests.harness.site import children_of, words_of

START_SECONDS = 10.0

CRASHING = """import os, signal
with open("{count}", "a") as stream:
    stream.write("x")
os.kill(os.getpid(), signal.SIGKILL)
"""
CRASHING_PHP = """<?php
file_put_contents('{count}', 'x', FILE_APPEND);
posix_kill(getmypid(), SIGKILL);
"""
BROKEN = "import no_such_module\n"
BROKEN_PHP = "<?php require 'no_such_file.php';\n"


@dataclass(frozen=True, kw_only=True)
class Ground:
    """The server and the modules that a run has."""

    server: Server
    ours: Path
    incumbent: Path | None  # None: it is not asked
    fpm: Path | None


@dataclass(frozen=True, kw_only=True)
class Wish:
    """How an application is to be served. None and "": as the peer does by default."""

    application: str = "faulty"
    processes: int = 2
    threads: int = 4
    user: str = ""
    timeout: int | None = None
    memory: int | None = None  # MB


@dataclass(frozen=True, kw_only=True)
class Started:
    """A peer that runs."""

    port: int
    path: str
    apache: int
    folder: Path
    manager: int  # what starts processes; Apache's parent where that does it
    workers: Callable[[], list[int]]

    def log(self) -> str:
        return "".join(path.read_text(errors="replace") for path in self.folder.glob("*.log"))

    def starts(self) -> int:
        """How often a crashing application was begun."""
        count = self.folder / "scratch" / "count"
        return count.stat().st_size if count.exists() else 0


Start = Callable[[Ground, Wish], AbstractContextManager[Started]]


@contextmanager
def furnished(ending: str) -> Iterator[Path]:
    """A folder with the applications, and one that all can write to."""
    with httpd.server_root() as root:
        scratch, apps = root / "scratch", root / "htdocs"
        scratch.mkdir()
        scratch.chmod(0o777)
        apps.mkdir()
        shutil.copy(APPS / f"faulty{ending}", apps)
        crashing, broken = (CRASHING, BROKEN) if ending == ".py" else (CRASHING_PHP, BROKEN_PHP)
        (apps / f"crashing{ending}").write_text(crashing.format(count=scratch / "count"))
        (apps / f"broken{ending}").write_text(broken)
        httpd.open_to_all(apps, *apps.iterdir())
        yield root


@contextmanager
def apache(
    ground: Ground, root: Path, module: Path | None, body: str, *more: str
) -> Iterator[httpd.Running]:
    with httpd.running(
        ground.server,
        module,
        body="EnableSendfile On\n" + body,
        root=root,
        modules=(*httpd.MODULES, *more),
        load=Load(processes=2, threads=128),
        log_level="info",
    ) as running:
        yield running


def children(pid: int, word: str) -> list[int]:
    """The children of a process whose command line has a word."""
    return [child for child in children_of(pid) if word in " ".join(words_of(child))]


@contextmanager
def start_ours(ground: Ground, wish: Wish) -> Iterator[Started]:
    with furnished(".py") as root:
        variables = {
            "application": f"{wish.application}::application",
            "directory": root / "htdocs",
            "process": "faults",
            "processes": wish.processes,
            "threads": wish.threads,
            "user": wish.user,
            "timeout": wish.timeout or "",
            "memory": wish.memory or "",
        }
        body = location("/", {name: str(text) for name, text in variables.items() if text})
        with apache(ground, root, ground.ours, body) as running:
            (spawner,) = children(running.pid, "mod_wsgi-spawner")
            yield Started(
                port=running.port,
                path="/",
                apache=running.pid,
                folder=root,
                manager=spawner,
                workers=lambda: [
                    pid
                    for each in children(running.pid, "mod_wsgi-spawner")
                    for pid in children(each, "mod_wsgi-py")
                ],
            )


@contextmanager
def start_daemon(ground: Ground, wish: Wish) -> Iterator[Started]:
    with furnished(".py") as root:
        options = {
            "processes": wish.processes,
            "threads": wish.threads,
            "python-path": root / "htdocs",
            "display-name": "incumbent-daemon",
            "user": wish.user,
            "request-timeout": wish.timeout or "",
            "memory-limit": wish.memory * (1 << 20) if wish.memory else "",
        }
        words = " ".join(f"{name}={text}" for name, text in options.items() if text)
        where = "process-group=faults application-group=%{GLOBAL}"
        body = "\n".join(
            [
                f'WSGISocketPrefix "{root}/daemon"',
                f"WSGIDaemonProcess faults {words}",
                f'WSGIScriptAlias / "{root}/htdocs/{wish.application}.py" {where}',
            ]
        )
        with apache(ground, root, ground.incumbent, body) as running:
            yield Started(
                port=running.port,
                path="/",
                apache=running.pid,
                folder=root,
                manager=running.pid,
                workers=lambda: [
                    *children(running.pid, "incumbent-daemon"),
                    *children(1, "incumbent-daemon"),
                ],
            )


def pool(root: Path, wish: Wish) -> str:
    user = httpd.unprivileged_user()
    if user is None:
        raise Problem("only root can start PHP-FPM for another user")
    lines = [
        "[global]",
        f"error_log = {root}/fpm.log",
        "daemonize = no",
        "[faults]",
        f"user = {wish.user or user.pw_name}",
        f"listen = {root}/fpm.socket",
        "listen.mode = 0666",
        "pm = static",
        f"pm.max_children = {wish.processes * wish.threads}",
        "catch_workers_output = yes",
    ]
    if wish.timeout:
        lines.append(f"request_terminate_timeout = {wish.timeout}")
    if wish.memory:
        lines.append(f"php_admin_value[memory_limit] = {wish.memory}M")
    return "\n".join(lines) + "\n"


@contextmanager
def start_fpm(ground: Ground, wish: Wish) -> Iterator[Started]:
    if ground.fpm is None:
        raise Problem("PHP-FPM is not installed (php-fpm on Debian)")
    with furnished(".php") as root:
        config = root / "fpm.conf"
        config.write_text(pool(root, wish))
        body = (
            '<FilesMatch "\\.php$">\n'
            f'SetHandler "proxy:unix:{root}/fpm.socket|fcgi://localhost"\n</FilesMatch>\n'
        )
        with (
            master(ground.fpm, config, root / "fpm.socket") as pid,
            apache(ground, root, None, body, "mod_proxy", "mod_proxy_fcgi") as running,
        ):
            yield Started(
                port=running.port,
                path=f"/{wish.application}.php",
                apache=running.pid,
                folder=root,
                manager=pid,
                workers=lambda: [
                    *children(pid, "pool faults"),
                    *children(1, "pool faults"),
                ],
            )


@contextmanager
def master(program: Path, config: Path, socket: Path) -> Iterator[int]:
    """PHP-FPM, which listens when the block begins. It has a log of its own."""
    command = [str(program), "-F", "-y", str(config)]
    with programs.running(command, Path(os.devnull)) as pid:
        until(socket.exists, START_SECONDS)
        yield pid


PEERS: dict[str, tuple[str, Start]] = {
    "processes": ("mod_wsgi, processes", start_ours),
    "daemon": ("incumbent, daemon", start_daemon),
    "fpm": ("PHP-FPM, mod_proxy_fcgi", start_fpm),
}
