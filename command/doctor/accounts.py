"""Whether applications' processes can be: their users, their Pythons, the programs for them."""

import os
import pwd
from collections.abc import Iterator

from .applications import applications
from .patient import PREFIX, Finding, Patient, Variable

USERS = "MOD_WSGI_USERS"
STANDARD = "1000-"


def check(patient: Patient) -> Iterator[Finding]:
    for variable in patient.variables:
        if variable.short == "user" and variable.is_plain and variable.value:
            yield from user(patient, variable)
    yield from programs(patient)


def user(patient: Patient, variable: Variable) -> Iterator[Finding]:
    """The user exists, and may have processes."""
    name, where = variable.value, variable.line.where
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        yield Finding(
            where=where,
            what=f"{PREFIX}user names {name}, and there is no such user",
            remedy=f"add the user (useradd --system {name}), or name another",
        )
        return
    if 0 in {entry.pw_uid, entry.pw_gid}:
        yield Finding(
            where=where,
            what=f"{name} is root or of root's group, and gets no process",
            remedy=f"name an ordinary user in {PREFIX}user",
        )
    elif patient.user and entry.pw_uid == patient.user.pw_uid:
        return
    elif not is_listed(patient.environment.get(USERS, STANDARD), name, entry.pw_uid):
        value = patient.environment.get(USERS, STANDARD)
        yield Finding(
            where=where,
            what=f"{name} (number {entry.pw_uid}) may have no processes: {USERS} is {value}",
            remedy=f"export {USERS}={value},{name} in envvars, then stop and start the server",
        )


def is_listed(listed: str, name: str, uid: int) -> bool:
    """Whether the list names the user: "1000", "1000-", "1000-1999" or a name."""
    for entry in listed.replace(",", " ").split():
        if not entry[0].isdigit():
            if entry == name:
                return True
            continue
        low, dash, high = entry.partition("-")
        if low.isdigit() and int(low) <= uid:
            most = int(high) if high.isdigit() else None
            if uid == int(low) or (dash and (most is None or uid <= most)):
                return True
    return False


def programs(patient: Patient) -> Iterator[Finding]:
    """What starts processes is installed, for each Python that is asked for."""
    if patient.module is None:
        return
    folder = patient.module.parent / "mod_wsgi"
    for each in applications(patient):
        process, python = each.value("process"), each.value("python")
        where = each.variable.line.where
        if process in {"", "off"}:
            if not patient.python and not _is_htaccess(patient, each.variable):
                yield Finding(
                    where=where,
                    what="the module has no Python, so each application needs a process",
                    remedy=f"write SetEnv {PREFIX}process auto",
                )
            continue
        spawner = folder / "mod_wsgi-spawner"
        if not os.access(spawner, os.X_OK):
            yield Finding(
                where=where,
                what=f"there is no program {spawner}, which starts the processes",
                remedy=f"install the folder mod_wsgi beside {patient.module}",
            )
            continue
        wanted = python or patient.python
        if wanted and not any(_fits(program, wanted) for program in patient.programs):
            have = ", ".join(patient.programs) or "none"
            yield Finding(
                where=each.around["python"].line.where if "python" in each.around else where,
                what=f"{folder} has no program for Python {wanted}: it has {have}",
                remedy=f"./dev build --python {wanted} install, or name another in {PREFIX}python",
            )


def _is_htaccess(patient: Patient, variable: Variable) -> bool:
    return any(variable.line in folder.lines for folder in patient.htaccess)


def _fits(program: str, wanted: str) -> bool:
    return program == wanted or program.startswith(f"{wanted}.")
