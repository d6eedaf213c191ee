"""Writes the fixes of matrix.toml as shell commands, for somebody's own build of an old server."""

import shlex
from collections.abc import Iterator

from command import Problem
from matrix.described import Apache, Fix

_FIRST = r"\A"
_DELIMITERS = "/|,%~"


def lines(apache: Apache) -> Iterator[str]:
    """Comments and commands for GNU sed, to be run in the unpacked folder."""
    yield f"# What Apache {apache.version} needs on a current system."
    if not apache.fixes:
        yield "# Nothing of its source has to be changed."
    for fix in apache.fixes:
        yield f"# {fix.why}"
        yield f"LC_ALL=C sed -i -E {shlex.quote(script(fix))} {' '.join(fix.files)}"


def script(fix: Fix) -> str:
    """The same replacement for sed: in each line, or only in the first of a file."""
    find, first = fix.find, fix.find.startswith(_FIRST)
    if first:
        find = f"^{find.removeprefix(_FIRST)}"
    delimiter = next((each for each in _DELIMITERS if each not in find + fix.replace), None)
    if delimiter is None or "\\" in fix.replace:
        raise Problem(f"the fix {fix.find!r} cannot be written for sed: simplify it")
    replace = fix.replace.replace("&", r"\&")
    return f"{'1' if first else ''}s{delimiter}{find}{delimiter}{replace}{delimiter}g"
