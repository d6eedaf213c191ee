"""Builds mod_wsgi for this machine and serves one application with it, until Ctrl-C.

You need not be root. The system's configuration is neither read nor changed: the server lives in a
temporary folder, which is removed at the end. Its access log and error log appear in the terminal.
Only this machine can reach the server, unless --host names another address.
"""

import argparse
import ipaddress
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Thread
from types import FrameType
from typing import NoReturn

from . import DATA, Problem, access, directives, httpd, module, pythons, recognise, servers
from .directives import Static
from .pythons import Python
from .servers import Server

EXAMPLE = DATA / "examples" / "environ.py"
ERROR_PAGE = Path(__file__).parent / "pages" / "error_page.py"
ERROR_URL = "/.mod_wsgi-error"
# A module of this name is made, where no file has the application.
MADE = "mod_wsgi_serve"
APPLICATION = re.compile(r"(?P<where>[^:]+?)(?:::(?P<name>[A-Za-z_][\w.]*)(?P<call>\(\))?)?")


@dataclass(frozen=True, kw_only=True)
class Application:
    """What to serve, as values of the mod_wsgi.* variables."""

    setting: str
    directories: tuple[Path, ...]
    file: Path | None = None
    made: str = ""
    others: tuple[str, ...] = ()


def main(words: Sequence[str] | None = None, prog: str = "dev serve") -> int:
    """Serves until it is told to stop.

    Returns 0 then, 1 if the server failed, 2 if it cannot start.
    """
    arguments = parse(words, prog)
    listen_to_signals()
    try:
        return serve(arguments)
    except Problem as problem:
        print(f"{prog}: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def parse(words: Sequence[str] | None, prog: str = "dev serve") -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    parser.add_argument(
        "app",
        nargs="?",
        metavar="APP",
        help="path/to/file.py::callable or package.module::callable, or a folder, such as that of "
        "Django's manage.py; a callable that is not named is 'application', in a file also "
        "'app', or what create_app() returns; without APP, a page that shows the environ",
    )
    parser.add_argument(
        "--directory",
        action="append",
        default=[],
        type=Path,
        help="put first on sys.path; may be repeated (default: the folder of the file, or of the "
        "package that the file is in; for a module, this directory)",
    )
    parser.add_argument(
        "--host",
        default=httpd.LOOPBACK,
        help=f"an address or name to listen on; 0.0.0.0 means all (default: {httpd.LOOPBACK})",
    )
    parser.add_argument("--port", type=int, default=8080, help="default: 8080")
    parser.add_argument("--mount", default="/", metavar="PATH", help="default: /")
    parser.add_argument(
        "--apache", choices=servers.LINES, help="default: the newest that is found"
    )
    parser.add_argument("--mpm", choices=servers.MPMS, help="default: the server's most modern")
    parser.add_argument("--apxs", type=Path, help="the Apache's apxs; default: the first on PATH")
    parser.add_argument("--python", default="", help="version or path; default: first on PATH")
    parser.add_argument(
        "--virtualenv",
        type=Path,
        help="the folder of a virtual environment, whose packages the application uses",
    )
    parser.add_argument(
        "--static",
        action="append",
        default=[],
        metavar="URL=DIR",
        help="files that Apache sends itself, such as /static/=static; may be repeated",
    )
    parser.add_argument(
        "--reload",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="load the application anew when one of its files has changed (default)",
    )
    parser.add_argument("--processes", type=int, help="default: 4, or 2 with threads")
    parser.add_argument("--threads", type=int, help="in each process; default: 8")
    return parser.parse_args(words)


def serve(arguments: argparse.Namespace) -> int:
    """Checks what it can before it builds, then builds and runs."""
    server = module.choose_server(arguments.apache, arguments.apxs, arguments.mpm)
    host = address(arguments.host, server)
    require_port(host, arguments.port)
    require_mount(arguments.mount)
    load = load_of(server, arguments)
    served = [directives.static(text) for text in arguments.static]
    virtualenv = arguments.virtualenv or module.default_virtualenv()
    python = choose_python(arguments.python, virtualenv)
    with httpd.server_root() as root:
        application = find_application(arguments.app, arguments.directory, root)
        require_readable(python, application, [virtualenv, *(each.folder for each in served)])
        print(chosen(application), end="")
        if not module.is_installed():
            print(f"building {server.name}-{python.name}", flush=True)
        loaded = module.find(server, python)
        mount = arguments.mount.rstrip("/")
        settings = variables(application, virtualenv, reload=arguments.reload)
        body = configuration(mount or "/", settings, served, server.line)
        if ipaddress.ip_address(host).is_loopback:
            body += error_page(root)
        with (
            followed(root / "error.log", root / "access.log") as begin,
            httpd.running(
                server, loaded, body=body, root=root, host=host, port=arguments.port, load=load
            ) as running,
        ):
            url = f"{running.url}{mount}/"
            print(f"{server.name}-{python.name} serves {application.setting} at {url}")
            print(f"{exposure(host, arguments.port)}Ctrl-C stops it", flush=True)
            begin.set()
            return wait(running.process)


