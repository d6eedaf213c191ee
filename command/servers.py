"""Finds the Apaches of this machine by their apxs, the tool that knows how each was built.

The server's line (1.3, 2.0, 2.2, 2.4) is read from its headers, since a folder's name proves
nothing. A server whose process model (MPM) is a loadable module counts once for each MPM.
"""

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from . import Problem

LINES = ("1.3", "2.0", "2.2", "2.4")
MPMS = ("prefork", "worker", "event")  # as they came
INSTALL = "install apache2-dev (Debian, Alpine) or httpd-devel (Fedora), or name another apxs"
INSTALL_SERVER = "install apache2-bin (Debian), httpd (Fedora) or apache2 (Alpine)"

_LOOKED = "PATH, /usr/local/apache*, /opt/httpd/*"
_SHAPING = re.compile(r"-D|-pthread$|-m\d\d$|-fgnu89-inline$")
_VERSION_2X = re.compile(r'#define\s+AP_SERVER_(MAJOR|MINOR|PATCH)\w+?(?:_NUMBER)?\s+"?(\d+)')
_VERSION_13 = re.compile(r'#define\s+SERVER_BASEREVISION\s+"([\d.]+)')
_VERSION_TOLD = re.compile(r"^Server version: Apache/([\d.]+)", re.MULTILINE)
_COMPILED_IN = re.compile(r"^\s+(\w+)\.c$", re.MULTILINE)

# The programs of Debian, Fedora and Alpine, each with its folder of modules.
_DISTRIBUTIONS = (
    (Path("/usr/sbin/apache2"), Path("/usr/lib/apache2/modules")),
    (Path("/usr/sbin/httpd"), Path("/usr/lib64/httpd/modules")),
    (Path("/usr/sbin/httpd"), Path("/usr/lib/apache2")),
)


@dataclass(frozen=True, kw_only=True)
class Server:
    """One Apache with one process model."""

    line: str
    version: str
    mpm: str
    apxs: Path
    httpd: Path
    modules: Path
    static: frozenset[str]

    @property
    def name(self) -> str:
        return f"apache{self.line}-{self.mpm}"


def find(lines: Sequence[str] = (), apxs: Path | None = None) -> list[Server]:
    """Every server of these lines, or of all if none is named, the newest line first.

    Of two with the same line and MPM, the first found counts.
    """
    found: dict[str, Server] = {}
    for program in [apxs] if apxs else _ordered():
        if lines and line_of(program) not in lines:
            continue
        for server in _servers(program):
            found.setdefault(server.name, server)
    return list(found.values())


def choose(line: str | None = None, apxs: Path | None = None, mpm: str | None = None) -> Server:
    """The server to run. Raises a Problem that says what to do if there is none.

    Of several MPMs the most modern is taken, as distributions do.
    """
    program = choose_apxs(line, apxs)
    servers = find([line_of(program)], apxs)
    if not servers:
        raise Problem(f"{program} is here, but its server is not: {INSTALL_SERVER}")
    return _with_mpm(servers, mpm)


def choose_to_run(
    line: str | None = None, apxs: Path | None = None, mpm: str | None = None
) -> Server:
    """Like choose(), for a module that was built already: then a server without apxs will do."""
    if apxs is not None or any(line in (None, line_of(each)) for each in _ordered()):
        return choose(line, apxs, mpm)
    servers = [server for server in _without_apxs() if line in (None, server.line)]
    if not servers:
        raise Problem(f"no Apache {line or ''}".rstrip() + f" found: {INSTALL_SERVER}")
    return _with_mpm(servers, mpm)


def _with_mpm(servers: Sequence[Server], mpm: str | None) -> Server:
    """The server with this MPM, or with the most modern one."""
    suitable = [server for server in servers if mpm in (None, server.mpm)]
    if not suitable:
        have = ", ".join(server.mpm for server in servers)
        raise Problem(f"Apache {servers[0].line} is here without the MPM {mpm}: there is {have}")
    return max(suitable, key=lambda server: MPMS.index(server.mpm))


def choose_apxs(line: str | None = None, apxs: Path | None = None) -> Path:
    """The apxs to build with. It needs no server. Raises a Problem if there is none."""
    if line is not None and line not in LINES:
        raise Problem(f"apache={line} is not a line of Apache: choose one of {', '.join(LINES)}")
    if apxs is None:
        suitable = [program for program in _ordered() if line in (None, line_of(program))]
        if not suitable:
            sought = f"no Apache {line}" if line else "no Apache"
            raise Problem(f"{sought} with its apxs found ({_LOOKED}): {INSTALL}")
        return suitable[0]
    version = _version(apxs)
    if not version:
        raise Problem(f"{apxs} is not an apxs with its server's headers: {INSTALL}")
    if line not in (None, line_of(apxs)):
        raise Problem(f"{apxs} belongs to Apache {version}, not {line}: leave one out")
    return apxs


