"""Other systems than Linux: what they have of the module compiles for them, by zig's headers.

They have no processes of applications. A module without these is served here, too. Nothing of this
says how the module runs on another system.
"""

import sys
from pathlib import Path
from urllib.error import HTTPError

import pytest

from command import TOP
from command.pythons import Python
from tests.harness import foreign, programs
from tests.harness.builds import a_python, a_server, served

TARGETS = ("x86_64-freebsd", "x86_64-netbsd", "x86_64-macos")
LINUX = ("x86_64-linux-musl", "aarch64-linux-gnu", "x86_64-linux-gnu.2.17")

FLAGS = ("-std=c99", "-D_GNU_SOURCE", f"-I{TOP / 'core'}", '-DWSGI_VERSION="0"')
# Without -Wshadow: the variable environ is declared where unistd.h of these systems has none.
WARNINGS = ("-pedantic", "-Wall", "-Wextra", "-Werror", "-c")
PYTHON = '-DWSGI_PYTHON_EXECUTABLE="/usr/bin/python"'

# As SConstruct has it in WITHOUT_PROCESSES.
EMBEDDED = ("noprocesses", "serve", "memory", "descriptor", "ceilings")
BETWEEN = ("adapters/remote", "adapters/wire")


@pytest.fixture
def zig() -> Path:
    found = foreign.zig()
    if found is None:
        pytest.skip(f"NOT RUN: zig is not installed: pip install ziglang=={foreign.VERSION}")
    return found


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (TOP / folder).rglob("*.c"))


def compile_all(zig: Path, target: str, files: list[Path], folder: Path, *flags: str) -> None:
    """Leaves the objects in the folder."""
    assert files
    # The C libraries' own macros: musl's CMSG_NXTHDR, and glibc's strchr.
    quiet = ("-Wno-sign-compare", "-Wno-c11-extensions") if target in LINUX else ()
    words = ("cc", "-target", target, *FLAGS, *WARNINGS, *quiet, *flags)
    programs.run(zig, *words, *files, folder=folder)


@pytest.mark.parametrize("target", [*TARGETS, *LINUX])
def test_the_core_compiles(target: str, zig: Path, python: Python, tmp_path: Path) -> None:
    flags = [PYTHON, *foreign.python_flags(python, tmp_path)]
    compile_all(zig, target, sources("core"), tmp_path, *flags)


@pytest.mark.parametrize("target", [*TARGETS, *LINUX])
def test_the_adapter_compiles(target: str, zig: Path, tmp_path: Path) -> None:
    flags = foreign.server_flags(a_server("2.4"), target.split("-")[1], tmp_path)
    compile_all(zig, target, sources("adapters/apache2x"), tmp_path, *flags)


@pytest.mark.parametrize("target", TARGETS)
def test_the_adapter_of_the_old_server_compiles(target: str, zig: Path, tmp_path: Path) -> None:
    flags = foreign.server_flags(a_server("1.3"), target.split("-")[1], tmp_path)
    compile_all(zig, target, sources("adapters/apache13"), tmp_path, "-fgnu89-inline", *flags)


@pytest.mark.parametrize("target", TARGETS)
def test_what_stands_in_for_processes_compiles(target: str, zig: Path, tmp_path: Path) -> None:
    files = [path for path in sources(*BETWEEN) if path.stem in EMBEDDED]
    assert len(files) == len(EMBEDDED)
    compile_all(zig, target, files, tmp_path, *foreign.extra_flags(target.split("-")[1], tmp_path))


@pytest.mark.parametrize("target", LINUX)
def test_what_runs_processes_compiles(target: str, zig: Path, tmp_path: Path) -> None:
    """Each folder by itself: zig links the objects of one call, and files stand in for others."""
    for folder in ("spawner", "adapters/process", *BETWEEN):
        files = [path for path in sources(folder) if path.stem != "noprocesses"]
        compile_all(zig, target, files, tmp_path)


@pytest.mark.parametrize(("line", "version"), [("1.3", "2.7"), ("2.4", "3.11")])
def test_a_module_without_processes_serves_and_says_that_it_has_none(
    line: str, version: str
) -> None:
    server, python = a_server(line), a_python(version)
    words = (f"apxs={server.apxs}", f"python={python.executable}", "processes=no")
    programs.run(sys.executable, "-m", "SCons", "-Q", *words)
    built = TOP / "build" / f"apache{line}-{python.name}-embedded"
    assert [path.name for path in built.iterdir()] == ["mod_wsgi.so"]
    with served(server, built) as (url, root):
        assert programs.first_answer(f"{url}/") == server.httpd.resolve().name
        with pytest.raises(HTTPError, match="500"):
            programs.first_answer(f"{url}/apart")
        logs = "".join(path.read_text() for path in root.rglob("error*log*"))
    assert "MW0645: this module has no processes of applications" in logs


def test_a_module_has_python_or_processes() -> None:
    words = ("-n", "python=none", "processes=no")
    with pytest.raises(programs.ProgramFailed, match="leave out python=none or processes=no"):
        programs.run(sys.executable, "-m", "SCons", "-Q", *words)
