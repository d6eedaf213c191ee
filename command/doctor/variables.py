"""Whether the variables are spelt right, and have values that make sense."""

import re
from collections.abc import Iterator

from .patient import PREFIX, Finding, Patient, Variable
from .spelling import MOST_LETTERS, differences, nearest

# The names of docs/configuration.md, without mod_wsgi. A test compares them.
NAMES = {
    "application": "",
    "interpreter": "",
    "directory": "",
    "virtualenv": "",
    "script_name": "",
    "authorization": "off|on",
    "reload": r"off|on|/.*",
    "gil": "shared|own",
    "interpreters": "number",
    "buffer_body": "off|on",
    "path_translated": "off|on",
    "error_pages": "off|on",
    "slow": r"off|[1-9]\d{0,4}",
    "timeout": r"off|[1-9]\d{0,4}",
    "concurrency": r"off|[1-9][0-9]{0,4}",
    "process": "",
    "user": "",
    "python": r"\d+(\.\d+t?)?",
    "processes": "number",
    "threads": "number",
    "idle": r"off|[1-9]\d{0,4}",
    "memory": r"off|[1-9]\d{0,6}",
}
SERVER = (
    "MOD_WSGI_PYTHON_HOME",
    "MOD_WSGI_MAX_INTERPRETERS",
    "MOD_WSGI_USERS",
    "MOD_WSGI_LIMITS",
)
# A number has the same bounds for each variable.
NUMBER = "[1-9]|[1-5][0-9]|6[0-4]"
# Whose value is no word of the module's own, but a path or a name.
ALMOST = re.compile(r"(?i)mod[-_. ]?(?:wsgi|wgsi|wsig)[-_.:](?!wsgi)(.*)")


def check(patient: Patient) -> Iterator[Finding]:
    for variable in patient.variables:
        yield from name_of(variable)
        if variable.short in NAMES and variable.is_plain:
            yield from value_of(variable)
        if variable.short in {"user", "python"}:
            yield from alone(patient, variable)
    yield from environment(patient)


def name_of(variable: Variable) -> Iterator[Finding]:
    short, name = variable.short, variable.name
    if short in NAMES or short.startswith("environ."):
        return
    if name.upper() in SERVER:
        yield Finding(
            where=variable.line.where,
            what=f"{name} is read from the server's own environment, never from SetEnv",
            remedy=f"write export {name}={variable.value} into envvars, or Environment= into the "
            "service's unit",
        )
        return
    match = ALMOST.fullmatch(name)
    if not short and match is None:
        return
    tail = short or (match[1] if match else "").lower()
    meant = tail if tail in NAMES else nearest(tail, (*NAMES, "environ.NAME"))
    yield Finding(
        where=variable.line.where,
        what=f"{name} is no variable of mod_wsgi"
        + (f": did you mean {PREFIX}{meant}?" if meant else ""),
        remedy=f"write SetEnv {PREFIX}{meant}"
        if meant
        else "take the line out, or look at docs/configuration.md for the name",
    )


def value_of(variable: Variable) -> Iterator[Finding]:
    text, allowed = variable.value, NAMES[variable.short]
    wrong = ""
    if variable.short == "application":
        wrong = application(text)
    elif allowed and text:
        pattern = NUMBER if allowed == "number" else allowed
        if not re.fullmatch(pattern, text):
            shown = "a number from 1 to 64" if allowed == "number" else allowed
            shown = {
                r"off|on|/.*": "off, on or a path that begins with /",
                NAMES["python"]: "a version, such as 3.13",
                NAMES["slow"]: "off or a number of seconds",
                NAMES["concurrency"]: "off or a number of requests",
                NAMES["memory"]: "off or a number of MB",
            }.get(allowed, shown)
            wrong = f"write {shown.replace('|', ' or ')}"
    if wrong:
        yield Finding(
            where=variable.line.where,
            what=f"{PREFIX}{variable.short} cannot be {text!r}",
            remedy=wrong,
        )


def application(text: str) -> str:
    """How the application is to be named, if it is not named right."""
    where, _, name = text.partition("::")
    colon = re.fullmatch(r"([\w./]+):(\w[\w.]*)(\(.*\))?", text)
    if colon:
        where, name = colon[1], colon[2]
    module = where.rpartition("/")[2].removesuffix(".py")
    if "/" in where:
        folder = where.rpartition("/")[0] or "/"
        return f"write {joined(module, name)}, and SetEnv {PREFIX}directory {folder}"
    if where.endswith(".py") or colon:
        return f"write {joined(module, name)}"
    if not re.fullmatch(r"\w+(\.\w+)*", where) or (
        name and not re.fullmatch(r"\w+(\.\w+)*", name)
    ):
        return "write module::callable, as import names the module"
    return ""


def joined(module: str, name: str) -> str:
    return f"{module}::{name}" if name else module


def alone(patient: Patient, variable: Variable) -> Iterator[Finding]:
    """A user or a Python of its own needs a process of its own, outside of .htaccess files."""
    if any(variable.line in folder.lines for folder in patient.htaccess):
        return
    process = patient.around(variable.line).get("process")
    if process is None or process.value in {"", "off"}:
        yield Finding(
            where=variable.line.where,
            what=f"{PREFIX}{variable.short} {variable.value} needs processes of its own",
            remedy=f"write SetEnv {PREFIX}process auto beside it",
        )


def environment(patient: Patient) -> Iterator[Finding]:
    for name in patient.environment:
        if not name.upper().startswith("MOD") or name in SERVER:
            continue
        meant = min(SERVER, key=lambda known: differences(name, known))
        if differences(name, meant) <= MOST_LETTERS:
            yield Finding(
                what=f"the server's environment has {name}: did you mean {meant}?",
                remedy=f"write {meant} into envvars or the service's unit, and start anew",
            )