def line_of(apxs: Path) -> str:
    """The line that an apxs builds for, such as 2.4."""
    return ".".join(_version(apxs).split(".")[:2])


def includes(apxs: Path) -> list[Path]:
    """The folders with the server's headers, and with APR's if it has any."""
    names = ("INCLUDEDIR", "APR_INCLUDEDIR", "APU_INCLUDEDIR")
    folders = (query(apxs, name) for name in names)
    return list(dict.fromkeys(Path(folder) for folder in folders if folder))


def release_header(include: Path) -> Path:
    """The header that says which release the others belong to."""
    modern = include / "ap_release.h"
    return modern if modern.is_file() else include / "httpd.h"


def flags(apxs: Path) -> list[str]:
    """Those of the server's compiler flags that change what its headers mean.

    Its warnings, optimisation and language standard are left out. But 1.3 needs -fgnu89-inline to
    compile as C99: its "extern inline" functions mean what they meant before C99.
    """
    names = ("CFLAGS", "CFLAGS_SHLIB", "EXTRA_CPPFLAGS", "EXTRA_CFLAGS")
    words = " ".join(query(apxs, name) for name in names).split()
    return list(dict.fromkeys(word for word in words if _SHAPING.match(word)))


@cache
def query(apxs: Path, name: str) -> str:
    """The answer of apxs -q NAME, or "" if it does not know the name."""
    try:
        asked = subprocess.run(
            [str(apxs), "-q", name], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""


def _ordered() -> list[Path]:
    """The apxs programs that work, the newest line first."""
    working = [program for program in _programs() if _version(program)]
    return sorted(working, key=line_of, reverse=True)


def _programs() -> Iterator[Path]:
    folders = [Path(entry) for entry in os.get_exec_path() if entry.startswith("/")]
    folders.append(Path("/usr/sbin"))
    folders.extend(sorted(Path("/usr/local").glob("apache*/bin")))
    folders.extend(sorted(Path("/opt/httpd").glob("*/bin")))
    seen: set[Path] = set()
    for folder in folders:
        for name in ("apxs", "apxs2"):
            real = (folder / name).resolve()
            if real.is_file() and real not in seen:
                seen.add(real)
                yield folder / name


@cache
def _version(apxs: Path) -> str:
    """The server's version according to its headers, or "" if there are none."""
    include = query(apxs, "INCLUDEDIR")
    header = release_header(Path(include))
    if not include or not header.is_file():
        return ""
    text = header.read_text(errors="replace")
    old = _VERSION_13.search(text)
    numbers = dict(_VERSION_2X.findall(text))
    return old[1] if old else ".".join(numbers.values())


def _servers(apxs: Path) -> Iterator[Server]:
    """One server for each MPM of the installation. None if its program is missing."""
    httpd = _httpd(apxs)
    if httpd is None:
        return
    static = frozenset(_COMPILED_IN.findall(_printed(httpd, "-l")))
    modules = Path(query(apxs, "LIBEXECDIR"))
    line = line_of(apxs)
    for mpm in _mpms(line, static, modules):
        yield Server(
            line=line,
            version=_version(apxs),
            mpm=mpm,
            apxs=apxs,
            httpd=httpd,
            modules=modules,
            static=static,
        )


def _without_apxs() -> Iterator[Server]:
    """The servers of distributions, where apxs comes with the headers and may not be there."""
    for httpd, modules in _DISTRIBUTIONS:
        if not os.access(httpd, os.X_OK) or not modules.is_dir():
            continue
        version = _printed(httpd, "-v")
        static = frozenset(_COMPILED_IN.findall(_printed(httpd, "-l")))
        found = _VERSION_TOLD.search(version)
        if found is None:
            continue
        line = ".".join(found[1].split(".")[:2])
        for mpm in _mpms(line, static, modules):
            yield Server(
                line=line,
                version=found[1],
                mpm=mpm,
                apxs=httpd.with_name("apxs"),
                httpd=httpd,
                modules=modules,
                static=static,
            )


def _printed(httpd: Path, option: str) -> str:
    return subprocess.run(
        [str(httpd), option], capture_output=True, text=True, timeout=30, check=False
    ).stdout


def _httpd(apxs: Path) -> Path | None:
    folder = Path(query(apxs, "SBINDIR"))
    names = [query(apxs, name) for name in ("TARGET", "PROGNAME")]
    programs = [folder / name for name in names if name]
    return next((program for program in programs if os.access(program, os.X_OK)), None)


def _mpms(line: str, static: frozenset[str], modules: Path) -> list[str]:
    if line == "1.3":
        return ["prefork"]
    compiled = [mpm for mpm in MPMS if mpm in static]
    return compiled or [mpm for mpm in MPMS if (modules / f"mod_mpm_{mpm}.so").is_file()]
