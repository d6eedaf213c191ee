"""Builds that a test has made by itself: what they are made for, and a server that has them."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from command import Problem, httpd, pythons, servers
from command.pythons import Python
from command.servers import Server

# Answers with the program that runs it.
APPLICATION = """
import os

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [os.path.basename(os.readlink("/proc/self/exe")).encode()]
"""

CONFIGURATION = """
SetHandler mod_wsgi
SetEnv mod_wsgi.application hello
SetEnv mod_wsgi.directory "{root}"
<Location /apart>
    SetEnv mod_wsgi.process apart
</Location>
"""


def a_python(version: str) -> Python:
    try:
        return pythons.choose(version)
    except Problem as problem:
        pytest.skip(f"NOT RUN: {problem}")


def a_server(line: str) -> Server:
    try:
        return servers.choose(line)
    except Problem as problem:
        pytest.skip(f"NOT RUN: {problem}")


@contextmanager
def served(server: Server, made: Path) -> Iterator[tuple[str, Path]]:
    """Runs a server with the module of a folder, and with its programs if it has any.

    Yields its URL and its own folder. At / the application runs in the server's process, at
    /apart in one of its own.
    """
    with httpd.server_root() as root:
        module = Path(shutil.copy(made / "mod_wsgi.so", root))
        if (made / "mod_wsgi").is_dir():
            shutil.copytree(made / "mod_wsgi", root / "mod_wsgi")
        (root / "hello.py").write_text(APPLICATION)
        httpd.open_to_all(root, *root.iterdir())
        port, body = httpd.free_port(), CONFIGURATION.format(root=root)
        with httpd.running(server, module, body=body, root=root, port=port) as running:
            yield running.url, root
