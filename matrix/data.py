"""Reads matrix.toml: everything that the matrix is made of, checked before anything runs.

A mistake in the file gets one line with the key's whole name. Unknown keys are mistakes, too,
since a misspelt key would otherwise build something else than was meant.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from urllib.parse import urlsplit

from command import Problem
from command.servers import LINES, MPMS

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the container of one cell may use."""

    memory: str
    processes: int
    seconds: int


@dataclass(frozen=True, kw_only=True)
class Base:
    """A system that cells run on: an image, and what is installed on top of it."""

    name: str
    image: str
    debootstrap: bool
    apt: tuple[str, ...]
    packages: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Tools:
    """Where the Python that runs the tests comes from."""

    base: str
    python: str
    packages: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Fix:
    """A replacement in some files of an archive, which old code needs on a current system."""

    why: str
    files: tuple[str, ...]
    find: str
    replace: str


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A release archive. into is the folder of another archive's tree that it is unpacked into."""

    name: str
    url: str
    sha256: str | None
    into: str = ""


@dataclass(frozen=True, kw_only=True)
class Apache:
    """One line of Apache, built from its release archive and what belongs into its tree."""

    line: str
    version: str
    archive: Archive
    parts: tuple[Archive, ...]
    base: str
    mpms: tuple[str, ...]
    packages: tuple[str, ...]
    prepare: str | None
    configure: tuple[str, ...]
    environment: Mapping[str, str]
    fixes: tuple[Fix, ...]

    @property
    def one_build(self) -> bool:
        """Whether one build has every process model."""
        return not any("{mpm}" in option for option in self.configure)


@dataclass(frozen=True, kw_only=True)
class Packaged:
    """The servers that distributions package, one for each base named."""

    line: str
    bases: tuple[str, ...]
    mpms: tuple[str, ...]
    packages: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a Python that nobody packages is built from."""

    version: str
    archive: Archive
    configure: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Python:
    """One Python of one base: packaged, built, or unavailable with the reason."""

    version: str
    base: str
    executable: str
    packages: tuple[str, ...]
    wheels: tuple[str, ...]
    source: Source | None
    unavailable: str | None

    @property
    def name(self) -> str:
        return f"py{self.version}"


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """Cells that are left out on purpose."""

    cells: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Time:
    """How long it takes to build and to test each of some cells."""

    cells: str
    seconds: int


@dataclass(frozen=True, kw_only=True)
class Data:
    """The whole file."""

    limits: Limits
    bases: Mapping[str, Base]
    tools: Tools
    apaches: Mapping[str, Apache]
    packaged: Packaged | None
    pythons: Mapping[str, Python]
    exclusions: tuple[Exclusion, ...]
    with_processes: tuple[str, ...]
    times: tuple[Time, ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of the file with its whole name for messages. rest has the keys not read yet."""

    name: str
    rest: dict[str, Any]

    def take(self, key: str, kind: type[T], default: T | None = None) -> T:
        """The value of a key, which must exist unless it has a default."""
        if key not in self.rest:
            if default is None:
                raise Problem(f"{self.name}.{key} is missing: docs/matrix.md says what it means")
            return default
        value = self.rest.pop(key)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise Problem(f"{self.name}.{key} is not a {_KINDS[kind]}: {value!r}")
        return value

    def number(self, key: str) -> int:
        """A number from 1 on."""
        number = self.take(key, int)
        if number < 1:
            raise Problem(f"{self.name}.{key} must be 1 or more: {number}")
        return number

    def maybe(self, key: str) -> str | None:
        return self.take(key, str) if key in self.rest else None

    def words(self, key: str, default: list[str] | None = None) -> tuple[str, ...]:
        """A list of strings. It must exist and not be empty unless it has a default."""
        words = self.take(key, list, default)
        if not all(isinstance(word, str) for word in words) or (default is None and not words):
            raise Problem(f"{self.name}.{key} is not a list of strings: {words!r}")
        return tuple(words)

    def set(self, key: str) -> tuple[str, ...]:
        """A list of strings that are all different, since each makes cells."""
        words = self.words(key)
        for word in words:
            if words.count(word) > 1:
                raise Problem(f"{self.name}.{key} has {word!r} more than once")
        return words

    def tables(self, key: str) -> "list[Table]":
        """The tables of a list of tables."""
        entries = self.take(key, list, [])
        return [table_of(f"{self.name}.{key}[{at}]", each) for at, each in enumerate(entries)]

    def named(self, key: str, default: dict[str, Any] | None = None) -> "dict[str, Table]":
        """The tables below a table, by name."""
        entries = self.take(key, dict, default)
        return {
            name: table_of(f"{self.name}.{key}.{name}", each) for name, each in entries.items()
        }

    def done(self) -> None:
        """Refuses a key that nobody asked for."""
        for key in self.rest:
            raise Problem(f"{self.name}.{key} is unknown: docs/matrix.md lists the keys")


