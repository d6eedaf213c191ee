"""./dev serve, as somebody tries it for the first time, with each Apache and Python."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from command import TOP, httpd
from tests.harness.cells import Cell

# It builds a module that embeds the Python.
pytestmark = [pytest.mark.any_python, pytest.mark.needs("python-in-the-module")]

USUAL = 0o022
CLOSED = 0o077


@contextmanager
def served(cell: Cell, *words: str, umask: int = USUAL) -> Iterator[tuple[str, list[str]]]:
    """The URL that it says, and the lines before that; it is stopped as Ctrl-C does."""
    choice = [
        *("--apache", cell.server.line, "--mpm", cell.server.mpm),
        *("--python", str(cell.python.executable), "--port", str(httpd.free_port())),
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "command.serve", *choice, *words],
        cwd=TOP,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        umask=umask,
    ) as process:
        assert process.stdout
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Ctrl-C"):
                break
        try:
            found = re.search(rf"{cell.name} serves \S+ at (\S+)", "".join(lines))
            assert found, lines
            yield found[1], lines
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
    assert process.returncode == 0


def test_serve_has_the_options_of_the_tests(cell: Cell) -> None:
    with served(cell) as (url, _):
        assert "SERVER_SOFTWARE" in requests.get(url, timeout=60).text


def test_serve_works_whatever_the_umask_is(cell: Cell) -> None:
    with served(cell, umask=CLOSED) as (url, _):
        for path in ("", "some/page"):
            answer = requests.get(url + path, timeout=60)
            assert answer.status_code == requests.codes.ok, answer.text


def test_serve_listens_where_it_is_told(cell: Cell) -> None:
    with served(cell, "--host", "127.0.0.2") as (url, lines):
        assert url.startswith("http://127.0.0.2:")
        assert requests.get(url, timeout=60).status_code == requests.codes.ok
        assert "WARNING" not in "".join(lines)
        with pytest.raises(requests.ConnectionError):
            requests.get(url.replace("127.0.0.2", "127.0.0.1"), timeout=60)
