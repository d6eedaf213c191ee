"""SELinux and AppArmor, which refuse what the modes of files allow."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .applications import applications
from .patient import Finding, Patient

ENFORCES = Path("/sys/fs/selinux/enforce")
PROFILES = Path("/sys/kernel/security/apparmor/profiles")
# Types of files that Apache's domain may read, by the policy of the distributions.
READABLE = re.compile(r":(httpd_\w+|usr|lib|bin|textrel_shlib|public_content\w*|etc|cert)_t\b")


def check(patient: Patient) -> Iterator[Finding]:
    yield from selinux(patient)
    yield from apparmor(patient)


def selinux(patient: Patient) -> Iterator[Finding]:
    if _text(ENFORCES) != "1":
        return
    folders = {folder for each in applications(patient) for folder in each.directories}
    folders |= {Path(text) for each in applications(patient) if (text := each.value("virtualenv"))}
    for folder in sorted(folders):
        with suppress(OSError):
            label = os.getxattr(folder, "security.selinux").decode().rstrip("\0")
            if not READABLE.search(label):
                yield Finding(
                    what=f"SELinux is enforcing, and {folder} has the label {label}, which the "
                    "server may not read",
                    remedy=f"semanage fcontext -a -t httpd_sys_content_t '{folder}(/.*)?' && "
                    f"restorecon -R {folder}",
                )


def apparmor(patient: Patient) -> Iterator[Finding]:
    """A profile for the server's program names each directory that it may read."""
    profile = Path("/etc/apparmor.d", ".".join(patient.program.path.parts[1:]))
    confined = re.search(
        rf"^\S*{re.escape(patient.program.path.name)}\S* \(enforce\)$",
        _text(PROFILES),
        re.MULTILINE,
    )
    if not confined:
        return
    rules = _text(profile)
    for each in applications(patient):
        for folder in each.directories:
            if str(folder) not in rules:
                yield Finding(
                    where=each.variable.line.where,
                    what=f"AppArmor confines {patient.program.path.name}, and its profile "
                    f"{profile} does not name {folder}",
                    remedy=f"add {folder}/** r, to the profile, and apparmor_parser -r {profile}",
                )


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
