"""Reads the answers of an apxs from its script, where it cannot give them itself.

apxs is a Perl script, which asks the server's program before it answers. So it is silent on a
host without Perl, and once its server was moved. In Apache 1.3 the answers stand in the script. In
later ones they stand in a makefile, whose folder the script names. The environment's APXS_PREFIX
names the folder that a server was moved to.
"""

import os
import re

from . import native

TYPED = False
if TYPED:
    from typing import Dict

MOVED = "APXS_PREFIX"

_ASSIGNED_13 = re.compile(r"^my \$CFG_(\w+)\s*=\s*q\((.*)\);", re.MULTILINE)
_MAKEFILE = re.compile(r'^my \$installbuilddir\s*=\s*"(.*)";', re.MULTILINE)
_ASSIGNED = re.compile(r"^(\w+)[ \t]*=[ \t]*(.*?)[ \t]*$", re.MULTILINE)
_NAMED = re.compile(r"\$[({]?(\w+)[)}]?")
_IN_SOURCES = re.compile(r"\s+`.+apaci`")  # a program in the sources that were built from
_INTERPRETER = re.compile(r"#!\s*(\S+)")


def answer(apxs, name):
    # type: (str, str) -> str
    """What apxs -q NAME would say, or "" if its script does not know the name."""
    facts = _facts(apxs)
    return facts.get(name) or facts.get(name.lower()) or ""


def moved_to(apxs):
    # type: (str) -> str
    """The folder that the server of this apxs was moved to, or "" if nobody says so."""
    prefix = os.environ.get(MOVED, "").rstrip("/")
    below = os.path.realpath(apxs).startswith(os.path.realpath(prefix) + "/")
    return prefix if prefix and below else ""


def fault(apxs):
    # type: (str) -> str
    """Why nothing can be built with an apxs, with what to do. "" if its script does not tell."""
    text = _text(apxs)
    missing = makefile(apxs) or answer(apxs, "INCLUDEDIR")
    guess = os.path.dirname(os.path.dirname(os.path.realpath(apxs)))
    if missing and not os.path.exists(missing):
        told = (apxs, missing, MOVED, guess)
        return "%s looks for %s, which is not there: if the server was moved, set %s=%s" % told
    needed = _INTERPRETER.match(text)
    if not missing and needed and not os.access(needed.group(1), os.X_OK):
        lacks = (apxs, native(needed.group(1)))
        return "%s needs %s, and cannot be read without it: install that" % lacks
    return ""


def _facts(apxs):
    # type: (str) -> Dict[str, str]
    """All that an apxs can be asked for, by name. Folders have lower-case names in a makefile."""
    path = makefile(apxs)
    if path:
        written = dict(_ASSIGNED.findall(_text(path)))
        facts = dict((name, _expanded(written, written[name])) for name in written)
        facts["TARGET"] = facts.get("progname", "")
    else:
        facts = dict(_ASSIGNED_13.findall(_text(apxs)))
    old = facts.get("PREFIX") or facts.get("prefix") or ""
    new = moved_to(apxs)
    return dict((name, _at(facts[name], old, new)) for name in facts)


def _at(value, old, new):
    # type: (str, str, str) -> str
    """A value as the server has it where it is now."""
    value = _IN_SOURCES.sub("", value).strip()
    if new and old and (value + "/").startswith(old + "/"):
        value = new + value[len(old) :]
    return native(value)


def makefile(apxs):
    # type: (str) -> str
    """The file that a script gets its answers from, or "" if it has them itself.

    If the server was moved, the end of the old path leads to the file from the new folder.
    """
    found = _MAKEFILE.search(_text(apxs))
    if not found:
        return ""
    parts = [part for part in found.group(1).split("/") if part] + ["config_vars.mk"]
    new = moved_to(apxs)
    for start in range(len(parts) if new else 0):
        path = "/".join([new] + parts[start:])
        if os.path.isfile(path):
            return native(path)
    return native("/" + "/".join(parts))


def _expanded(written, value, depth=9):
    # type: (Dict[str, str], str, int) -> str
    """A value with the values of those that it names."""
    if not depth:
        return value
    return _NAMED.sub(
        lambda found: _expanded(written, written.get(found.group(1), ""), depth - 1), value
    )


def _text(path):
    # type: (str) -> str
    try:
        with open(path, "rb") as stream:
            return stream.read().decode("latin-1")
    except (IOError, OSError):
        return ""
