"""What the checks look at: the server's answers, its configuration's lines, and its module."""

import os
import pwd
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .asked import Program
from .htaccess_files import Folder, folders
from .reading import PLACES, Line, Opened, Reader

PREFIX = "mod_wsgi."
OURS = re.compile(rb"mod_wsgi/[\w.+-]+(?: Python/(\d+\.\d+t?))?\0")
THEIRS = b"WSGIScriptAlias"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong, and what mends it."""

    what: str
    remedy: str
    where: str = ""


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A variable that a line sets."""

    name: str
    value: str
    line: Line

    @property
    def short(self) -> str:
        """The name without its prefix, in small letters. "" if it has another prefix."""
        lower = self.name.lower()
        return lower.removeprefix(PREFIX) if lower.startswith(PREFIX) else ""

    @property
    def is_plain(self) -> bool:
        """Whether the value stands there, and is not put together for each request."""
        return not re.search(r"[$%]", self.value)


@dataclass(frozen=True, kw_only=True)
class Module:
    """A file that LoadModule names as wsgi_module."""

    path: Path
    line: Line
    is_ours: bool
    is_incumbent: bool
    python: str


@dataclass(frozen=True, kw_only=True)
class Patient:
    """A server, as it is configured."""

    program: Program
    lines: list[Line]
    files: list[Path]
    root: Path

    @cached_property
    def modules(self) -> list[Module]:
        """What is loaded as wsgi_module, in that order."""
        lines = [line for line in self.named("loadmodule") if line.words[1:]]
        return [
            _module(self.root / line.words[1], line)
            for line in lines
            if line.words[0] == "wsgi_module" or re.search(r"mod_wsgi[^/]*\.so", line.words[1])
        ]

    @property
    def module(self) -> Path | None:
        """The file of our module."""
        return next((each.path for each in self.modules if each.is_ours), None)

    @property
    def python(self) -> str:
        """The version that the module embeds, or ""."""
        return next((each.python for each in self.modules if each.is_ours), "")

    @cached_property
    def programs(self) -> list[str]:
        """The versions of Python that applications' processes may have."""
        if self.module is None:
            return []
        found = self.module.parent.joinpath("mod_wsgi").glob("mod_wsgi-py*")
        return sorted(path.name.removeprefix("mod_wsgi-py") for path in found)

    @cached_property
    def variables(self) -> list[Variable]:
        return [each for line in (*self.lines, *self.htaccess_lines) for each in set_by(line)]

    @cached_property
    def htaccess(self) -> list[Folder]:
        """The folders with .htaccess files that have to do with us."""
        return list(folders(self.lines, self.root))

    @cached_property
    def htaccess_lines(self) -> list[Line]:
        return [line for folder in self.htaccess for line in folder.lines]

    @cached_property
    def environment(self) -> Mapping[str, str]:
        """That of the running server, if it can be read, else the one that it would get."""
        named = self.last("pidfile")
        path = self.root / named.words[0] if named else Path(self.told("PidFile") or "/dev/null")
        with suppress(OSError, ValueError):
            process = Path("/proc", str(int(path.read_text())))
            if process.joinpath("exe").resolve() == self.program.path.resolve():
                pairs = process.joinpath("environ").read_text(errors="replace").split("\0")
                return dict(each.split("=", 1) for each in pairs if "=" in each)
        return self.program.environment

    @cached_property
    def loaded(self) -> str:
        """The modules that the server says it has. "" if it cannot tell, as before 2.2."""
        status, said = self.program.ask("-t", "-D", "DUMP_MODULES")
        return said if status == 0 and "core_module" in said else ""

    @cached_property
    def run(self) -> str:
        """What the server says about how it would run. "" before 2.4."""
        return self.program.ask("-t", "-D", "DUMP_RUN_CFG")[1] if self.is_modern else ""

    @property
    def is_modern(self) -> bool:
        return self.program.line == "2.4"

    @cached_property
    def user(self) -> pwd.struct_passwd | None:
        """Who the server's children run as: nobody else if root does not start it."""
        named = self.last("user")
        name = self.told("User") or (named.words[0] if named else "")
        with suppress(KeyError, ValueError):
            return pwd.getpwuid(int(name[1:])) if name[:1] == "#" else pwd.getpwnam(name)
        return None if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())

    def told(self, name: str) -> str:
        match = re.search(rf'^{name}: (?:name=)?"([^"]*)"', self.run, re.MULTILINE)
        return match[1] if match else ""

    def named(self, *names: str) -> Iterator[Line]:
        """The lines with one of these directives, and with something behind it."""
        return (line for line in self.lines if line.name in names and line.words)

    def last(self, name: str, host: Opened | None = None) -> Line | None:
        """The line that counts in the virtual host, or in the main server."""
        fit = [line for line in self.named(name) if line.place is None]
        inner = [line for line in fit if host is not None and line.host == host]
        outer = [line for line in fit if line.host is None]
        return next(reversed(inner or outer), None)

    def around(self, line: Line) -> dict[str, Variable]:
        """The variables of ours that count where this line stands, without their prefix."""
        found = [each for each in self.variables if each.short and reaches(each.line, line)]
        return {each.short: each for each in sorted(found, key=lambda each: depth(each.line))}


