"""Prints the configuration of a site: mod_wsgi config APP.

The text is for the server's configuration files. It is printed, and nothing is changed.
"""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from . import Problem, module, pythons, serve, servers
from .directives import access, aliases, exceptions, indented, quoted, static, variables

NAME = re.compile(r"[A-Za-z_]\w*")


def main(words: Sequence[str], prog: str = "mod_wsgi config") -> int:
    """Prints the configuration. Returns 0, or 2 if it cannot be made."""
    arguments = parse(words, prog)
    try:
        print("\n".join(lines(arguments)))
    except Problem as problem:
        print(f"{prog}: {problem}", file=sys.stderr)
        return 2
    return 0


def parse(words: Sequence[str], prog: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    parser.add_argument(
        "app",
        metavar="APP",
        help="path/to/file.py::callable or package.module::callable",
    )
    add = parser.add_argument
    add("--apache", choices=servers.LINES, default="2.4", help="default: 2.4")
    add("--server-name", default="www.example.com", metavar="NAME", help="of the virtual host")
    add("--port", type=int, default=80, help="of the virtual host; default: 80")
    add("--mount", default="/", metavar="PATH", help="default: /")
    add("--directory", action="append", default=[], type=Path, help="put first on sys.path")
    add("--virtualenv", type=Path, help="the folder of the application's virtual environment")
    add(
        "--static",
        action="append",
        default=[],
        metavar="URL=DIR",
        help="files that Apache sends itself, such as /static/=/srv/shop/static; may be repeated",
    )
    add(
        "--env",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a variable of the application's os.environ; may be repeated",
    )
    add("--user", help="who the application runs as, in processes of its own")
    add("--python", help="its version, such as 3.13, in processes of its own")
    add("--processes", type=int, help="the most processes that the application has")
    add("--threads", type=int, help="of each of these processes")
    add("--module", type=Path, metavar="FILE", help="load this mod_wsgi.so, too")
    return parser.parse_args(words)


def lines(arguments: argparse.Namespace) -> Iterator[str]:
    """The lines of the configuration. Raises a Problem if an argument makes no sense."""
    serve.require_mount(arguments.mount)
    served = [static(text) for text in arguments.static]
    yield from loading(arguments.module, arguments.apache)
    if arguments.apache != "2.4":
        yield "# Once in the server, if it has several names at this port:"
        yield f"# NameVirtualHost *:{arguments.port}"
    yield f"<VirtualHost *:{arguments.port}>"
    yield f"    ServerName {quoted(arguments.server_name)}"
    yield from indented(aliases(served))
    yield f"    <Location {quoted(arguments.mount.rstrip('/') or '/')}>"
    yield "        SetHandler mod_wsgi"
    yield from indented(indented(variables(settings(arguments))))
    yield from indented(indented(access(arguments.apache)))
    yield "    </Location>"
    yield from indented(exceptions(served, arguments.apache))
    yield "</VirtualHost>"


def load_lines(module: Path, line: str) -> list[str]:
    """What loads the module, in the main part of a server's configuration.

    A configuration of 1.3 that has ClearModuleList needs AddModule, too.
    """
    load = f"LoadModule wsgi_module {quoted(str(module))}"
    return [load, "AddModule mod_wsgi.c"] if line == "1.3" else [load]


def loading(file: Path | None, line: str) -> list[str]:
    if file is None:
        return ['# The server loads the module once: "mod_wsgi module-config" prints how.']
    if not file.is_file():
        raise Problem(f"--module {file} is not a file")
    return load_lines(file.resolve(), line)


def settings(arguments: argparse.Namespace) -> dict[str, str]:
    """The values of the mod_wsgi.* variables."""
    added = serve.existing(arguments.directory)
    application = serve.named_application(arguments.app, added)
    if application.made:
        raise Problem(
            f"{application.file} has no application yet: add these lines to a file, and name that "
            f"one:\n{application.made}"
        )
    found = {
        "application": application.setting,
        "directory": ":".join(str(folder) for folder in application.directories),
    }
    if arguments.virtualenv:
        if not (arguments.virtualenv / "bin" / "python").exists():
            raise Problem(f"--virtualenv {arguments.virtualenv} has no bin/python")
        found["virtualenv"] = str(arguments.virtualenv.resolve())
    found |= process(arguments)
    for text in arguments.env:
        name, equals, value = text.partition("=")
        if not equals or not NAME.fullmatch(name) or "\n" in value:
            raise Problem(f"--env {text} is not NAME=VALUE, in one line")
        found[f"environ.{name}"] = value
    return found


def process(arguments: argparse.Namespace) -> dict[str, str]:
    """The variables of processes of its own, if one of these options asks for them."""
    names = ("user", "python", "processes", "threads")
    chosen = {name: str(value) for name in names if (value := getattr(arguments, name))}
    return {"process": "auto", **chosen} if chosen else {}


def module_config(words: Sequence[str], prog: str = "mod_wsgi module-config") -> int:
    """Prints what loads the module. Returns 0, or 2 if there is none."""
    parser = argparse.ArgumentParser(prog=prog, description="Prints what loads the module.")
    parser.add_argument("--apache", choices=servers.LINES, help="default: the newest found")
    parser.add_argument("--apxs", type=Path, help="the Apache's apxs; default: the first on PATH")
    parser.add_argument("--python", default="", help="version or path; default: first on PATH")
    arguments = parser.parse_args(words)
    try:
        server = module.choose_server(arguments.apache, arguments.apxs)
        wanted = arguments.python or module.default_python()
        found = module.find(server, pythons.choose(wanted, module.fault))
    except Problem as problem:
        print(f"{prog}: {problem}", file=sys.stderr)
        return 2
    print("\n".join(load_lines(found, server.line)))
    return 0
