"""Prepares a run: the module under test, the floor, and the peers in a virtual environment.

Everything is below build/, pinned by requirements.txt, and made again when that changes.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import APPS, BENCH, BUILD, VENV
from command import Problem, access, build, httpd
from command.pythons import Python
from command.servers import Server

FILE_SIZE = 100 * 1024 * 1024
PROGRAMS = {"valgrind": "valgrind", "wrk": "wrk"}


@dataclass(frozen=True, kw_only=True)
class Kit:
    """Everything that can be started, built and installed for one Python."""

    python: Python
    ours: Path
    before: Path | None  # an older build of ours
    floor: Path
    least: Path
    incumbent: Path
    venv: Path
    file: Path


def prepare(server: Server, python: Python, before: Path | None = None) -> Kit:
    """Builds and installs what is missing. Raises a Problem that says what is needed for that."""
    require_programs(PROGRAMS)
    BUILD.mkdir(parents=True, exist_ok=True)
    make_venv(python)
    access.require((APPS, BUILD, VENV), httpd.unprivileged_user())
    return Kit(
        python=python,
        ours=build.module(server, python),
        before=before,
        floor=build_floor(server),
        least=build_least(server, python),
        incumbent=find_incumbent(),
        venv=VENV,
        file=make_file(),
    )


def require_programs(programs: Mapping[str, str]) -> None:
    """Raises a Problem that names the missing programs' packages."""
    missing = [package for name, package in programs.items() if not shutil.which(name)]
    if missing:
        packages = " ".join(sorted(set(missing)))
        raise Problem(f"the measurements need these packages: {packages} (apt-get install)")


def make_venv(python: Python) -> None:
    """The environment has a copy of its requirements. If they change, it is made again."""
    stamp = VENV / "made-from.txt"
    wanted = f"# {python.executable}\n{(BENCH / 'requirements.txt').read_text()}"
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    print(f"installing the peers into {VENV.relative_to(BENCH.parent)}", file=sys.stderr)
    run([str(python.executable), "-I", "-m", "venv", "--clear", str(VENV)])
    pip = [str(VENV / "bin" / "python"), "-I", "-m", "pip", "install", "--quiet"]
    run([*pip, "--disable-pip-version-check", "-r", str(BENCH / "requirements.txt")])
    stamp.write_text(wanted)


def build_floor(server: Server) -> Path:
    return build_by_apxs(server, "mod_floor", f"floor-{server.version}")


def build_least(server: Server, python: Python) -> Path:
    """Builds the least that calls Python, linked with the Python that we have, too."""
    link = f"-Wl,-rpath,{python.libdir}"
    flags = [f"-I{python.include}", f"-L{python.libdir}", f"-l{python.library}", link]
    return build_by_apxs(server, "mod_least", f"least-{server.version}-{python.name}", flags)


def build_by_apxs(server: Server, name: str, place: str, flags: Sequence[str] = ()) -> Path:
    """Builds a module by the server's apxs, from a copy, since apxs leaves files beside it."""
    folder = BUILD / place
    folder.mkdir(exist_ok=True)
    built = folder / ".libs" / f"{name}.so"
    copies = {folder / file: BENCH / "floor" / file for file in ("flush.h", f"{name}.c")}
    if not built.is_file() or any(is_other(*pair) for pair in copies.items()):
        for copy, source in copies.items():
            shutil.copyfile(source, copy)
        run([str(server.apxs), "-c", *flags, f"{name}.c"], cwd=folder)
    return built


def is_other(copy: Path, source: Path) -> bool:
    return not copy.is_file() or copy.read_bytes() != source.read_bytes()


def find_incumbent() -> Path:
    found = sorted(VENV.glob("lib/python*/site-packages/mod_wsgi/server/mod_wsgi*.so"))
    if not found:
        raise Problem(f"no module in {VENV}: remove that folder and run this again")
    return found[0]


def make_file() -> Path:
    """Makes the file that the file workload sends. Not sparse, since holes may be read faster."""
    path = BUILD / "100-megabytes"
    if not path.is_file() or path.stat().st_size != FILE_SIZE:
        path.write_bytes(os.urandom(1024 * 1024) * (FILE_SIZE // 1024 // 1024))
    return path


def run(command: Sequence[str], cwd: Path | None = None) -> None:
    done = subprocess.run(
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Problem(f"{' '.join(command)} failed with {done.returncode}\n{done.stdout}")
