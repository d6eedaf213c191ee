"""What scons installs, into a folder of the test's, and removes again."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from command import TOP, Problem, servers
from command.pythons import Python

Scons = Callable[..., str]


@pytest.fixture
def scons(tmp_path: Path) -> Scons:
    """Runs scons for the newest Apache of this machine, and gives what it prints."""
    try:
        apxs = servers.choose_apxs()
    except Problem as problem:
        pytest.skip(f"no Apache to build for: {problem}")

    def run(*words: str) -> str:
        where = (f"apxs={apxs}", f"DESTDIR={tmp_path}", "moduledir=/modules")
        command = [sys.executable, "-m", "SCons", "-Q", *where, *words]
        done = subprocess.run(
            command, cwd=TOP, check=True, timeout=300, stdout=subprocess.PIPE, text=True
        )
        return done.stdout

    return run


@pytest.fixture
def debian(tmp_path: Path) -> Callable[..., list[str]]:
    """Installs for an apxs whose folders are the test's and Debian's in form.

    It runs scons with some words, without DESTDIR, and gives what is in mods-available then.
    """
    try:
        real = servers.choose_apxs()
    except Problem as problem:
        pytest.skip(f"no Apache to build for: {problem}")
    available = tmp_path / "etc" / "mods-available"
    available.mkdir(parents=True)
    apxs = tmp_path / "apxs"
    apxs.write_text(
        "#!/bin/sh\n"
        f'case "$2" in SYSCONFDIR) echo {tmp_path}/etc ;; LIBEXECDIR) echo {tmp_path}/modules ;;\n'
        f'*) exec {shlex.quote(str(real))} "$@" ;; esac\n'
    )
    apxs.chmod(0o755)

    def run(*words: str) -> list[str]:
        command = [sys.executable, "-m", "SCons", "-Q", f"apxs={apxs}", "python=none", *words]
        environment = {name: value for name, value in os.environ.items() if name != "DESTDIR"}
        subprocess.run(
            command, cwd=TOP, check=True, timeout=300, env=environment, stdout=subprocess.DEVNULL
        )
        return [path.read_text() for path in available.iterdir()]

    return run


def installed(root: Path) -> list[str]:
    """What lies in the folder of the modules."""
    folder = root / "modules"
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_the_programs_of_processes_are_installed_beside_the_module(
    scons: Scons, tmp_path: Path, python: Python
) -> None:
    scons(f"python=none,{python.executable}", "install")
    assert installed(tmp_path) == [
        "mod_wsgi",
        "mod_wsgi.so",
        f"mod_wsgi/mod_wsgi-{python.name}",
        "mod_wsgi/mod_wsgi-spawner",
    ]


def test_what_was_installed_is_removed(scons: Scons, tmp_path: Path, python: Python) -> None:
    """Only as scons says, for it would remove the objects of this checkout, too."""
    words = (f"python=none,{python.executable}", "install")
    scons(*words)
    there = {str(tmp_path / "modules" / name) for name in installed(tmp_path)}
    told = scons("--clean", "--dry-run", *words)
    assert there <= set(re.findall(r"^Removed (?:directory )?(.+)$", told, re.MULTILINE))


def test_a_module_without_python_links_none(scons: Scons, tmp_path: Path) -> None:
    scons("python=none", "install")
    listing = subprocess.run(
        ["readelf", "--dynamic", str(tmp_path / "modules" / "mod_wsgi.so")],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    assert "libpython" not in listing
    assert installed(tmp_path) == ["mod_wsgi", "mod_wsgi.so", "mod_wsgi/mod_wsgi-spawner"]


def test_a_module_beside_the_servers_own_leaves_the_servers_configuration_alone(
    debian: Callable[..., list[str]], tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    assert debian(f"moduledir={elsewhere}", "install") == []
    assert (elsewhere / "mod_wsgi.so").is_file()


def test_a_module_in_the_servers_folder_gets_a_wsgi_load(
    debian: Callable[..., list[str]], tmp_path: Path
) -> None:
    assert debian("install") == [f"LoadModule wsgi_module {tmp_path}/modules/mod_wsgi.so\n"]


def test_a_package_gets_a_wsgi_load_for_its_folder(
    debian: Callable[..., list[str]], tmp_path: Path
) -> None:
    root = tmp_path / "package"
    assert debian("moduledir=/modules", f"DESTDIR={root}", "install") == []
    load = Path(f"{root}{tmp_path}/etc/mods-available/wsgi.load")
    assert load.read_text() == "LoadModule wsgi_module /modules/mod_wsgi.so\n"
