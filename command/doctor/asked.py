"""Asks the server's program: where its configuration is, and what it makes of it."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .. import Problem

SECONDS = 60
SCRIPTS = ("apache2ctl", "apachectl")
PROGRAMS = ("httpd", "apache2")
# Where programs are that are not on everybody's PATH.
FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/usr/local/apache2/bin", "/usr/local/apache/bin")
DEBIAN = Path("/etc/apache2/apache2.conf")

_HTTPD = re.compile(r"""^HTTPD=["']?(?:\$\{\w+:-)?(/[^\s"'}]+)""", re.MULTILINE)
_ENVVARS = re.compile(r"""/[^\s"';]*envvars""")
_COMPILED = re.compile(r'-D (\w+)="(.*)"')
_VERSION = re.compile(r"Server version: (Apache/(\d+\.\d+)\S*)")
_MARK = "mod_wsgi doctor: the environment follows"


@dataclass(frozen=True, kw_only=True)
class Program:
    """The server's program, with the environment that its script gives to it."""

    path: Path
    environment: Mapping[str, str]
    version: str
    line: str
    root: Path
    conf: Path
    is_default: bool = True

    def ask(self, *words: str) -> tuple[int, str]:
        """Runs the program with these options. Returns its status and all that it says."""
        options = [] if self.is_default else ["-f", str(self.conf)]
        return _run([str(self.path), *options, *words], self.environment)


def find(script: Path | None, path: Path | None, conf: Path | None) -> Program:
    """The program of this script, or this program, or the first of this machine.

    Raises a Problem if there is none.
    """
    if conf is not None and not conf.is_file():
        raise Problem(f"there is no file {conf}")
    if script is None and path is None:
        script = _first(SCRIPTS)
        path = None if script else _first(PROGRAMS)
        if script is None and path is None:
            raise Problem("no apachectl and no httpd found: name one with --apachectl or --httpd")
    text = _text(script) if script else ""
    if script:
        match = _HTTPD.search(text)
        if match is None:
            raise Problem(f"{script} does not say which program it starts: use --httpd")
        path = Path(match[1])
    assert path is not None  # noqa: S101  one of the two was given or found
    return _described(path.absolute(), text, conf)


def _first(names: tuple[str, ...]) -> Path | None:
    folders = os.pathsep.join([os.environ.get("PATH", os.defpath), *FOLDERS])
    found = (shutil.which(name, path=folders) for name in names)
    return next((Path(each) for each in found if each), None)


def _text(script: Path) -> str:
    try:
        return script.read_text(errors="replace")
    except OSError as error:
        raise Problem(f"{script} cannot be read: {error.strerror}") from error


def _described(path: Path, script: str, conf: Path | None) -> Program:
    if not os.access(path, os.X_OK):
        raise Problem(f"{path} is not a program that can be run")
    _, said = _run([str(path), "-V"], os.environ)
    version = _VERSION.search(said)
    if version is None:
        raise Problem(f"{path} is not an Apache: {said.strip()}")
    compiled = dict(_COMPILED.findall(said))
    root = Path(compiled.get("HTTPD_ROOT", "/"))
    usual = root / compiled.get("SERVER_CONFIG_FILE", "conf/httpd.conf")
    chosen = conf.absolute() if conf else usual
    if not chosen.is_file():
        remedy = "name the right one"
        if usual == DEBIAN:
            remedy += ", or apt-get install apache2, which brings it"
        raise Problem(f"{path} reads {chosen}, and there is no such file: {remedy}")
    return Program(
        path=path,
        environment=_environment(script, path, chosen),
        version=version[1],
        line=version[2],
        root=root,
        conf=chosen,
        is_default=conf is None,
    )


def _environment(script: str, path: Path, conf: Path) -> dict[str, str]:
    """What the server's script reads its variables from, as the shell understands it."""
    named = [Path(each) for each in _ENVVARS.findall(script)]
    for file in (*named, path.parent / "envvars", conf.parent / "envvars"):
        if file.is_file():
            return _sourced(file)
    return dict(os.environ)


def _sourced(file: Path) -> dict[str, str]:
    text = f'. "$1" >&2 && printf "%s\\0" "{_MARK}" && env -0'
    done = subprocess.run(
        ["sh", "-c", text, "sh", str(file)], capture_output=True, timeout=SECONDS, check=False
    )
    _, mark, rest = done.stdout.decode(errors="surrogateescape").partition(f"{_MARK}\0")
    if not mark:
        return dict(os.environ)
    pairs = (each.partition("=") for each in rest.split("\0") if each)
    return {name: value for name, _, value in pairs}


def _run(words: list[str], environment: Mapping[str, str]) -> tuple[int, str]:
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd="/",
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise Problem(f"{words[0]} does not run: {error}") from error
    return done.returncode, done.stdout.decode(errors="replace")
