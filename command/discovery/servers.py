"""Finds the Apaches of this machine by their apxs, the tool that knows how each was built.

The server's line (1.3, 2.0, 2.2, 2.4) is read from its headers, since a folder's name proves
nothing. A server whose process model (MPM) is a loadable module counts once for each MPM.
"""

import os
import re

from . import Problem, listing, native, run, scripts, search_path, unique

TYPED = False
if TYPED:
    from typing import Any, Iterator, Sequence

LINES = ("1.3", "2.0", "2.2", "2.4")
MPMS = ("prefork", "worker", "event")  # as they came
INSTALL = "install apache2-dev (Debian, Alpine) or httpd-devel (Fedora), or name another apxs"
INSTALL_SERVER = "install apache2-bin (Debian), httpd (Fedora) or apache2 (Alpine)"

NOT_RUN = (126, 127)  # what env and a shell end with if there is no such program

_LOOKED = "PATH, /usr/local/apache*, /opt/httpd/*"
_SHAPING = re.compile(r"-D|-pthread$|-m\d\d$|-fgnu89-inline$")
_VERSION_2X = re.compile(r'#define\s+AP_SERVER_(MAJOR|MINOR|PATCH)\w+?(?:_NUMBER)?\s+"?(\d+)')
_VERSION_13 = re.compile(r'#define\s+SERVER_BASEREVISION\s+"([\d.]+)')
_COMPILED_IN = re.compile(r"^\s+(\w+)\.c$", re.MULTILINE)

_ANSWERS = {}  # type: dict[tuple[str, str], str]
_VERSIONS = {}  # type: dict[str, str]


class Server(object):
    """One Apache with one process model. command.servers explains the facts."""

    def __init__(self, apxs, httpd, static, mpm):
        # type: (str, str, frozenset[str], str) -> None
        self.line = line_of(apxs)
        self.version = version(apxs)
        self.mpm = mpm
        self.apxs = apxs
        self.httpd = httpd
        self.modules = query(apxs, "LIBEXECDIR")
        self.static = static


def find(lines=(), apxs=None):
    # type: (Sequence[str], str | None) -> list[Server]
    """Every server of these lines, or of all if none is named, the newest line first.

    Of two with the same line and MPM, the first found counts.
    """
    found = {}  # type: dict[tuple[str, str], Server]
    order = []  # type: list[Server]
    for program in [apxs] if apxs else ordered():
        if lines and line_of(program) not in lines:
            continue
        for server in _servers(program):
            if (server.line, server.mpm) not in found:
                found[server.line, server.mpm] = server
                order.append(server)
    return order


def choose(line=None, apxs=None, mpm=None):
    # type: (str | None, str | None, str | None) -> Server
    """The server to run. Raises a Problem that says what to do if there is none.

    Of several MPMs the most modern is taken, as distributions do.
    """
    program = choose_apxs(line, apxs)
    servers = find([line_of(program)], apxs)
    if not servers:
        raise Problem("%s is here, but its server is not: %s" % (program, INSTALL_SERVER))
    return with_mpm(servers, mpm)  # type: ignore[no-any-return]


def with_mpm(servers, mpm):
    # type: (Sequence[Any], str | None) -> Any
    """The server with this MPM, or with the most modern one."""
    suitable = [server for server in servers if mpm in (None, server.mpm)]
    if not suitable:
        have = ", ".join(server.mpm for server in servers)
        told = (servers[0].line, mpm, have)
        raise Problem("Apache %s is here without the MPM %s: there is %s" % told)
    return max(suitable, key=lambda server: MPMS.index(server.mpm))


def choose_apxs(line=None, apxs=None):
    # type: (str | None, str | None) -> str
    """The apxs to build with. It needs no server. Raises a Problem if there is none."""
    if line is not None and line not in LINES:
        known = ", ".join(LINES)
        raise Problem("apache=%s is not a line of Apache: choose one of %s" % (line, known))
    if apxs is None:
        suitable = [program for program in ordered() if line in (None, line_of(program))]
        if not suitable:
            raise Problem(_not_found(line))
        return suitable[0]
    if not version(apxs):
        fault = scripts.fault(apxs)
        raise Problem(fault or "%s is not an apxs with its server's headers: %s" % (apxs, INSTALL))
    if line not in (None, line_of(apxs)):
        told = (apxs, version(apxs), line or "")
        raise Problem("%s belongs to Apache %s, not %s: leave one out" % told)
    return apxs


def _not_found(line):
    # type: (str | None) -> str
    """What to do if no apxs works. A silent one may be the one that is meant."""
    sought = "no Apache " + line if line else "no Apache"
    for program in _programs():
        fault = "" if version(program) else scripts.fault(program)
        if fault:
            return "%s with its apxs found: %s" % (sought, fault)
    return "%s with its apxs found (%s): %s" % (sought, _LOOKED, INSTALL)


def line_of(apxs):
    # type: (str) -> str
    """The line that an apxs builds for, such as 2.4."""
    return ".".join(version(apxs).split(".")[:2])


