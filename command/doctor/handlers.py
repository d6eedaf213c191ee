"""Whether any section hands requests to the module, and the handler's name is spelt right."""

import re
from collections.abc import Iterator

from .patient import Finding, Patient
from .reading import Line
from .spelling import nearest

OURS = ("mod_wsgi", "mod_wsgi-status")
INCUMBENT = "wsgi-script"


def check(patient: Patient) -> Iterator[Finding]:
    found = [*handlers(patient)]
    wrong = [each for line, name in found for each in misspelt(patient, line, name)]
    yield from wrong
    if (
        not wrong
        and not any(name == OURS[0] for _, name in found)
        and (any(each.short for each in patient.variables) or not found)
    ):
        yield Finding(
            what="no section hands requests to mod_wsgi: nothing says SetHandler mod_wsgi",
            remedy='write SetHandler mod_wsgi into the section of the application; "mod_wsgi '
            'config APP" prints a whole site',
        )


def handlers(patient: Patient) -> Iterator[tuple[Line, str]]:
    """Each handler that a line names and that has to do with us."""
    for line in (*patient.lines, *patient.htaccess_lines):
        if line.name in {"sethandler", "addhandler"} and line.words:
            name = line.words[0]
        elif line.name == "rewriterule" and line.words[2:]:
            match = re.search(r"\b(?:H|handler)=([^,\]]+)", line.words[2])
            name = match[1] if match else ""
        else:
            continue
        if "wsgi" in name.lower() or nearest(name, OURS):
            yield line, name


def misspelt(patient: Patient, line: Line, name: str) -> Iterator[Finding]:
    if name in OURS:
        return
    if name == INCUMBENT:
        if any(each.is_incumbent for each in patient.modules):
            return
        what = f"{name} is the handler of the mod_wsgi with directives"
        meant = OURS[0]
    else:
        what = f"the handler {name!r} is nobody's: did you mean {nearest(name, OURS) or OURS[0]}?"
        meant = nearest(name, OURS) or OURS[0]
    shown = "SetHandler" if line.name == "sethandler" else "the handler"
    yield Finding(where=line.where, what=what, remedy=f"write {shown} {meant}")
