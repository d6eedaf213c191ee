"""What pip makes of this tree: an archive of the sources, and of that a wheel, which serves."""

import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from command import TOP, Problem, httpd, pythons, servers
from tests.harness import programs
from tools import installed

pytestmark = pytest.mark.slow

BACK_END = ("hatchling==1.33.0", "scons==4.11.1")

APPLICATION = """
import sys

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [sys.prefix.encode()]
"""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that Apache's user can read. Its virtual environment env has the back end."""
    try:
        python = pythons.choose(sys.executable)
        servers.choose()
    except Problem as problem:
        pytest.skip(f"nothing to build for: {problem}")
    with httpd.server_root() as made:
        programs.run(python.executable, "-m", "venv", made / "env")
        programs.run(made / "env" / "bin" / "pip", "install", "-q", *BACK_END)
        yield made


@pytest.fixture(scope="module")
def sdist(folder: Path) -> Path:
    hatchling = (folder / "env" / "bin" / "python", "-m", "hatchling")
    programs.run(*hatchling, "build", "-t", "sdist", "-d", folder / "sdist")
    (made,) = (folder / "sdist").iterdir()
    return made


@pytest.fixture(scope="module")
def wheel(folder: Path, sdist: Path) -> Path:
    """Built of the archive, not of the checkout."""
    pip = (folder / "env" / "bin" / "pip", "wheel", "--no-deps", "--no-build-isolation")
    programs.run(*pip, "-w", folder / "wheel", sdist)
    (made,) = (folder / "wheel").iterdir()
    return made


def test_the_archive_has_what_is_built_and_tested(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    listed = programs.run("git", "ls-files").split()
    assert {name for name in listed if not name.startswith(".")} - names == set()


def test_the_wheel_has_each_file_of_the_command(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
    ours = {f"{installed.PACKAGE}/{name}" for name in installed.files().values()}
    assert ours - names == set()
    assert {name.rpartition("/")[2] for name in names} >= {"mod_wsgi.so", "mod_wsgi-spawner"}


def test_the_names_have_the_version(sdist: Path, wheel: Path) -> None:
    version = (TOP / "VERSION").read_text().strip()
    assert sdist.name == f"mod_wsgi_variables-{version}.tar.gz"
    assert wheel.name.startswith(f"mod_wsgi_variables-{version}-cp3")
    assert "linux" in wheel.name


def test_what_is_installed_serves(folder: Path, wheel: Path) -> None:
    env = folder / "env"
    programs.run(env / "bin" / "pip", "install", "-q", wheel)
    command = env / "bin" / "mod_wsgi"
    assert f'LoadModule wsgi_module "{env}' in programs.run(command, "module-config")
    application = folder / "shop.py"
    application.write_text(APPLICATION)
    port = httpd.free_port()
    with subprocess.Popen([command, "serve", application, f"--port={port}"]) as server:
        try:
            assert programs.first_answer(f"http://127.0.0.1:{port}/", server) == str(env)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(20)
