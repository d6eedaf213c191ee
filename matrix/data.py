"""Reads matrix.toml: everything that the matrix is made of, checked before anything runs.

A mistake in the file gets one line with the key's whole name. Unknown keys are mistakes, too,
since a misspelt key would otherwise build something else than was meant.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from command import Problem
from command.servers import LINES, MPMS
from matrix.described import (
    ARCHITECTURES,
    Apache,
    Archive,
    Base,
    Data,
    Exclusion,
    Fix,
    Limits,
    Manager,
    Packaged,
    Python,
    Signers,
    Source,
    Time,
    Tools,
)
from matrix.table import Table, table_of

_SCHEMES = ("https", "http", "ftp", "file")


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
    managers = {key: read_manager(key, each) for key, each in whole.named("managers").items()}
    read = [read_base(key, each, managers) for key, each in whole.named("bases").items()]
    bases = {base.name: base for several in read for base in several}
    foreign = {base.name: several[0].name for several in read for base in several[1:]}
    tools = read_tools(table_of(f"{name}.tools", whole.take("tools", dict)))
    signers = {key: read_signers(key, each) for key, each in whole.named("signers", {}).items()}
    apaches = {
        key: read_apache(key, each, signers) for key, each in whole.named("apaches", {}).items()
    }
    packaged = read_packaged(whole, foreign)
    pythons = {
        key: read_python(key, each, foreign, signers)
        for key, each in whole.named("pythons").items()
    }
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


def read_manager(name: str, table: Table) -> Manager:
    manager = Manager(
        name=name,
        install=table.take("install", str),
        prepare=table.words("prepare", []),
        settings=table.maybe("settings"),
        missing=table.take("missing", str),
    )
    table.done()
    if manager.install.count("{packages}") != 1:
        raise Problem(f"{table.name}.install must have {{packages}} once: {manager.install!r}")
    compiled(table, "missing", manager.missing)
    return manager


def read_base(name: str, table: Table, managers: Mapping[str, Manager]) -> list[Base]:
    """A base on the daemon's own architecture, and on each that it has the name of."""
    manager = table.take("manager", str)
    if manager not in managers:
        raise Problem(f"{table.name}.manager: {manager!r} is none of {', '.join(managers)}")
    base = Base(
        name=name,
        image=table.take("image", str),
        digest=table.take("digest", str, ""),
        debootstrap=table.take("debootstrap", bool, default=False),
        manager=managers[manager],
        settings=table.words("settings", []),
        packages=table.words("packages", []),
        modules=table.words("modules", []),
    )
    architectures = table.set("architectures", [])
    table.done()
    if not re.fullmatch(r"[a-z0-9]+([._-][a-z0-9]+)*", name):
        raise Problem(
            f"{table.name}: a base's name is part of an image's name, so it has small letters and"
            " digits, and dots and hyphens between them"
        )
    if not re.fullmatch(r"(.+/)?[^/:@]+:[^/:@]+", base.image):
        raise Problem(
            f"{table.name}.image must be NAME:TAG, as in debian:bookworm: {base.image!r}"
        )
    if base.digest and not re.fullmatch(r"sha256:[0-9a-f]{64}", base.digest):
        raise Problem(f"{table.name}.digest is not sha256: and 64 hexadecimal digits")
    if base.settings and base.manager.settings is None:
        raise Problem(f"{table.name}.settings: managers.{manager} has no settings to add them to")
    for each in architectures:
        if each not in ARCHITECTURES:
            known = ", ".join(ARCHITECTURES)
            raise Problem(f"{table.name}.architectures: {each!r} is none of {known}")
    return [base, *(replace(base, name=f"{name}-{to}", architecture=to) for to in architectures)]


def read_tools(table: Table) -> Tools:
    tools = Tools(
        base=table.take("base", str),
        python=table.take("python", str),
        packages=table.words("packages"),
    )
    table.done()
    return tools


def read_signers(name: str, table: Table) -> Signers:
    signers = Signers(
        name=name,
        keys=table.take("keys", str),
        fingerprints=table.set("fingerprints"),
        sources=table.words("sources"),
    )
    table.done()
    check_url(f"{table.name}.keys", signers.keys)
    for each in signers.fingerprints:
        if not re.fullmatch(r"[0-9A-F]{40}", each):
            raise Problem(
                f"{table.name}.fingerprints: {each!r} is not a whole fingerprint, which has 40"
                " hexadecimal digits, with capitals: gpg --fingerprint shows it"
            )
    return signers


