"""Prints the manual page of the command mod_wsgi, made of what its verbs say about themselves."""

import os
import subprocess
import sys
from collections.abc import Iterator

from command import TOP
from command.__main__ import USAGE, VERBS

DESCRIPTION = """\
The command serves WSGI applications with an Apache of its own, prints configurations, and rewrites
those of other modules. It changes nothing of a server that is installed.
"""


def main() -> None:
    print("\n".join(lines()))


def lines() -> Iterator[str]:
    version = (TOP / "VERSION").read_text().strip()
    yield f'.TH MOD_WSGI 1 "" "mod_wsgi {version}" "User Commands"'
    yield ".SH NAME"
    yield r"mod_wsgi \- serves and configures WSGI applications with Apache"
    yield ".SH SYNOPSIS"
    yield r".B mod_wsgi"
    yield r"\fIVERB\fR [\fIARGUMENT\fR...]"
    yield ".SH DESCRIPTION"
    yield DESCRIPTION.strip()
    yield from as_it_is(USAGE)
    for verb in VERBS:
        yield f".SH {escaped(f'mod_wsgi {verb}')}"
        yield from as_it_is(help_of(verb))


def help_of(verb: str) -> str:
    """What the verb says about itself, in lines that fit into a terminal of 80 columns."""
    return subprocess.run(
        [sys.executable, "-m", "command", verb, "--help"],
        cwd=TOP,
        env={**os.environ, "COLUMNS": "74", "PYTHONDONTWRITEBYTECODE": "1"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def as_it_is(text: str) -> Iterator[str]:
    yield ".nf"
    yield from (escaped(line) for line in text.rstrip().split("\n"))
    yield ".fi"


def escaped(line: str) -> str:
    """The line as roff prints it: a hyphen is one that can be typed, a dot is no request."""
    text = line.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{text}" if text.startswith((".", "'")) else text


if __name__ == "__main__":
    main()
