"""Runs one Apache in its own folder. Reads no system configuration and leaves nothing behind.

The four lines of Apache differ in a dozen directives, which only this file knows. If root runs it,
Apache changes to an unprivileged user, as it does in real life.
"""

import grp
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from . import Problem
from .servers import Server

# In the order that 1.3 wants: there, the module that was loaded last is asked first. Names that a
# line does not have are left out: mod_access became mod_authz_host in 2.2.
MODULES = (
    *("mod_unixd", "mod_env", "mod_log_config", "mod_mime", "mod_negotiation", "mod_dir"),
    *("mod_alias", "mod_rewrite", "mod_access", "mod_authz_core", "mod_authz_host"),
    *("mod_headers", "mod_setenvif"),
)

LOOPBACK = "127.0.0.1"

# Servers that are started here have this port or a higher one. System services use lower ones.
_FIRST_PORT = 10240

START_SECONDS = 20.0
STOP_SECONDS = 15.0

# The names of modules for LoadModule that are not the file's name without "mod_".
_NAMES_13 = {
    "mod_actions": "action_module",
    "mod_auth_anon": "anon_auth_module",
    "mod_auth_digest": "digest_auth_module",
    "mod_include": "includes_module",
    "mod_log_config": "config_log_module",
}

_MIME_TYPES = """text/html html
text/plain txt
text/css css
text/javascript js mjs
application/json json
application/pdf pdf
font/woff2 woff2
image/gif gif
image/jpeg jpg jpeg
image/png png
image/svg+xml svg
image/webp webp
image/x-icon ico
"""


@dataclass(frozen=True, kw_only=True)
class Running:
    """A running Apache that answers requests."""

    server: Server
    root: Path
    port: int
    process: subprocess.Popen[bytes]
    host: str = LOOPBACK

    @property
    def pid(self) -> int:
        """The parent process, which is also the leader of its process group."""
        return self.process.pid

    @property
    def url(self) -> str:
        return f"http://{_place(_reachable(self.host), self.port)}"


@dataclass(frozen=True, kw_only=True)
class Load:
    """How many requests a server handles at once: processes of that many threads each."""

    processes: int
    threads: int = 8


def default_load(server: Server) -> Load:
    return Load(processes=4, threads=1) if server.mpm == "prefork" else Load(processes=2)


def render(
    server: Server,
    module: Path | None,
    *,
    port: int,
    root: Path,
    body: str,
    host: str = LOOPBACK,
    modules: Sequence[str] = MODULES,
    load: Load | None = None,
    user: str | None = None,
    log_level: str = "info",
) -> str:
    """The configuration of a server: what it needs to run at all, then the body."""
    loaded = [name for name in modules if _is_loadable(server, name)]
    present = {*loaded, *server.static}
    lines = [
        f'ServerRoot "{root}"',
        *_loading(server, loaded, module),
        *_listening(server, host, port),
        *_identity(user),
        *_own_files(server, root),
        *_scale(server, load or default_load(server)),
        f'DocumentRoot "{root / "htdocs"}"',
        f'ErrorLog "{root / "error.log"}"',
        f"LogLevel {log_level}",
    ]
    if "mod_mime" in present:
        lines.append(f'TypesConfig "{root / "mime.types"}"')
    if "mod_log_config" in present:
        lines.append(f'CustomLog "{root / "access.log"}" "%h %t \\"%r\\" %>s %b"')
    lines += ["<Directory />", "    Options FollowSymLinks", "    AllowOverride None"]
    lines += ["</Directory>", "", body.strip("\n"), ""]
    return "\n".join(lines)