def listen_to_signals() -> None:
    """Makes other signals to stop act like Ctrl-C. nohup is respected.

    SIGINT is set, too: a shell without job control starts background programs with it ignored.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, interrupt)


def stop_listening() -> None:
    """From now on nothing interrupts stopping the server and removing its folder."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def address(host: str, server: Server) -> str:
    """The IP address to listen on. If the host has both, one of IPv4."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Problem(f"--host {host} is neither an address nor a known name ({error})") from error
    every = [str(where[0]) for *_, where in found]
    chosen = next((each for each in every if ":" not in each), every[0])
    if ":" in chosen and server.line == "1.3":
        raise Problem(f"--host {host} is an address of IPv6, which Apache 1.3 does not know")
    return chosen


def exposure(host: str, port: int) -> str:
    """A line of warning if others than this machine can reach the server, else ""."""
    if ipaddress.ip_address(host).is_loopback:
        return ""
    where = "every address of this machine" if ipaddress.ip_address(host).is_unspecified else host
    return (
        f"WARNING: this server answers on {where}, port {port}. Whoever reaches that over the "
        "network can use the application, and no password is asked for.\n"
    )


def require_port(host: str, port: int) -> None:
    """Reports a port that is taken before the build, not after it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except (OSError, OverflowError) as error:
        raise Problem(
            f"port {port} of {host} cannot be used ({error}): try another --port or --host"
        ) from error


def require_mount(mount: str) -> None:
    if not re.fullmatch(r"/|(/[\w.~-]+)+/?", mount):
        raise Problem(f"--mount {mount} is not the path of a URL: write it like /some/path")


def load_of(server: Server, arguments: argparse.Namespace) -> httpd.Load:
    usual = httpd.default_load(server)
    load = httpd.Load(
        processes=usual.processes if arguments.processes is None else arguments.processes,
        threads=usual.threads if arguments.threads is None else arguments.threads,
    )
    if load.processes < 1 or load.threads < 1:
        raise Problem("--processes and --threads must be 1 or more")
    if server.mpm == "prefork" and load.threads > 1:
        raise Problem("prefork has one thread in each process: use --processes, or another --mpm")
    return load


def choose_python(wanted: str, virtualenv: Path | None) -> Python:
    """A Python that the server's user can read, if there is one.

    Prefers the virtual environment's.
    """
    if virtualenv and not wanted:
        wanted = str(virtualenv / "bin" / "python")
        if not Path(wanted).exists():
            raise Problem(
                f"--virtualenv {virtualenv} has no bin/python: make it with python -m venv"
            )
    wanted = wanted or module.default_python()
    with suppress(Problem):
        return pythons.choose(wanted, access.fault)
    # Closed to the user: require_readable() says how to open it.
    return pythons.choose(wanted, module.fault)


def find_application(app: str | None, directories: Sequence[Path], root: Path) -> Application:
    """Finds out what APP means. What has to be made for it is made in the server's root.

    The example is copied there, because the project may be in a home that is closed to the
    server's user.
    """
    added = existing(directories)
    if app is None:
        copy = Path(shutil.copy(EXAMPLE, root))
        httpd.open_to_all(copy)
        return Application(
            setting=f"{EXAMPLE.stem}::application", directories=(root, *added), file=copy
        )
    application = named_application(app, added)
    if application.made:
        made = root / f"{MADE}.py"
        made.write_text(application.made)
        httpd.open_to_all(made)
        return replace(application, directories=(root, *application.directories))
    return application


def chosen(application: Application) -> str:
    """A line that says which application was found, and how to choose another."""
    if application.file is None:
        return ""
    if application.made:
        call = application.made.strip().rpartition(" = ")[2]
        what = f"found {call} for {application.file}"
    else:
        what = f"found {application.setting} of {application.file}"
    also = f"; for another write {' or '.join(application.others)}" if application.others else ""
    return f"{what}{also}\n"


def existing(directories: Sequence[Path]) -> tuple[Path, ...]:
    """The whole paths of what --directory names."""
    added = tuple(directory.resolve() for directory in directories)
    for directory in added:
        if not directory.is_dir():
            raise Problem(f"--directory {directory} is not a directory")
    return added