_SCHEMES = ("https", "http", "ftp", "file")

_KINDS: dict[type, str] = {
    str: "string",
    int: "number",
    list: "list",
    dict: "table",
    bool: "boolean",
}


def table_of(name: str, value: object) -> Table:
    if not isinstance(value, dict):
        raise Problem(f"{name} is not a table: {value!r}")
    return Table(name=name, rest=dict(value))


def load(path: Path) -> Data:
    """The checked content of a data file."""
    try:
        return parse(path.read_text(encoding="utf-8"), path.name)
    except OSError as error:
        raise Problem(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise Problem(f"{path} is not UTF-8 in line {line}: save the file as UTF-8") from error


def parse(text: str, name: str = "matrix.toml") -> Data:
    """The checked content of a text."""
    try:
        whole = table_of(name, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise Problem(f"{name} is not TOML: {error}") from error
    limits = read_limits(table_of(f"{name}.limits", whole.take("limits", dict)))
    bases = {key: read_base(key, each) for key, each in whole.named("bases").items()}
    tools = read_tools(table_of(f"{name}.tools", whole.take("tools", dict)))
    apaches = {key: read_apache(key, each) for key, each in whole.named("apaches", {}).items()}
    packaged = read_packaged(whole)
    pythons = {key: read_python(key, each) for key, each in whole.named("pythons").items()}
    exclusions = tuple(read_exclusion(each) for each in whole.tables("exclusions"))
    with_processes = whole.words("with_processes", [])
    times = tuple(read_time(each) for each in whole.tables("times"))
    whole.done()
    data = Data(
        limits=limits,
        bases=bases,
        tools=tools,
        apaches=apaches,
        packaged=packaged,
        pythons=pythons,
        exclusions=exclusions,
        with_processes=with_processes,
        times=times,
    )
    check_references(data, name)
    return data


def read_limits(table: Table) -> Limits:
    limits = Limits(
        memory=table.take("memory", str),
        processes=table.number("processes"),
        seconds=table.number("seconds"),
    )
    table.done()
    if not re.fullmatch(r"[1-9]\d*[kmg]", limits.memory):
        raise Problem(f"{table.name}.memory is not a size like 4g: {limits.memory!r}")
    return limits


def read_base(name: str, table: Table) -> Base:
    base = Base(
        name=name,
        image=table.take("image", str),
        debootstrap=table.take("debootstrap", bool, default=False),
        apt=table.words("apt", []),
        packages=table.words("packages", []),
    )
    table.done()
    if not re.fullmatch(r"[a-z0-9]+([._-][a-z0-9]+)*", name):
        raise Problem(
            f"{table.name}: a base's name is part of an image's name, so it has small letters and"
            " digits, and dots and hyphens between them"
        )
    if base.debootstrap and base.image.count(":") != 1:
        raise Problem(f"{table.name}.image is to be made by debootstrap, so it must be NAME:SUITE")
    return base


def read_tools(table: Table) -> Tools:
    tools = Tools(
        base=table.take("base", str),
        python=table.take("python", str),
        packages=table.words("packages"),
    )
    table.done()
    return tools


def read_apache(line: str, table: Table) -> Apache:
    fixes = tuple(read_fix(each) for each in table.tables("fixes"))
    apache = Apache(
        line=line,
        version=table.take("version", str),
        archive=read_archive(table),
        parts=tuple(read_part(each) for each in table.tables("parts")),
        base=table.take("base", str),
        mpms=check_mpms(table),
        packages=table.words("packages", []),
        prepare=table.maybe("prepare"),
        configure=table.words("configure"),
        environment=read_environment(table),
        fixes=fixes,
    )
    table.done()
    check_line(table, line)
    check_options(table, apache)
    if not apache.version.startswith(f"{line}."):
        raise Problem(f"{table.name}.version is not {line}.x: {apache.version!r}")
    return apache


def read_environment(table: Table) -> Mapping[str, str]:
    values = table.take("environment", dict, {})
    for name, value in values.items():
        if not isinstance(value, str):
            raise Problem(f"{table.name}.environment.{name} is not a string: {value!r}")
    return values


def check_options(table: Table, apache: Apache) -> None:
    """Checks that every option can be filled in."""
    for option in apache.configure:
        try:
            option.format(prefix="", mpm="")
        except (LookupError, ValueError, AttributeError, TypeError) as error:
            raise Problem(
                f"{table.name}.configure: {option!r} cannot be filled in. {{prefix}} and {{mpm}}"
                " are known, and a brace that is meant is doubled"
            ) from error


def read_archive(table: Table, into: str = "") -> Archive:
    archive = Archive(
        name=table.take("archive", str),
        url=table.take("url", str),
        sha256=table.maybe("sha256"),
        into=into,
    )
    if archive.sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", archive.sha256):
        raise Problem(f"{table.name}.sha256 is not a SHA-256 of 64 hexadecimal digits")
    if not archive.name or Path(archive.name).name != archive.name:
        raise Problem(f"{table.name}.archive is a file's name, not a path: {archive.name!r}")
    check_url(table, archive.url)
    return archive


def check_url(table: Table, url: str) -> None:
    try:
        parts = urlsplit(url)
        whole = parts.scheme in _SCHEMES and (parts.netloc or parts.scheme == "file")
        whole = whole and parts.path and (parts.port is None or parts.port > 0)
    except ValueError:
        whole = ""
    if not whole or re.search(r"[\s\x00-\x1f]", url):
        raise Problem(f"{table.name}.url is not an address like https://host/archive: {url!r}")


def read_part(table: Table) -> Archive:
    part = read_archive(table, table.take("into", str))
    table.done()
    into = PurePosixPath(part.into)
    if not part.into or into.is_absolute() or ".." in into.parts:
        raise Problem(f"{table.name}.into is not a folder of the source: {part.into!r}")
    return part


def check_mpms(table: Table) -> tuple[str, ...]:
    mpms = table.set("mpms")
    for mpm in mpms:
        if mpm not in MPMS:
            raise Problem(f"{table.name}.mpms: {mpm!r} is none of {', '.join(MPMS)}")
    return mpms


def check_line(table: Table, line: str) -> None:
    if line not in LINES:
        raise Problem(f"{table.name}: {line!r} is not a line of Apache ({', '.join(LINES)})")


def read_fix(table: Table) -> Fix:
    fix = Fix(
        why=table.take("why", str),
        files=table.words("files"),
        find=table.take("find", str),
        replace=table.take("replace", str),
    )
    table.done()
    try:
        found = re.compile(fix.find)
    except re.error as error:
        raise Problem(f"{table.name}.find is not a regular expression: {error}") from error
    try:
        found.sub(fix.replace, "")
        fix.replace.encode("latin-1")
    except (re.error, LookupError) as error:
        raise Problem(f"{table.name}.replace does not fit its find: {error}") from error
    except UnicodeEncodeError as error:
        raise Problem(f"{table.name}.replace has a character that is not latin-1") from error
    return fix


def read_packaged(whole: Table) -> Packaged | None:
    if "packaged" not in whole.rest:
        return None
    table = table_of(f"{whole.name}.packaged", whole.take("packaged", dict))
    packaged = Packaged(
        line=table.take("line", str),
        bases=table.set("bases"),
        mpms=check_mpms(table),
        packages=table.words("packages"),
    )
    table.done()
    check_line(table, packaged.line)
    return packaged


def read_python(version: str, table: Table) -> Python:
    if not re.fullmatch(r"\d\.\d+t?", version):
        raise Problem(f"{table.name}: {version!r} is not a version like 3.14 or 3.14t")
    reason = table.maybe("unavailable")
    python = Python(
        version=version,
        base=table.take("base", str, "" if reason else None),
        executable=table.take("executable", str, "" if reason else None),
        packages=table.words("packages", []),
        wheels=table.words("wheels", []),
        source=read_source(version, table) if "archive" in table.rest else None,
        unavailable=reason,
    )
    table.done()
    return python


def read_source(version: str, table: Table) -> Source:
    source = Source(
        version=table.take("version", str),
        archive=read_archive(table),
        configure=table.words("configure"),
    )
    number = version.removesuffix("t")
    if not source.version.startswith(f"{number}."):
        raise Problem(f"{table.name}.version is not {number}.x: {source.version!r}")
    return source


def read_exclusion(table: Table) -> Exclusion:
    exclusion = Exclusion(cells=table.take("cells", str), reason=table.take("reason", str))
    table.done()
    return exclusion


def read_time(table: Table) -> Time:
    time = Time(cells=table.take("cells", str), seconds=table.number("seconds"))
    table.done()
    return time


def check_references(data: Data, name: str) -> None:
    """Checks that every base that is named exists."""
    named = {f"apaches.{key}.base": apache.base for key, apache in data.apaches.items()}
    named["tools.base"] = data.tools.base
    for version, python in data.pythons.items():
        if python.unavailable is None:
            named[f"pythons.{version}.base"] = python.base
    for base in data.packaged.bases if data.packaged else ():
        named[f"packaged.bases ({base})"] = base
    for key, base in named.items():
        if base not in data.bases:
            raise Problem(f"{name}.{key} is {base!r}: there is no base of that name")
