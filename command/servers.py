"""The Apaches of this machine, with types. The folder discovery/ finds them and asks each apxs.

A module that was built already needs no apxs. Only here a server without one is found.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import Problem
from .discovery import servers as _plain

LINES = _plain.LINES
MPMS = _plain.MPMS

_VERSION_TOLD = re.compile(r"^Server version: Apache/([\d.]+)", re.MULTILINE)

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
    return [_typed(found) for found in _plain.find(lines, _text(apxs))]


def choose(line: str | None = None, apxs: Path | None = None, mpm: str | None = None) -> Server:
    """The server to run. Raises a Problem that says what to do if there is none.

    Of several MPMs the most modern is taken, as distributions do.
    """
    return _typed(_plain.choose(line, _text(apxs), mpm))


def choose_to_run(
    line: str | None = None, apxs: Path | None = None, mpm: str | None = None
) -> Server:
    """Like choose(), for a module that was built already: then a server without apxs will do."""
    programs = _plain.ordered()
    if apxs is not None or any(line in (None, _plain.line_of(each)) for each in programs):
        return choose(line, apxs, mpm)
    servers = [server for server in _without_apxs() if line in (None, server.line)]
    if not servers:
        told = f"no Apache {line or ''}".rstrip()
        raise Problem(f"{told} found: {_plain.INSTALL_SERVER}")
    chosen: Server = _plain.with_mpm(servers, mpm)
    return chosen


def choose_apxs(line: str | None = None, apxs: Path | None = None) -> Path:
    """The apxs to build with. It needs no server. Raises a Problem if there is none."""
    return Path(_plain.choose_apxs(line, _text(apxs)))


def line_of(apxs: Path) -> str:
    """The line that an apxs builds for, such as 2.4."""
    return _plain.line_of(str(apxs))


def includes(apxs: Path) -> list[Path]:
    """The folders with the server's headers, and with APR's if it has any."""
    return [Path(folder) for folder in _plain.includes(str(apxs))]


def flags(apxs: Path) -> list[str]:
    """Those of the server's compiler flags that change what its headers mean."""
    return _plain.flags(str(apxs))


def _text(apxs: Path | None) -> str | None:
    return None if apxs is None else str(apxs)


def _typed(found: _plain.Server) -> Server:
    return Server(
        line=found.line,
        version=found.version,
        mpm=found.mpm,
        apxs=Path(found.apxs),
        httpd=Path(found.httpd),
        modules=Path(found.modules),
        static=found.static,
    )


def _without_apxs() -> Iterator[Server]:
    """The servers of distributions, where apxs comes with the headers and may not be there."""
    for httpd, modules in _DISTRIBUTIONS:
        if not os.access(httpd, os.X_OK) or not modules.is_dir():
            continue
        found = _VERSION_TOLD.search(_plain.printed(str(httpd), "-v"))
        if found is None:
            continue
        line = ".".join(found[1].split(".")[:2])
        static = _plain.compiled_in(str(httpd))
        for mpm in _plain.mpms(line, static, str(modules)):
            yield Server(
                line=line,
                version=found[1],
                mpm=mpm,
                apxs=httpd.with_name("apxs"),
                httpd=httpd,
                modules=modules,
                static=static,
            )