@contextmanager
def running(
    server: Server,
    module: Path | None,
    *,
    body: str,
    root: Path | None = None,
    host: str = LOOPBACK,
    port: int = 0,
    modules: Sequence[str] = MODULES,
    load: Load | None = None,
    log_level: str = "info",
    environment: Mapping[str, str] | None = None,
) -> Iterator[Running]:
    """Runs a server that answers at host. All its processes are gone when the block ends.

    Without module, mod_wsgi is not loaded. Without root, the server gets a temporary folder. Port
    0 means any free port. environment is added to this process's own, from which variables that
    affect the Python inside are removed. The umask is this process's.
    """
    with _root_or(root) as folder:
        chosen = port or free_port()
        user = unprivileged_user()
        config = folder / "httpd.conf"
        config.write_text(
            render(
                server,
                module,
                port=chosen,
                root=folder,
                body=body,
                host=host,
                modules=modules,
                load=load,
                user=user.pw_name if user else None,
                log_level=log_level,
            )
        )
        (folder / "htdocs").mkdir(exist_ok=True)
        (folder / "mime.types").write_text(_MIME_TYPES)
        open_to_all(folder / "htdocs", folder / "mime.types")
        process = _launch(server, config, folder, environment or {})
        try:
            _await(process, _reachable(host), chosen, folder)
            yield Running(server=server, root=folder, port=chosen, process=process, host=host)
        finally:
            _stop(process)


