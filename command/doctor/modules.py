"""Whether the server loads mod_wsgi: this one, and mod_env for the variables."""

from collections.abc import Iterator

from .patient import Finding, Patient

LOAD = '"mod_wsgi module-config" prints the line for the configuration'


def check(patient: Patient) -> Iterator[Finding]:
    ours = [each for each in patient.modules if each.is_ours]
    theirs = [each for each in patient.modules if each.is_incumbent]
    for each in patient.modules:
        if not each.path.is_file():
            yield Finding(
                where=each.line.where,
                what=f"there is no file {each.path}",
                remedy=f"install the module there, or name where it is: {LOAD}",
            )
    if theirs and not ours:
        yield Finding(
            where=theirs[0].line.where,
            what=f"{theirs[0].path} is the mod_wsgi with directives, which knows no variables",
            remedy=f"take that line out, and load this module: {LOAD}",
        )
    elif theirs:
        second = max(ours[0].line, theirs[0].line, key=patient.lines.index)
        yield Finding(
            where=second.where,
            what="two modules are loaded as wsgi_module: the server takes the first one, "
            f"{patient.modules[0].path}, and skips the other",
            remedy=f"take out the line with {theirs[0].path} (Debian: a2dismod wsgi of its "
            "package)",
        )
    elif not ours and not patient.modules and "wsgi_module" not in patient.loaded:
        packaged = patient.program.conf.parent / "mods-available" / "wsgi.load"
        yield Finding(
            what="the server does not load mod_wsgi",
            remedy="a2enmod wsgi" if packaged.is_file() else LOAD,
        )
    if ours and patient.loaded and "wsgi_module" not in patient.loaded:
        yield Finding(
            where=ours[0].line.where,
            what="the server skips this line: it is in a section that does not hold",
            remedy="look at the <If...> around it, and at what includes this file",
        )
    if ours:
        yield from added(patient)
        yield from has_env(patient)


def added(patient: Patient) -> Iterator[Finding]:
    """Apache 1.3 forgets all modules at ClearModuleList, until AddModule names them."""
    if patient.program.line != "1.3":
        return
    cleared = next(iter(reversed([*bare(patient, "clearmodulelist")])), None)
    if cleared is None:
        return
    names = [word for line in patient.named("addmodule") for word in line.words]
    if "mod_wsgi.c" not in names:
        yield Finding(
            what="ClearModuleList takes the module out again, and no AddModule adds it",
            remedy="write AddModule mod_wsgi.c behind the other AddModule lines",
        )


def bare(patient: Patient, name: str) -> Iterator[object]:
    return (line for line in patient.lines if line.name == name)


def has_env(patient: Patient) -> Iterator[Finding]:
    """SetEnv is a directive of mod_env."""
    loaded = {line.words[0] for line in patient.named("loadmodule")}
    static = "mod_env.c" in patient.program.ask("-l")[1] or "env_module" in patient.loaded
    if not static and "env_module" not in loaded:
        yield Finding(
            what="the server has no mod_env, and so no SetEnv",
            remedy="load mod_env (Debian: a2enmod env)",
        )
