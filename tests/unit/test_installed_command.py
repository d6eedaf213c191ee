"""The command mod_wsgi where it is installed: beside its modules, without sources."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from command import TOP, Problem, build, pythons, servers
from tools import installed, manual

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The folder of an installed command, with a module that is a link, as in a package."""
    folder = tmp_path / "lib" / installed.PACKAGE
    installed.copy(folder)
    real = tmp_path / "server" / "mod_wsgi.so"
    real.parent.mkdir()
    real.touch()
    python = pythons.find([sys.executable])[0]
    for line in servers.LINES:
        made = folder / "modules" / build.folder(line, python)
        made.mkdir(parents=True)
        (made / "mod_wsgi.so").symlink_to(real)
    return folder


@pytest.fixture
def run(package: Path) -> Run:
    """Runs the installed command. It must not see the checkout."""

    def run_it(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", "-m", installed.PACKAGE, *words]
        environment = {**os.environ, "PYTHONPATH": str(package.parent)}
        return subprocess.run(
            command, cwd="/", env=environment, capture_output=True, text=True, check=False
        )

    return run_it


@pytest.fixture
def line() -> str:
    try:
        return servers.line_of(servers.choose_apxs())
    except Problem as problem:
        pytest.skip(f"no Apache: {problem}")


@pytest.mark.usefixtures("line")
def test_it_names_the_module_of_the_server(run: Run, tmp_path: Path) -> None:
    done = run("module-config")
    assert f'LoadModule wsgi_module "{tmp_path}/server/mod_wsgi.so"' in done.stdout, done.stderr


def test_it_says_for_which_servers_there_is_a_module(run: Run, package: Path, line: str) -> None:
    for made in (package / "modules").glob(f"apache{line}-*"):
        (made / "mod_wsgi.so").unlink()
    done = run("module-config", "--apache", line)
    assert done.returncode == 2
    assert f"no module for Apache {line}" in done.stderr


@pytest.mark.usefixtures("line")
def test_it_says_for_which_pythons_there_is_a_module(run: Run, package: Path) -> None:
    for made in (package / "modules").iterdir():
        made.rename(made.with_name(made.name.partition("-")[0] + "-py2.6"))
    done = run("module-config")
    assert done.returncode == 2
    assert "there is apache1.3-py2.6, apache2.0-py2.6" in done.stderr


def test_it_has_the_version(run: Run) -> None:
    assert run("--version").stdout == f"mod_wsgi {(TOP / 'VERSION').read_text()}"


def test_it_prints_configurations(run: Run) -> None:
    done = run("config", "shop::application", "--directory", "/")
    assert 'mod_wsgi.application "shop::application"' in done.stdout, done.stderr


def test_each_verb_is_in_the_manual_page() -> None:
    page = "\n".join(manual.lines())
    assert r"mod_wsgi module\-config [\-h]" in page
    assert r".SH mod_wsgi serve" in page


def test_the_manual_page_has_no_unknown_requests() -> None:
    requests = {line.split()[0] for line in manual.lines() if line.startswith((".", "'"))}
    assert requests == {".TH", ".SH", ".B", ".nf", ".fi"}


def test_it_has_what_it_reads_of_the_tree() -> None:
    sources = "".join(path.read_text() for path in (TOP / "command").rglob("*.py"))
    read = {
        "/".join(re.findall(r"['\"](.*?)['\"]", each))
        for each in re.findall(r"DATA((?: / [\"'][\w.]+[\"'])+)", sources)
    }
    assert read == set(installed.DATA)