def reaches(line: Line, place: Line) -> bool:
    """Whether what this line says counts where the other stands."""
    if line.host is not None and line.host != place.host:
        return False
    if line.sections and line.sections == place.sections:
        return True
    mine, other = line.place, place.place
    if any(each.name not in (*PLACES, "virtualhost") for each in line.sections):
        return False
    if mine is None:
        return True
    if other is None or mine.name[:3] != other.name[:3]:
        return False
    return mine == other or (not other.is_pattern and mine.covers(other.path))


def depth(line: Line) -> int:
    """The main server's lines are overridden by a virtual host's, these by a section's."""
    return 2 if line.place else 1 if line.host else 0


def set_by(line: Line) -> Iterator[Variable]:
    """The variables that a line sets."""
    if line.name == "setenv" and line.words:
        yield Variable(name=line.words[0], value="".join(line.words[1:2]), line=line)
    elif line.name in {"setenvif", "setenvifnocase", "browsermatch", "browsermatchnocase"}:
        for word in line.words[2 if line.name.startswith("setenvif") else 1 :]:
            name, equals, value = word.partition("=")
            yield Variable(name=name, value=value if equals else "1", line=line)
    elif line.name == "rewriterule" and line.words[2:]:
        for name, value in re.findall(r"\bE(?:NV)?=([^:,\]!]+):([^,\]]*)", line.words[2]):
            yield Variable(name=name, value=value, line=line)


def _module(path: Path, line: Line) -> Module:
    try:
        data = path.read_bytes()
    except OSError:
        data = b""
    match = OURS.search(data)
    incumbent = THEIRS in data
    return Module(
        path=path,
        line=line,
        is_ours=match is not None and not incumbent,
        is_incumbent=incumbent,
        python=match[1].decode() if match and match[1] else "",
    )


def examine(program: Program) -> Patient:
    """Reads what the program would read."""
    _, listing = program.ask("-l")
    static = re.findall(r"^\s+(\w+)\.c$", listing, re.MULTILINE)
    symbols = {f"{name.removeprefix('mod_')}_module" for name in static}
    _, modules = program.ask("-t", "-D", "DUMP_MODULES")
    symbols |= {*re.findall(r"^ (\w+) \(static\)$", modules, re.MULTILINE)}
    reader = Reader(
        root=program.root,
        environment=program.environment,
        loaded={*(f"{name}.c" for name in static), *symbols},
    )
    reader.read(program.conf)
    _, included = program.ask("-t", "-D", "DUMP_INCLUDES")
    known = {path.resolve() for path in reader.files}
    for name in re.findall(r"^\s+\([\d*]+\) (/.+)$", included, re.MULTILINE):
        # The server has answered a question otherwise than we did.
        if Path(name).resolve() not in known:
            reader.read(Path(name))
    return Patient(program=program, lines=reader.lines, files=reader.files, root=reader.root)
