"""Virtual environments for what the tests serve, made once for each Python and kept in build/.

Each Python gets the newest Django and Flask that still support it. An installation that fails is a
failure of the tests that wanted it, since a skipped framework looks like a working one.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from command import TOP, access, httpd
from command.build import one_at_a_time
from command.pythons import Python
from tests.harness import programs
from tests.harness.limits import LIMITS

PINS: dict[str, tuple[str, ...]] = {
    "2.7": ("django==1.11.29", "flask==1.1.4"),
    "3.6": ("django==3.2.25", "flask==2.0.3"),
    "3.7": ("django==3.2.25", "flask==2.2.5"),
    "3.8": ("django~=4.2.0", "flask==3.0.3"),
    "3.9": ("django~=4.2.0", "flask~=3.1.0"),
}
NEWER = ("django~=5.2.0", "flask~=3.1.0")


@dataclass(frozen=True, kw_only=True)
class Release:
    """An application that people run: its packages, and the Pythons that it knows."""

    packages: tuple[str, ...]
    pythons: tuple[str, ...]


CURRENT = ("3.11", "3.12", "3.13")

# Trac and Pyramid ask setuptools for pkg_resources, which later ones announce the end of, and then
# do not have any more.
APPLICATIONS: dict[str, Release] = {
    "moin": Release(packages=("moin==1.9.11",), pythons=("2.7",)),
    "trac": Release(
        packages=("trac==1.6", "setuptools==75.8.2", "jinja2==3.1.6"), pythons=CURRENT
    ),
    "django": Release(packages=("django~=5.2.0",), pythons=CURRENT),
    "cherrypy": Release(packages=("cherrypy==18.10.0",), pythons=CURRENT),
    "turbogears": Release(packages=("turbogears2==2.5.1",), pythons=CURRENT),
    "pyramid": Release(packages=("pyramid==2.1", "setuptools==75.8.2"), pythons=("3.11",)),
    "mercurial": Release(packages=("mercurial==7.2.4",), pythons=("3.11",)),
    "fastapi": Release(packages=("fastapi==0.165.0", "a2wsgi==1.10.10"), pythons=CURRENT),
    "wsgidav": Release(packages=("wsgidav==4.4.0",), pythons=CURRENT),
    "dulwich": Release(packages=("dulwich==1.2.21",), pythons=CURRENT),
}

# The pip that comes with an old Python may not look for a dependency's last fitting release.
PIPS: dict[str, str] = {"3.6": "pip==21.3.1"}

# The last release that makes environments for Python 2.7, which has no venv of its own.
VIRTUALENV = "virtualenv==20.15.1"

# The last release of the old kind: environments with a library of links and a site.py of its own.
OLD_VIRTUALENV = "virtualenv==16.7.12"
OLD_VIRTUALENV_KNOWS = ("2.7", "3.6", "3.7", "3.8")


NAME = re.compile(r"[\w.-]+")


class InstallFailed(Exception):
    """An environment could not be made; the text is what the command said."""


def pins(version: str) -> list[tuple[str, ...]]:
    """What the tests install for a Python of this version, environment by environment."""
    suitable = [each.packages for each in APPLICATIONS.values() if version in each.pythons]
    if version in OLD_VIRTUALENV_KNOWS:
        suitable.append((OLD_VIRTUALENV,))
    return [PINS.get(version, NEWER), *suitable]


def frameworks(python: Python, folder: Path) -> Path:
    """An environment of this Python with Django and Flask."""
    return make(python, folder, PINS.get(python.version, NEWER))


def names(packages: Sequence[str]) -> set[str]:
    """The packages without their versions, as pip compares them."""
    return {found[0].lower() for each in packages if (found := NAME.match(each))}


def release_of(packages: Sequence[str]) -> Release | None:
    """Which release of APPLICATIONS has all of these; None where Django and Flask will do."""
    wanted = names(packages)
    if wanted <= names(NEWER):
        return None
    suitable = [each for each in APPLICATIONS.values() if wanted <= names(each.packages)]
    if not suitable:
        raise InstallFailed(f"no release of APPLICATIONS has {sorted(wanted)}: add one")
    return suitable[0]


def of(python: Python, folder: Path, packages: Sequence[str]) -> Path:
    """An environment of this Python with these, in the versions that the tests know."""
    release = release_of(packages)
    return make(python, folder, release.packages) if release else frameworks(python, folder)


def make(python: Python, folder: Path, pins: Sequence[str]) -> Path:
    """An environment of this Python that a server can read; made if it is not there yet."""
    stamp = hashlib.sha256(repr((tuple(pins), str(python.executable))).encode()).hexdigest()[:12]
    kept = TOP / "build" / "tests-venvs" / f"{python.name}-{python.release}-{stamp}"
    with one_at_a_time():
        if not (kept / ".complete").exists():
            shutil.rmtree(kept, ignore_errors=True)
            create(python, kept)
            if python.version in PIPS:
                pip(kept / "bin" / "python", "install", PIPS[python.version])
            pip(kept / "bin" / "python", "install", *pins)
            (kept / ".complete").touch()
    return readable(kept, folder)


def create(python: Python, target: Path, *options: str) -> None:
    refuse_unknown(python)
    if python.version == "2.7":
        run_virtualenv(python, VIRTUALENV, target, *options)
    else:
        run(str(python.executable), "-m", "venv", *options, str(target))


def refuse_unknown(python: Python) -> None:
    why = LIMITS[python.name].get("virtualenv") if python.name in LIMITS else None
    if why:
        pytest.skip(why)


def create_empty(python: Python, target: Path, *options: str) -> None:
    """An environment without any package, by the tool that the Python's people use today."""
    bare = ("--no-seed",) if python.version == "2.7" else ("--without-pip",)
    with one_at_a_time():
        create(python, target, *bare, *options)


def create_old(python: Python, target: Path, *options: str) -> None:
    """The same as virtualenv made it before version 20."""
    bare = ("--no-download", "--no-setuptools", "--no-pip", "--no-wheel")
    with one_at_a_time():
        run_virtualenv(python, OLD_VIRTUALENV, target, *bare, *options)


def run_virtualenv(python: Python, release: str, target: Path, *options: str) -> None:
    maker = TOP / "build" / "tests-venvs" / f"{release.replace('==', '-')}-for-{python.name}"
    if not maker.exists():
        pip(python.executable, "install", "--target", str(maker), release)
    program = ("-m", "virtualenv", *options, str(target))
    run(str(python.executable), *program, PYTHONPATH=str(maker))


def pip(python: Path, *arguments: str) -> None:
    quiet = ("--quiet", "--disable-pip-version-check", "--no-input")
    run(str(python), "-m", "pip", *quiet, *arguments)


def run(*command: str, **environment: str) -> None:
    """In a directory that is the system's: -m looks for modules where it is run."""
    try:
        programs.run(*command, folder=Path("/"), environment={**os.environ, **environment})
    except programs.ProgramFailed as failed:
        raise InstallFailed(str(failed)) from failed


def readable(kept: Path, folder: Path) -> Path:
    """The environment itself where the server's user can read it, else a copy that it can."""
    user = httpd.unprivileged_user()
    if user is None or not access.obstacles(kept / "pyvenv.cfg", user):
        return kept
    copy = folder / kept.name
    if not copy.exists():
        shutil.copytree(kept, copy, symlinks=True)
    return copy