def includes(apxs):
    # type: (str) -> list[str]
    """The folders with the server's headers, and with APR's if it has any."""
    names = ("INCLUDEDIR", "APR_INCLUDEDIR", "APU_INCLUDEDIR")
    return [folder for folder in unique(query(apxs, name) for name in names) if folder]


def release_header(include):
    # type: (str) -> str
    """The header that says which release the others belong to."""
    modern = os.path.join(include, "ap_release.h")
    return modern if os.path.isfile(modern) else os.path.join(include, "httpd.h")


def flags(apxs):
    # type: (str) -> list[str]
    """Those of the server's compiler flags that change what its headers mean.

    Its warnings, optimisation and language standard are left out. But 1.3 needs -fgnu89-inline to
    compile as C99: its "extern inline" functions mean what they meant before C99.
    """
    names = ("CFLAGS", "CFLAGS_SHLIB", "EXTRA_CPPFLAGS", "EXTRA_CFLAGS")
    words = " ".join(query(apxs, name) for name in names).split()
    return unique(word for word in words if _SHAPING.match(word))


def query(apxs, name):
    # type: (str, str) -> str
    """The answer of apxs -q NAME, or "" if it does not know the name."""
    if (apxs, name) not in _ANSWERS:
        asked = None if scripts.moved_to(apxs) else run([apxs, "-q", name])
        if asked and asked[0] == 0:
            _ANSWERS[apxs, name] = asked[1].strip()
        else:
            _ANSWERS[apxs, name] = "" if _refused(apxs, asked) else scripts.answer(apxs, name)
    return _ANSWERS[apxs, name]


def _refused(apxs, asked):
    # type: (str, tuple[int, str] | None) -> bool
    """Whether an apxs that failed has its reasons: its server loads no modules, for instance.

    One without a Perl or without a server has none.
    """
    folder, target = scripts.answer(apxs, "SBINDIR"), scripts.answer(apxs, "TARGET")
    there = os.access(os.path.join(folder, target), os.X_OK)
    return asked is not None and asked[0] not in NOT_RUN and there


def ordered():
    # type: () -> list[str]
    """The apxs programs that work, the newest line first."""
    working = [program for program in _programs() if version(program)]
    return sorted(working, key=line_of, reverse=True)


def _programs():
    # type: () -> Iterator[str]
    local = ["/usr/local/" + name for name in listing("/usr/local") if name.startswith("apache")]
    own = ["/opt/httpd/" + name for name in listing("/opt/httpd")]
    folders = search_path() + ["/usr/sbin"]
    folders.extend(os.path.join(folder, "bin") for folder in local + own)
    seen = set()
    for folder in folders:
        for name in ("apxs", "apxs2"):
            program = os.path.join(folder, name)
            real = os.path.realpath(program)
            if os.path.isfile(real) and real not in seen:
                seen.add(real)
                yield program


def version(apxs):
    # type: (str) -> str
    """The server's version according to its headers, or "" if there are none."""
    if apxs not in _VERSIONS:
        _VERSIONS[apxs] = _version(query(apxs, "INCLUDEDIR"))
    return _VERSIONS[apxs]


def _version(include):
    # type: (str) -> str
    header = release_header(include)
    if not include or not os.path.isfile(header):
        return ""
    with open(header, "rb") as stream:
        text = stream.read().decode("latin-1")
    old = _VERSION_13.search(text)
    numbers = [number for _, number in _VERSION_2X.findall(text)]
    return native(old.group(1) if old else ".".join(numbers))


def _servers(apxs):
    # type: (str) -> Iterator[Server]
    """One server for each MPM of the installation. None if its program is missing."""
    httpd = _httpd(apxs)
    if httpd is None:
        return
    static = compiled_in(httpd)
    for mpm in mpms(line_of(apxs), static, query(apxs, "LIBEXECDIR")):
        yield Server(apxs, httpd, static, mpm)


def printed(httpd, option):
    # type: (str, str) -> str
    """What the server's program prints, or "" if it cannot be run."""
    done = run([httpd, option])
    return done[1] if done else ""


def compiled_in(httpd):
    # type: (str) -> frozenset[str]
    """The modules that are part of the server's program."""
    return frozenset(_COMPILED_IN.findall(printed(httpd, "-l")))


def _httpd(apxs):
    # type: (str) -> str | None
    folder = query(apxs, "SBINDIR")
    for name in (query(apxs, "TARGET"), query(apxs, "PROGNAME")):
        program = os.path.join(folder, name)
        if name and os.access(program, os.X_OK):
            return program
    return None


def mpms(line, static, modules):
    # type: (str, frozenset[str], str) -> list[str]
    """The process models that a server can run with."""
    if line == "1.3":
        return ["prefork"]
    compiled = [mpm for mpm in MPMS if mpm in static]
    there = set(listing(modules))
    return compiled or [mpm for mpm in MPMS if "mod_mpm_%s.so" % mpm in there]
