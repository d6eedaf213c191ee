"""Configures the servers that are measured, as their documentation advises, and starts them.

All get the same number of processes and threads. A server behind Apache has an Apache in front
with as many. That Apache loads the floor's module, which does nothing unless it is asked.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import APPS, programs
from bench.kit import Kit
from bench.workloads import HELLO, Workload
from command import Problem, httpd
from command.httpd import Load
from command.servers import Server

SHARED_MEMORY = "/dev/shm"  # noqa: S108  where gunicorn's documentation puts its heartbeats

# MaxKeepAliveRequests: a round is not disturbed by reconnecting. EnableSendfile: Apache 2.4 has it
# off, and servers that send files in production turn it on.
MOST_OF_LEAST = 10  # mounts that bench/floor/mod_least.c has interpreters for
COMMON = "MaxKeepAliveRequests 0\nKeepAliveTimeout 60\nEnableSendfile On\n"


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a peer is to serve, and with how many processes and threads."""

    server: Server
    kit: Kit
    load: Load
    workload: Workload


@dataclass(frozen=True, kw_only=True)
class Started:
    """A peer that was started. It may not answer yet."""

    url: str
    apache: int | None  # the pids of the first processes: Apache's, and those behind it
    others: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One way to serve a WSGI application."""

    name: str
    title: str
    start: Callable[[Task], AbstractContextManager[Started]]
    in_apache: bool = False  # what answers runs in Apache's own processes


def location(path: str, variables: dict[str, str]) -> str:
    lines = [f'    SetEnv mod_wsgi.{name} "{value}"' for name, value in variables.items()]
    return "\n".join(
        [f"<Location {path or '/'}>", "    SetHandler mod_wsgi", *lines, "</Location>\n"]
    )


def sections(task: Task, variables: Callable[[int], dict[str, str]]) -> str:
    """A section for each application, with what all have and what variables says of each."""
    common = {
        "application": f"{task.workload.module}::{task.workload.callable}",
        "directory": str(APPS),
        **({"virtualenv": str(task.kit.venv)} if task.workload.needs_packages else {}),
    }
    paths = enumerate(task.workload.prefixes)
    return "".join(location(path, {**common, **variables(number)}) for number, path in paths)


def our_lines(task: Task) -> str:
    """The three variables that the front page shows.

    A single application runs in the main interpreter, which saves a second one. The incumbent does
    the same.
    """
    several = task.workload.mounts > 1
    return sections(
        task,
        lambda number: {"interpreter": f"bench{number}" if several else "main_interpreter"},
    )


@contextmanager
def start_floor(task: Task) -> Iterator[Started]:
    with apache(task, task.kit.floor, our_lines(task)) as started:
        yield started


@contextmanager
def start_flushing_floor(task: Task) -> Iterator[Started]:
    with apache(task, task.kit.floor, "FloorFlush On\n" + our_lines(task)) as started:
        yield started


@contextmanager
def start_least(task: Task) -> Iterator[Started]:
    with apache(task, task.kit.least, our_lines(task)) as started:
        yield started


@contextmanager
def start_before(task: Task) -> Iterator[Started]:
    """Starts an older build of our module, which --before names."""
    if task.kit.before is None:
        raise Problem("which module was there before? Name it with --before FILE")
    with apache(task, task.kit.before, our_lines(task)) as started:
        yield started


@contextmanager
def start_ours(task: Task) -> Iterator[Started]:
    with apache(task, task.kit.ours, our_lines(task)) as started:
        yield started


def process_lines(task: Task) -> str:
    """Each application has its own processes, as many and with as many threads as a daemon gets.

    They are clean of the server's environment. So the file to serve is named to the application.
    """
    size = {"processes": str(task.load.processes), "threads": str(task.load.threads)}
    if task.workload.by_bytes:
        size["environ.BENCH_FILE"] = str(task.kit.file)
    return sections(task, lambda number: {"process": f"bench{number}", **size})


@contextmanager
def start_processes(task: Task) -> Iterator[Started]:
    """Our module again. The programs that it starts are in the folder beside it."""
    with apache(task, task.kit.ours, process_lines(task)) as started:
        yield started


@contextmanager
def start_embedded(task: Task) -> Iterator[Started]:
    """A single application runs in the first interpreter, as the documentation advises."""
    with httpd.server_root() as root:
        lines = [
            *([f'WSGIPythonHome "{task.kit.venv}"'] if task.workload.needs_packages else []),
            f'WSGIPythonPath "{APPS}"',
            "WSGIScriptReloading Off",
            "WSGIEnableSendfile On",
        ]
        for number, script in enumerate(write_scripts(task, root)):
            group = f"bench{number}" if task.workload.mounts > 1 else "%{GLOBAL}"
            lines.append(
                f'WSGIScriptAlias {task.workload.prefixes[number] or "/"} "{script}" '
                f"application-group={group}"
            )
        with apache(task, task.kit.incumbent, "\n".join(lines), root=root) as started:
            yield started


@contextmanager
def start_daemon(task: Task) -> Iterator[Started]:
    """Each application has its own processes, which is what this mode is for."""
    with httpd.server_root() as root:
        lines = [
            f'WSGISocketPrefix "{root}/daemon"',
            "WSGIRestrictEmbedded On",
            "WSGIScriptReloading Off",
            "WSGIEnableSendfile On",
        ]
        home = f'python-home="{task.kit.venv}"' if task.workload.needs_packages else ""
        for number, script in enumerate(write_scripts(task, root)):
            lines.append(
                f"WSGIDaemonProcess bench{number} processes={task.load.processes} "
                f'threads={task.load.threads} python-path="{APPS}" {home}'
            )
            lines.append(
                f'WSGIScriptAlias {task.workload.prefixes[number] or "/"} "{script}" '
                f"process-group=bench{number} application-group=%{{GLOBAL}}"
            )
        with apache(task, task.kit.incumbent, "\n".join(lines), root=root) as started:
            yield started


def write_scripts(task: Task, root: Path) -> list[Path]:
    """Writes files for the incumbent, which serves files, not modules."""
    text = f"from {task.workload.module} import {task.workload.callable} as application\n"
    scripts = [root / f"application{number}.wsgi" for number in range(task.workload.mounts)]
    for script in scripts:
        script.write_text(text)
    return scripts


@contextmanager
def start_gunicorn(task: Task) -> Iterator[Started]:
    """Uses threads, and keeps connections from Apache. One gunicorn serves one application."""
    with httpd.server_root() as root, ExitStack() as stack:
        open_to_all(root)
        commands = [
            [
                *(str(task.kit.venv / "bin" / "gunicorn"), "--worker-class", "gthread"),
                *("--workers", str(task.load.processes), "--threads", str(task.load.threads)),
                *("--bind", f"unix:{root}/gunicorn{number}", "--keep-alive", "75"),
                *("--worker-tmp-dir", SHARED_MEMORY, "--log-level", "warning"),
                *("--chdir", str(APPS), *as_user("--user", "--group")),
                f"{task.workload.module}:{task.workload.callable}",
            ]
            for number in range(task.workload.mounts)
        ]
        pids = [stack.enter_context(process(command, task, root)) for command in commands]
        lines = [
            f'ProxyPass "{path or "/"}" "unix:{root}/gunicorn{number}|'
            f'http://bench{number}{path or "/"}" enablereuse=on'
            for number, path in enumerate(task.workload.prefixes)
        ]
        proxy = "mod_proxy", "mod_proxy_http"
        with apache(task, task.kit.floor, "\n".join(lines), root=root, proxy=proxy) as started:
            yield Started(url=started.url, apache=started.apache, others=tuple(pids))


@contextmanager
def start_uwsgi(task: Task) -> Iterator[Started]:
    """One uWSGI serves all. Each application has its own interpreter in each process."""
    with httpd.server_root() as root:
        open_to_all(root)
        application = f"{task.workload.module}:{task.workload.callable}"
        mounts = [f"--mount={path or '/'}={application}" for path in task.workload.prefixes]
        command = [
            *(str(task.kit.venv / "bin" / "uwsgi"), "--master", "--die-on-term", "--need-app"),
            *("--processes", str(task.load.processes), "--uwsgi-socket", f"{root}/uwsgi"),
            *("--chmod-socket=666", "--listen", "128", "--thunder-lock", "--disable-logging"),
            *("--enable-threads", "--threads", str(task.load.threads)),
            *("--home", str(task.kit.venv), "--chdir", str(APPS), "--pythonpath", str(APPS)),
            *("--manage-script-name", *mounts, *as_user("--uid", "--gid")),
        ]
        line = f'ProxyPass "/" "unix:{root}/uwsgi|uwsgi://bench/"'
        proxy = "mod_proxy", "mod_proxy_uwsgi"
        with (
            process(command, task, root) as pid,
            apache(task, task.kit.floor, line, root=root, proxy=proxy) as started,
        ):
            yield Started(url=started.url, apache=started.apache, others=(pid,))


@contextmanager
def start_granian(task: Task) -> Iterator[Started]:
    """Runs without Apache: not a peer, but a mark of what Rust without configuration can do."""
    port = httpd.free_port()
    with httpd.server_root() as root:
        command = [
            *(str(task.kit.venv / "bin" / "granian"), "--interface", "wsgi", "--no-ws"),
            *("--workers", str(task.load.processes)),
            *("--blocking-threads", str(task.load.threads)),
            *("--host", "127.0.0.1", "--port", str(port), "--no-access-log"),
            *("--log-level", "warning", "--working-dir", str(APPS)),
            f"{task.workload.module}:{task.workload.callable}",
        ]
        with process(command, task, root) as pid:
            yield Started(url=f"http://127.0.0.1:{port}", apache=None, others=(pid,))


OURS, BEFORE, FLOOR, FLUSHING = "mod_wsgi", "before", "floor", "flushing"
PROCESSES, LEAST = "processes", "least"

PEERS = {
    peer.name: peer
    for peer in (
        Peer(name=OURS, title="mod_wsgi", start=start_ours, in_apache=True),
        Peer(name=PROCESSES, title="mod_wsgi, processes", start=start_processes),
        Peer(name=BEFORE, title="mod_wsgi before", start=start_before, in_apache=True),
        Peer(name=FLOOR, title="C handler (floor)", start=start_floor, in_apache=True),
        Peer(
            name=FLUSHING, title="C handler, flushes", start=start_flushing_floor, in_apache=True
        ),
        Peer(name=LEAST, title="least that calls Python", start=start_least, in_apache=True),
        Peer(name="embedded", title="incumbent, embedded", start=start_embedded, in_apache=True),
        Peer(name="daemon", title="incumbent, daemon", start=start_daemon),
        Peer(name="uwsgi", title="Apache + uWSGI", start=start_uwsgi),
        Peer(name="gunicorn", title="Apache + gunicorn", start=start_gunicorn),
        Peer(name="granian", title="granian (no Apache)", start=start_granian),
    )
}


def can_serve(peer: Peer, workload: Workload) -> bool:
    """The handlers of bench/floor know only some answers. Only peers in Apache can do the rest."""
    if peer.name == LEAST:
        return workload.callable == HELLO.callable and workload.mounts <= MOST_OF_LEAST
    if peer.name in (FLOOR, FLUSHING):
        return workload.has_floor
    return peer.in_apache or not workload.in_apache


@contextmanager
def apache(
    task: Task,
    module: Path,
    lines: str,
    *,
    root: Path | None = None,
    proxy: Sequence[str] = (),
) -> Iterator[Started]:
    with httpd.running(
        task.server,
        module,
        root=root,
        body=COMMON + task.workload.lines + lines,
        modules=(*httpd.MODULES, *task.workload.needs, *proxy),
        load=task.load,
        log_level="warn",
        environment=environment(task),
    ) as running:
        yield Started(url=running.url, apache=running.pid)


def process(command: Sequence[str], task: Task, root: Path) -> AbstractContextManager[int]:
    """A server behind Apache."""
    log = root / "backend.log"
    return programs.running(command, log, folder=APPS, environment=environment(task))


def environment(task: Task) -> dict[str, str]:
    """The environment: the file to serve, and what makes Python run the same way every time."""
    steady = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}
    return {"BENCH_FILE": str(task.kit.file), **steady}


def as_user(user_option: str, group_option: str) -> list[str]:
    """The user that a server behind Apache changes to: the same as Apache's."""
    user = httpd.unprivileged_user()
    return [user_option, user.pw_name, group_option, str(user.pw_gid)] if user else []


def open_to_all(root: Path) -> None:
    """Opens a folder to all, since some servers change the user before they make their sockets."""
    root.chmod(0o777)
