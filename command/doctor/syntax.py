"""Whether the server can read its configuration, and what it warns of."""

import re
from collections import Counter
from collections.abc import Iterator

from .patient import Finding, Patient

# Beginnings of directives of the other mod_wsgi, and of mod_python.
THEIRS = re.compile(r"Invalid command '(WSGI\w+|Python\w+)'")
UNKNOWN = re.compile(r"Invalid command '(\w+)'")
UNLOADABLE = re.compile(r"Cannot load \S*mod_wsgi\S* into server: (.*)")
MISSING = re.compile(r"(lib\S+?\.so\S*): cannot open shared object file")
_MODULES = {"SetEnv": "env", "SetEnvIf": "setenvif", "RewriteEngine": "rewrite", "Alias": "alias"}


def check(patient: Patient) -> Iterator[Finding]:
    status, said = patient.program.ask("-t")
    if status != 0:
        yield Finding(
            what=f"the server cannot read its configuration: {short(said)}", remedy=remedy(said)
        )
        return
    _, hosts = patient.program.ask("-S")
    yield from doubles(hosts)
    if "overlap on port" in hosts and not patient.is_modern:
        yield Finding(
            what="several virtual hosts have the same address, and the first one answers for all",
            remedy="write NameVirtualHost with that address before them",
        )


def short(said: str) -> str:
    """Its first complaint: the rest follows from that."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    wanted = [line for line in lines if "Could not" not in line and "[warn]" not in line]
    return " ".join(wanted[:2])


def remedy(said: str) -> str:
    if match := THEIRS.search(said):
        return (
            f"{match[1]} is of another module: mod_wsgi convert FILE writes the file with "
            "variables, or load that module, too"
        )
    if match := UNLOADABLE.search(said):
        missing = MISSING.search(match[1])
        if missing:
            return f"install {missing[1]}, or build the module for a Python that is here"
        return "build the module for this server and this Python, and install it again"
    if (match := UNKNOWN.search(said)) and match[1] in _MODULES:
        name = _MODULES[match[1]]
        return f"load mod_{name}, which has {match[1]} (Debian: a2enmod {name})"
    return "mend that line first: the server does not start with it"


def doubles(hosts: str) -> Iterator[Finding]:
    """Two virtual hosts of one name at one port: the second one never answers."""
    found: Counter[tuple[str, str]] = Counter()
    address = ""
    for line in hosts.splitlines():
        if re.match(r"\S+:[\d*]+\s", line):
            address = line.split()[0]
        if match := re.match(r"\s+port \d+ namevhost (\S+) \((.*)\)", line):
            key = (address, match[1])
            found[key] += 1
            if found[key] > 1:
                yield Finding(
                    where=f"{match[2]}: ",
                    what=f"another virtual host before this one has the name {match[1]}, too, and "
                    "answers for both",
                    remedy="give one of them another ServerName, or make one of the two",
                )
