"""The module as old systems have it, built and served here (scons profile=old).

Nothing of it asks for what gcc 4.1, glibc 2.5 and Linux 2.6.18 lack.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from command import TOP, Problem, build, pythons, servers
from command.pythons import Python
from command.servers import Server

CELLS = {"2.4": "3.11", "1.3": "2.7"}

# Functions that glibc 2.5 has not, and those of libatomic.
LACKING = re.compile(
    r"^(pipe2|dup3|accept4|mkostemp|epoll_create1|eventfd|inotify_init1|memfd_create|__atomic_\w+)$"
)

# Bodies pass through temporary files, and between processes.
SERVED = ("body/test_early_answers.py", "input/test_pep3333_streams.py")


@pytest.fixture(params=CELLS)
def old(request: pytest.FixtureRequest) -> tuple[Server, Python]:
    line = request.param
    try:
        server = next(iter(servers.find([line])))
        return server, pythons.choose(CELLS[line])
    except (Problem, StopIteration):
        pytest.skip(f"Apache {line} or Python {CELLS[line]} is not installed")


def wanted(made: Path) -> set[str]:
    """The functions that a program or module wants of libraries."""
    command = ["nm", "-D", "--undefined-only", str(made)]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {line.split()[-1].split("@")[0] for line in listed.splitlines()}


def test_nothing_asks_for_what_old_systems_lack(old: tuple[Server, Python]) -> None:
    server, python = old
    made = [build.module(server, python, "old")]
    made += build.module_and_programs(server, python, "old")
    assert "pthread_create" in set().union(*map(wanted, made))
    assert {path.name: sorted(filter(LACKING.match, wanted(path))) for path in made} == {
        path.name: [] for path in made
    }


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["embedded", "processes"])
def test_it_serves(old: tuple[Server, Python], mode: str) -> None:
    server, python = old
    command = [sys.executable, "-m", "pytest", "-q", "--profile", "old", "--slow", "none"]
    command += ["--apache", server.line, "--mpm", server.mpm, "--python", str(python.executable)]
    command += ["--mode", mode, *(str(TOP / "tests" / "server" / each) for each in SERVED)]
    done = subprocess.run(
        command, cwd=TOP, capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"\b\d\d+ passed", done.stdout)
