"""The end of the error logs: what the module and the server have said since the last start."""

import os
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from .. import DATA
from .patient import Finding, Patient

TAIL = 1 << 20
MOST = 5
FORMAT = "%a %b %d %H:%M:%S %Y"
STARTED = "resuming normal operations"
TIME = re.compile(r"^\[(\w{3} \w{3} +\d+ [\d:]+)(?:\.\d+)? (\d{4})\]")
LEVEL = re.compile(r"\[(?:\w*:)?(emerg|alert|crit|error|warn)\]")
# A process writes who it is before the code.
OURS = re.compile(r"mod_wsgi: (?:\[pid \d+\] [^:]*: )?(MW\d{4}): (.*)")
# What Apache writes before the text of a line.
BRACKETS = re.compile(r"^(?:\[[^\]]*\] )+")
RAISED = "because it raised:"
EXCEPTION = re.compile(r"(?!mod_wsgi:)[A-Za-z_][\w.]*(?:: |$)")
MESSAGES = DATA / "docs" / "messages.md"

# Lines of the server's own that have to do with applications, and what they mean.
MEANINGS = (
    (
        r"client denied by server configuration: (.*)",
        "nothing grants access to the URL: Require all granted (Allow from all before 2.4)",
    ),
    (
        r"search permissions are missing|\(13\)Permission denied: .*access to",
        "the server's user cannot enter a directory on the way: chmod o+x for each of them",
    ),
    (
        r"exit signal (?:Segmentation fault|Abort|Bus error)",
        "a process crashed, mostly in an extension module: SetEnv mod_wsgi.process auto",
    ),
    (
        r"server reached (?:MaxRequestWorkers|MaxClients)",
        "all threads wait for something: see docs/guides/troubleshooting.md#a-page-that-hangs",
    ),
    (
        r"\] Invalid HTTP_HOST header: ",
        "write each name that browsers use into ALLOWED_HOSTS of Django's settings",
    ),
    (
        r"attempt to write a readonly database|unable to open database file",
        "the application's user must be able to write to the file and its directory: chown both",
    ),
    (r"\.htaccess: (\S+) not allowed here", "AllowOverride does not let .htaccess files say that"),
    (
        r"module wsgi_module is already loaded, skipping",
        "two files are loaded as wsgi_module: take one of the LoadModule lines out",
    ),
)


def check(patient: Patient) -> Iterator[Finding]:
    since = started(patient)
    for path in files(patient):
        found: dict[str, Finding] = {}
        for line in explained(recent(path, since)):
            finding = meaning(path, line)
            if finding:
                found[finding.what] = finding
        yield from list(found.values())[-MOST:]


def files(patient: Patient) -> list[Path]:
    """The error logs that can be read: the server's, then those of virtual hosts."""
    named = [line for line in patient.named("errorlog") if line.place is None]
    ordered = sorted(named, key=lambda line: line.host is not None)
    paths = [
        patient.root / line.words[0]
        for line in ordered
        if line.words[0][:1] not in {"|", "$"} and not line.words[0].startswith("syslog")
    ]
    if not any(line.host is None for line in named):
        paths.insert(0, patient.root / (patient.told("Main ErrorLog") or "logs/error_log"))
    return [path for path in dict.fromkeys(paths) if os.access(path, os.R_OK)]


def tail(path: Path) -> list[str]:
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - TAIL))
            return stream.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []


def time_of(line: str) -> datetime | None:
    """The local time that the line begins with. 2.4 writes more digits of it than others."""
    match = TIME.match(line)
    if match is None:
        return None
    try:
        return datetime.strptime(f"{match[1]} {match[2]}", FORMAT).astimezone()
    except ValueError:
        return None


def started(patient: Patient) -> datetime | None:
    """When the server began to serve, by its own log: what is older may be mended by now."""
    times = [time_of(line) for path in files(patient) for line in tail(path) if STARTED in line]
    return max((each for each in times if each), default=None)


def recent(path: Path, since: datetime | None) -> Iterator[str]:
    """The lines since then. One without a time has that of the line before it."""
    counts = since is None
    for line in tail(path):
        time = time_of(line)
        if time is not None and since is not None:
            counts = time >= since
        if counts:
            yield line


def explained(lines: Iterable[str]) -> Iterator[str]:
    """The lines. One that says that a load failed is joined by the end of its traceback."""
    held = ""
    for line in lines:
        text = BRACKETS.sub("", line)
        if held and text.startswith((" ", "Traceback ")):
            continue
        if held and EXCEPTION.match(text):
            yield f"{held} {text}"
            held = ""
            continue
        if held:
            yield held
        held = line if line.endswith(RAISED) else ""
        if not held:
            yield line
    if held:
        yield held


def meaning(path: Path, line: str) -> Finding | None:
    """What a line means, if it tells of something wrong."""
    level = LEVEL.search(line)
    for pattern, mending in MEANINGS:
        if re.search(pattern, line):
            said = BRACKETS.sub("", line)
            return Finding(where=f"{path}: ", what=said, remedy=mending)
    ours = OURS.search(line)
    if ours is None or level is None:
        return None
    return Finding(where=f"{path}: ", what=f"the log says: {ours[2]}", remedy=remedy(ours[1]))


def remedy(code: str) -> str:
    """What docs/messages.md has as the remedy, where the page is installed."""
    page = f"docs/messages.md#{code.lower()} explains it"
    try:
        text = MESSAGES.read_text()
    except OSError:
        return page
    match = re.search(
        rf"^### {code}\n.*?\*\*Remedy:\*\* (.*?)\n\n", text, re.MULTILINE | re.DOTALL
    )
    return f"{' '.join(match[1].split())} ({code})" if match and "###" not in match[1] else page
