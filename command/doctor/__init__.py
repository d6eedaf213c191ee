"""`mod_wsgi doctor`: reads a server's configuration and logs, and says what to mend, in order.

Nothing is changed, and the server need not run. As root it sees most: logs, closed directories,
and the environment of the running server.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from .. import Problem
from . import (
    accounts,
    applications,
    guards,
    handlers,
    htaccess,
    logs,
    modules,
    sections,
    syntax,
    variables,
)
from .asked import Program, find
from .patient import Finding, Patient, examine

# In the order to mend what they find.
CHECKS: tuple[Callable[[Patient], Iterator[Finding]], ...] = (
    syntax.check,
    modules.check,
    handlers.check,
    variables.check,
    applications.check,
    accounts.check,
    sections.check,
    htaccess.check,
    guards.check,
    logs.check,
)


def main(words: Sequence[str], prog: str = "mod_wsgi doctor") -> int:
    """Says what is wrong. Returns 1 if something is, else 0. Returns 2 if there is no server."""
    arguments = parse(words, prog)
    try:
        program = find(arguments.apachectl, arguments.httpd, arguments.conf)
        patient = examine(program)
    except Problem as problem:
        print(f"{prog}: {problem}", file=sys.stderr)
        return 2
    found = merged(finding for check in CHECKS for finding in check(patient))
    if not found:
        print(f"nothing wrong found; looked at {looked_at(patient)}")
        return 0
    print(f"looked at {looked_at(patient)}\n")
    for number, finding in enumerate(found, 1):
        remedy = finding.remedy.replace("\n", "\n         ")
        print(f"{number}. {finding.where}{finding.what}\n   mend: {remedy}")
    return 1


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """One finding where several lines of the configuration have the same fault and remedy."""
    places: dict[tuple[str, str], list[str]] = {}
    for finding in findings:
        known = places.setdefault((finding.what, finding.remedy), [])
        if finding.where not in known:
            known.append(finding.where)
    return [
        Finding(where=where, what=what + also(others), remedy=remedy)
        for (what, remedy), (where, *others) in places.items()
    ]


def also(places: Sequence[str]) -> str:
    return (
        f" (also in {', '.join(place.removesuffix(': ') for place in places)})" if places else ""
    )


def parse(words: Sequence[str], prog: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    parser.add_argument(
        "conf",
        nargs="?",
        type=Path,
        metavar="CONF",
        help="the server's configuration file (default: the one that the server reads by itself)",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--apachectl",
        type=Path,
        metavar="PATH",
        help="the script that starts the server (default: the first apache2ctl or apachectl)",
    )
    which.add_argument("--httpd", type=Path, metavar="PATH", help="the server's program itself")
    return parser.parse_args(words)


def looked_at(patient: Patient) -> str:
    """What was looked at, in one line."""
    program = patient.program
    files = len(patient.files) - 1
    parts = [
        f"{program.path} ({program.version})",
        f"{program.conf}" + (f" and {counted(files, 'file')} that it includes" if files else ""),
        f"the module {patient.module}" if patient.module else "no module",
        counted(len(applications.applications(patient)), "application"),
        counted(len(patient.htaccess), ".htaccess file"),
        *(str(path) for path in logs.files(patient)),
    ]
    return ", ".join(parts)


def counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


__all__ = ["Program", "main"]