def read_apache(line: str, table: Table, signers: Mapping[str, Signers]) -> Apache:
    fixes = tuple(read_fix(each) for each in table.tables("fixes"))
    apache = Apache(
        line=line,
        version=table.take("version", str),
        archive=read_archive(table, signers),
        parts=tuple(read_part(each, signers) for each in table.tables("parts")),
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


def read_archive(table: Table, signers: Mapping[str, Signers], into: str = "") -> Archive:
    by = table.maybe("signers")
    archive = Archive(
        name=table.take("archive", str),
        url=table.take("url", str),
        sha256=table.maybe("sha256"),
        sources=table.words("sources", []),
        signers=None if by is None else signers.get(by),
        into=into,
    )
    if not archive.name or Path(archive.name).name != archive.name:
        raise Problem(f"{table.name}.archive is a file's name, not a path: {archive.name!r}")
    check_url(f"{table.name}.url", archive.url)
    check_trust(table, archive, by, signers)
    return archive


def check_trust(
    table: Table, archive: Archive, by: str | None, signers: Mapping[str, Signers]
) -> None:
    """Checks that something can tell whether an archive is upstream's own."""
    if archive.sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", archive.sha256):
        raise Problem(f"{table.name}.sha256 is not a SHA-256 of 64 hexadecimal digits")
    if by is not None and archive.signers is None:
        known = ", ".join(signers) or "nobody"
        raise Problem(f"{table.name}.signers: {by!r} is none of those in [signers]: {known}")
    if (archive.sha256 is None) == (by is None):
        raise Problem(
            f"{table.name} must have either the sha256 of {archive.name}, or signers whose"
            " signature it has: nothing else tells it from a forged one"
        )


def check_url(name: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        whole = parts.scheme in _SCHEMES and (parts.netloc or parts.scheme == "file")
        whole = whole and parts.path and (parts.port is None or parts.port > 0)
    except ValueError:
        whole = ""
    if not whole or re.search(r"[\s\x00-\x1f]", url):
        raise Problem(f"{name} is not an address like https://host/archive: {url!r}")


def read_part(table: Table, signers: Mapping[str, Signers]) -> Archive:
    part = read_archive(table, signers, table.take("into", str))
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


def compiled(table: Table, key: str, text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise Problem(f"{table.name}.{key} is not a regular expression: {error}") from error


def read_fix(table: Table) -> Fix:
    fix = Fix(
        why=table.take("why", str),
        files=table.words("files"),
        find=table.take("find", str),
        replace=table.take("replace", str),
    )
    table.done()
    found = compiled(table, "find", fix.find)
    try:
        found.sub(fix.replace, "")
        fix.replace.encode("latin-1")
    except (re.error, LookupError) as error:
        raise Problem(f"{table.name}.replace does not fit its find: {error}") from error
    except UnicodeEncodeError as error:
        raise Problem(f"{table.name}.replace has a character that is not latin-1") from error
    return fix


def read_packaged(whole: Table, foreign: Mapping[str, str]) -> dict[str, Packaged]:
    """The packaged servers by base. foreign says what others are like."""
    found: dict[str, Packaged] = {}
    for key, table in whole.named("packaged", {}).items():
        bases = table.set("bases")
        also = [name for name, like in foreign.items() if like in bases]
        packaged = Packaged(
            line=table.take("line", str),
            bases=(*bases, *also),
            mpms=check_mpms(table),
            packages=table.words("packages"),
            apxs=table.take("apxs", str),
        )
        table.done()
        check_line(table, packaged.line)
        for base in packaged.bases:
            if base in found:
                raise Problem(f"{whole.name}.packaged.{key}.bases: another one has {base!r}, too")
            found[base] = packaged
    return found


def read_python(
    version: str, table: Table, foreign: Mapping[str, str], signers: Mapping[str, Signers]
) -> Python:
    if not re.fullmatch(r"\d\.\d+t?", version):
        raise Problem(f"{table.name}: {version!r} is not a version like 3.14 or 3.14t")
    reason = table.maybe("unavailable")
    python = Python(
        version=version,
        base=table.take("base", str, "" if reason else None),
        executable=table.take("executable", str, "" if reason else None),
        packages=table.words("packages", []),
        wheels=table.words("wheels", []),
        source=read_source(version, table, signers) if "archive" in table.rest else None,
        unavailable=reason,
    )
    others = [read_other(version, base, each) for base, each in table.named("on", {}).items()]
    table.done()
    packaged = [each for each in (python, *others) if each.source is None]
    like = {each.base: each for each in packaged}
    others += [
        replace(like[base], base=name, home=False)
        for name, base in foreign.items()
        if base in like
    ]
    return replace(python, on={each.base: each for each in others})


def read_other(version: str, base: str, table: Table) -> Python:
    """A Python as one more base packages it."""
    python = Python(
        version=version,
        base=base,
        executable=table.take("executable", str),
        packages=table.words("packages", []),
        wheels=(),
        source=None,
        unavailable=None,
        home=False,
    )
    table.done()
    return python


def read_source(version: str, table: Table, signers: Mapping[str, Signers]) -> Source:
    source = Source(
        version=table.take("version", str),
        archive=read_archive(table, signers),
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
        named |= {f"pythons.{version}.on.{base}": base for base in python.on}
    named |= {f"packaged: bases ({base})": base for base in data.packaged}
    for key, base in named.items():
        if base not in data.bases:
            raise Problem(f"{name}.{key} is {base!r}: there is no base of that name")
    for each in data.bases.values():
        if data.tools_base(each.architecture) not in data.bases:
            raise Problem(
                f"{name}.bases.{data.tools.base}.architectures has no {each.architecture}, which"
                f" {each.name} has: the tests' own Python must be there for it, too"
            )