@contextmanager
def server_root() -> Iterator[Path]:
    """A temporary folder that Apache's user can enter."""
    folder = Path(tempfile.mkdtemp(prefix="mod_wsgi-"))
    try:
        open_to_all(folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def open_to_all(*paths: Path) -> None:
    """Lets Apache's user read files and folders of ours, whatever our umask is."""
    for path in paths:
        path.chmod(0o755 if path.is_dir() else 0o644)


def free_port() -> int:
    """A port that nobody listens on, and that the system will not give to a client.

    It is below the ephemeral ports. A client could have taken one of those before the server does.
    """
    ports = range(_FIRST_PORT, _first_ephemeral_port())
    for port in random.sample(ports, 100):
        with suppress(OSError), socket.socket() as probe:
            probe.bind((LOOPBACK, port))
            return port
    raise Problem(f"no port between {ports.start} and {ports.stop} is free")


def _first_ephemeral_port() -> int:
    """The first port that Linux gives to clients, 32768 by default."""
    try:
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        return 32768
    return first if first >= _FIRST_PORT + 1000 else 32768


def unprivileged_user() -> pwd.struct_passwd | None:
    """The user that a server started by root changes to. None if we are not root."""
    if os.geteuid() != 0:
        return None
    for name in ("www-data", "apache", "http", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise Problem("no user www-data, apache, http or nobody to serve as: add one with useradd")


@contextmanager
def _root_or(root: Path | None) -> Iterator[Path]:
    if root is not None:
        yield root
        return
    with server_root() as made:
        yield made


def is_available(server: Server, name: str) -> bool:
    """Whether the server has that module, be it within its program or to be loaded."""
    return name in server.static or _is_loadable(server, name)


def _is_loadable(server: Server, name: str) -> bool:
    return name not in server.static and (server.modules / f"{name}.so").is_file()


def _loading(server: Server, names: Sequence[str], module: Path | None) -> Iterator[str]:
    """The MPM is loaded first, since others need it.

    Ours is loaded last, so that 1.3 asks it first.
    """
    model = f"mod_mpm_{server.mpm}"
    wanted = [model, *names] if _is_loadable(server, model) else names
    for name in wanted:
        symbol = _symbol(server, name)
        yield f'LoadModule {symbol} "{server.modules / f"{name}.so"}"'
    if module:
        yield f'LoadModule wsgi_module "{module.resolve()}"'


def _symbol(server: Server, name: str) -> str:
    plain = f"{name.removeprefix('mod_')}_module"
    return _NAMES_13.get(name, plain) if server.line == "1.3" else plain


def _listening(server: Server, host: str, port: int) -> list[str]:
    """In 1.3 the port of the server's own name comes from a separate directive."""
    listen = f"Listen {_place(host, port)}"
    if server.line == "1.3":
        names = ["ServerType standalone", f"Port {port}", "ServerName localhost"]
        return [*names, "UseCanonicalName Off", listen]
    return [f"ServerName localhost:{port}", "UseCanonicalName Off", listen]


def _place(host: str, port: int) -> str:
    """An address and a port as in URLs and in Listen."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _reachable(host: str) -> str:
    """The address by which this machine reaches a server that listens on host."""
    every = {"0.0.0.0": LOOPBACK, "::": "::1"}  # noqa: S104  nothing is bound here
    return every.get(host, host)


def _identity(user: str | None) -> list[str]:
    if user is None:
        return []
    group = grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name
    return [f"User {user}", f"Group {group}"]


def _own_files(server: Server, root: Path) -> list[str]:
    """Keeps the files that the server's processes share inside the root.

    By default, the old lines may use a semaphore as lock, which outlives a server that is killed.
    """
    lines = [f'PidFile "{root / "httpd.pid"}"']
    if server.line == "2.4":
        return [*lines, f'DefaultRuntimeDir "{root}"']
    lines += [f'LockFile "{root / "accept.lock"}"', "AcceptMutex fcntl"]
    if server.line == "1.3":
        lines.append(f'ScoreBoardFile "{root / "scoreboard"}"')
        lines += ["ResourceConfig /dev/null", "AccessConfig /dev/null"]
    return lines


def _scale(server: Server, load: Load) -> list[str]:
    """Fixes the number of processes, so that a test or a benchmark knows what it talks to.

    The server may log that it wants more only if none is idle. ServerLimit is twice the number,
    since during a graceful restart the old processes keep their places.
    """
    most = "MaxRequestWorkers" if server.line == "2.4" else "MaxClients"
    lines = [f"StartServers {load.processes}", "MaxRequestsPerChild 0"]
    if server.mpm == "prefork":
        spare = ["MinSpareServers 1", f"MaxSpareServers {load.processes + 1}"]
        return [*lines, *spare, f"{most} {load.processes}"]
    total = load.processes * load.threads
    return [
        f"ServerLimit {2 * load.processes}",
        f"ThreadLimit {load.threads}",
        *lines,
        f"ThreadsPerChild {load.threads}",
        "MinSpareThreads 1",
        f"MaxSpareThreads {total + load.threads}",
        f"{most} {total}",
    ]


def _launch(
    server: Server, config: Path, root: Path, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Starts the server as leader of a process group, so that the group can be stopped.

    1.3 becomes a leader by itself, and refuses to run if it is one already.
    """
    ours = {name: text for name, text in os.environ.items() if not _steers_python(name)}
    foreground = "-F" if server.line == "1.3" else "-DFOREGROUND"
    with (root / "error.log").open("ab") as log:
        return subprocess.Popen(
            [str(server.httpd), "-d", str(root), "-f", str(config), foreground],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env={**ours, **environment},
            start_new_session=server.line != "1.3",
        )


def _steers_python(name: str) -> bool:
    return name.startswith("PYTHON") or name == "VIRTUAL_ENV"


def _await(process: subprocess.Popen[bytes], host: str, port: int, root: Path) -> None:
    """Waits until the server answers.

    Its pid file shows that it is not another server on that port.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Problem(f"Apache ended with status {process.returncode}: {_last_lines(root)}")
        if (root / "httpd.pid").exists() and _accepts(host, port):
            return
        time.sleep(0.02)
    raise Problem(f"Apache did not answer within {START_SECONDS:.0f} s: {_last_lines(root)}")


def _accepts(host: str, port: int) -> bool:
    with suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False


def _last_lines(root: Path) -> str:
    lines = (root / "error.log").read_text(errors="replace").splitlines()
    return "\n    ".join(lines[-10:]) or "its log is empty"


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Asks the server to end. Then kills what is left of its process group."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(STOP_SECONDS)