def named_application(app: str, added: tuple[Path, ...]) -> Application:
    """What an APP means that is named. The folders added are on sys.path, too."""
    match = APPLICATION.fullmatch(app)
    if not match:
        raise Problem(f"{app} is not an application: write file.py::callable or module::callable")
    where, name = match["where"], match["name"]
    if "/" in where or where.endswith(".py") or where == ".":
        path = Path(where).resolve()
        if match["call"]:
            return application_in_file(recognise.called(path, name), added)
        if name:
            return application_in_file(recognise.Found(file=path, name=name), added)
        found = recognise.in_folder(path) if path.is_dir() else recognise.callable_in(path)
        return application_in_file(found, added)
    name = name or "application"
    if match["call"]:
        made = recognise.CALLED.format(module=where, name=name)
        return Application(
            setting=f"{MADE}::application", directories=added or (Path.cwd(),), made=made
        )
    return Application(setting=f"{where}::{name}", directories=added or (Path.cwd(),))


def application_in_file(found: recognise.Found, added: tuple[Path, ...]) -> Application:
    """A file in a package is imported as a module of the package, as its other modules expect."""
    path = found.file
    if not path.is_file():
        raise Problem(f"there is no file {path}")
    if path.suffix != ".py" or "." in path.stem:
        raise Problem(f"{path.name} cannot be imported: a module's file is called name.py")
    module, folder = recognise.dotted(path)
    return Application(
        setting=f"{MADE}::application" if found.made else f"{module}::{found.name}",
        directories=(found.top or folder, *added),
        file=path,
        made=found.made,
        others=found.others,
    )


def require_readable(
    python: Python, application: Application, folders: Sequence[Path | None]
) -> None:
    """If root runs it, Apache changes to another user.

    Raises a Problem that names all that is closed.
    """
    user = httpd.unprivileged_user()
    paths = [*access.parts(python), application.file, *application.directories, *folders]
    access.require([path for path in paths if path is not None], user)


def variables(
    application: Application, virtualenv: Path | None, *, reload: bool = True
) -> dict[str, str]:
    """The values of the mod_wsgi.* variables that the application is served with."""
    settings = {
        "application": application.setting,
        "interpreter": "serve",
        "directory": ":".join(str(directory) for directory in application.directories),
        "reload": "on" if reload else "off",
    }
    if virtualenv:
        settings["virtualenv"] = str(virtualenv.resolve())
    return settings


def configuration(
    mount: str, settings: dict[str, str], served: Sequence[Static], line: str
) -> str:
    """The few lines of configuration that anybody would write."""
    lines = [
        *directives.aliases(served),
        f"<Location {mount}>",
        "    SetHandler mod_wsgi",
        *directives.indented(directives.variables(settings)),
        "</Location>",
        *directives.exceptions(served, line),
    ]
    return "\n".join(lines)


def error_page(root: Path) -> str:
    """What shows an error of the application in the browser: a small application of its own.

    It reads the log. Nobody but the server's user may do that, too.
    """
    log, user = root / "error.log", httpd.unprivileged_user()
    log.touch(mode=0o600)
    if user:
        shutil.chown(log, user.pw_uid, user.pw_gid)
    httpd.open_to_all(Path(shutil.copy(ERROR_PAGE, root)))
    settings = {
        "application": ERROR_PAGE.stem,
        "interpreter": "serve-error-page",
        "directory": str(root),
        "reload": "off",
        "virtualenv": "",
        "environ.SERVE_LOG": str(log),
    }
    lines = [
        "",
        f"ErrorDocument 500 {ERROR_URL}",
        f"<Location {ERROR_URL}>",
        "    SetHandler mod_wsgi",
        *directives.indented(directives.variables(settings)),
        "</Location>",
    ]
    return "\n".join(lines)


def wait(process: subprocess.Popen[bytes]) -> int:
    """Waits for the end. Returns 0 if we were asked to stop, 1 if the server stopped by itself."""
    try:
        process.wait()
    except KeyboardInterrupt:
        stop_listening()
        print("stopping", flush=True)
        return 0
    print(f"Apache ended by itself, with status {process.returncode}", file=sys.stderr)
    return 1


@contextmanager
def followed(*logs: Path) -> Iterator[Event]:
    """Prints what the server writes to its logs, once the event is set."""
    begin, ended = Event(), Event()
    follower = Thread(target=follow, args=(logs, begin, ended))
    follower.start()
    try:
        yield begin
    finally:
        ended.set()
        follower.join()


def follow(logs: Sequence[Path], begin: Event, ended: Event) -> None:
    """Reads the logs until the server has ended, and then a last time."""
    places = dict.fromkeys(logs, 0)
    last = False
    while not last:
        last = ended.wait(0.05)
        for path in logs:
            if begin.is_set() and path.exists():
                places[path] = echo(path, places[path])


def echo(path: Path, place: int) -> int:
    """Prints what is new, up to the last whole line. Returns the new place."""
    with path.open("rb") as stream:
        stream.seek(place)
        text = stream.read()
    whole = text[: text.rfind(b"\n") + 1]
    sys.stdout.write(whole.decode("utf-8", "replace"))
    sys.stdout.flush()
    return place + len(whole)


if __name__ == "__main__":
    sys.exit(main())
