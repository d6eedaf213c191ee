"""How each directive is converted: what stands in its place."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from math import ceil
from pathlib import Path
from textwrap import wrap

from .parse import Directive, Section, quoted, words
from .remarks import OPTIONS, OTHER_OPTION, REMARKS
from .scopes import Scope, Server, below_of, directives_of, executes, folder_of, forbids, options

WIDTH = 96
SIGN = "# mod_wsgi: "
MOST = 64

_SITE_PACKAGES = re.compile(r"(/.*)/lib(?:64)?/python\d[\d.]*/site-packages/?")
_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# Options that become variables, or that need no word.
_TAKEN = (
    *("user", "processes", "threads", "python-home", "python-path", "home", "lang"),
    *("python-eggs", "inactivity-timeout"),
)

# Options in seconds, and the variables that they become.
_SECONDS = (("request-timeout", "timeout"), ("inactivity-timeout", "idle"))

# The most that a variable of seconds takes.
MOST_SECONDS = 86400

HANDLERS = ("wsgi-script",)
MAY_EXECUTE = "may_execute"
MOD_PYTHON = ("mod_python", "python-program")


@dataclass(kw_only=True)
class Place:
    """Where a directive stands."""

    server: Server
    scope: Scope
    sections: tuple[Section, ...] = ()
    wrappers: tuple[Section, ...] = ()
    htaccess: bool = False
    mod_python: str = ""
    closed: list[str] = field(default_factory=list)
    # Lines for behind the section.
    behind: list[str] = field(default_factory=list)

    @property
    def in_section(self) -> bool:
        return self.htaccess or bool(self.sections)


def comment(indent: str, text: str) -> str:
    lines = wrap(text, WIDTH - len(indent) - len(SIGN), break_on_hyphens=False)
    return "".join(f"{indent}{SIGN}{line}\n" for line in lines)


def was(item: Directive, *remarks: str) -> str:
    """The directive as comment, and what is to be said of it."""
    lines = (line.strip().rstrip("\\").strip() for line in item.text.splitlines())
    return f"{item.indent}# {' '.join(line for line in lines if line)}\n" + "".join(
        comment(item.indent, remark) for remark in remarks
    )


def set_env(indent: str, name: str, value: str) -> str:
    return f"{indent}SetEnv mod_wsgi.{name} {quoted(value)}\n"


def is_on(item: Directive) -> bool:
    return item.words[:1] != [] and item.words[0].lower() == "on"


# Settings


def switch(name: str) -> Callable[[Directive, Place], str]:
    """For a directive with On and Off, as the variable of this name has."""

    def convert(item: Directive, _: Place) -> str:
        return set_env(item.indent, name, "on" if is_on(item) else "off")

    return convert


def slow_requests(item: Directive, _: Place) -> str:
    """Seconds, here without a fraction. The log has what a service was sent."""
    try:
        seconds = ceil(float(item.words[0]))
    except (IndexError, ValueError, OverflowError):
        seconds = 0
    if not 1 <= seconds <= MOST_SECONDS:
        return was(item, "It takes a number of seconds. See mod_wsgi.slow.")
    return set_env(item.indent, "slow", str(seconds))


def application_group(item: Directive, place: Place) -> str:
    name = item.words[0] if item.words else ""
    indent = item.indent
    if name in {"", "%{GLOBAL}"}:
        return interpreter(indent, "main_interpreter")
    if name == "%{RESOURCE}":
        return f"{indent}UnsetEnv mod_wsgi.interpreter\n"
    return group_by_request(item, name, place) or set_env(indent, "interpreter", name)


def group_by_request(item: Directive, name: str, place: Place) -> str:
    """For names that depend on the request."""
    chosen = re.fullmatch(r"%\{ENV:([^}]+)\}", name)
    indent = item.indent
    if name == "%{SERVER}":
        server_name = place.scope.server_name or place.scope.base.server_name
        if server_name and place.scope.kind != "macro":
            return set_env(indent, "interpreter", server_name)
        return was(item, "Write the name of an interpreter for each virtual host here.")
    if name == "%{HOST}":
        return f'{indent}SetEnvIfNoCase Host "^(.+)$" mod_wsgi.interpreter=$1\n'
    if chosen:
        return was(
            item,
            f"Where {chosen[1]} is set, mod_wsgi.interpreter must be set to the same value. That "
            "is done for SetEnv, SetEnvIf and RewriteRule in these files.",
        )
    return ""


def interpreter(indent: str, name: str) -> str:
    """The first interpreter can't be replaced, so changed code needs a restart there."""
    lines = set_env(indent, "interpreter", name)
    if name == "main_interpreter":
        lines += set_env(indent, "reload", "off")
    return lines


_POOL = (
    "Where {} names a process, mod_wsgi.process and the other variables of the process must be "
    "set. That is done for SetEnv in these files, and for SetEnvIf and RewriteRule if they give "
    "the name of a WSGIDaemonProcess."
)


def process_group(item: Directive, place: Place) -> str:
    name = item.words[0] if item.words else ""
    chosen = re.fullmatch(r"%\{ENV:([^}]+)\}", name, re.IGNORECASE)
    if chosen:
        return was(item, _POOL.format(chosen[1]))
    return group(item.indent, name, place)


def group(indent: str, name: str, place: Place) -> str:
    """The variables of the daemon with this name."""
    chosen = re.fullmatch(r"%\{ENV:([^}]+)\}", name, re.IGNORECASE)
    if chosen:
        return comment(indent, f"process-group={name}: {_POOL.format(chosen[1])}")
    if name == "%{SERVER}":
        name = place.scope.server_name
    if name in {"", "%{GLOBAL}"} and place.htaccess:
        return comment(indent, "The application runs as this file's owner, in its own processes.")
    if name in {"", "%{GLOBAL}"}:
        return set_env(indent, "process", "off")
    lines = set_env(indent, "process", name)
    daemon = place.server.daemons.get(name)
    if daemon is None:
        return lines + comment(
            indent, f"No WSGIDaemonProcess {name} is in these files, so its options are missing."
        )
    lines += user_of(indent, daemon.get("user", ""), place) + numbers(indent, daemon)
    lines += times(indent, daemon)
    home = daemon.get("python-home") or environment_of(daemon.get("python-path", ""))
    if home:
        lines += set_env(indent, "virtualenv", home)
    path = python_path(daemon)
    if path:
        lines += set_env(indent, "directory", path)
    if "lang" in daemon:
        lines += set_env(indent, "environ.LANG", daemon["lang"])
    if "python-eggs" in daemon:
        lines += set_env(indent, "environ.PYTHON_EGG_CACHE", daemon["python-eggs"])
    return lines


def user_of(indent: str, user: str, place: Place) -> str:
    if user.startswith("#"):
        return comment(indent, f"user={user}: mod_wsgi.user must be a name, not a number.")
    if user and place.htaccess:
        return comment(indent, f"user={user}: this file's owner is the user here.")
    return set_env(indent, "user", user) if user else ""


def numbers(indent: str, daemon: dict[str, str]) -> str:
    """A daemon has one process and fifteen threads by default, ours has others."""
    lines = ""
    for name, default in (("processes", "1"), ("threads", "15")):
        value = daemon.get(name, default)
        if value.isdigit() and int(value) > MOST:
            lines += comment(indent, f"{name}={value}: {MOST} is the most here.")
            value = str(MOST)
        lines += set_env(indent, name, "1" if value == "0" else value)
    return lines


def times(indent: str, daemon: dict[str, str]) -> str:
    """0 is no bound there. What is not written keeps the default here."""
    lines = ""
    for option, name in _SECONDS:
        value = daemon.get(option, "")
        if value.isdecimal() and int(value) > MOST_SECONDS:
            lines += comment(indent, f"{option}={value}: {MOST_SECONDS} is the most here.")
            value = str(MOST_SECONDS)
        elif value.isdecimal() and int(value) == 0:
            value = "off"
        lines += set_env(indent, name, value) if value else ""
    return lines


def environment_of(path: str) -> str:
    """The virtual environment whose site-packages are in a path."""
    found = [match for part in path.split(":") if (match := _SITE_PACKAGES.fullmatch(part))]
    return found[0][1] if found else ""


def python_path(daemon: dict[str, str]) -> str:
    path = [each for each in daemon.get("python-path", "").split(":") if each]
    path = [each for each in path if not _SITE_PACKAGES.fullmatch(each)]
    home = daemon.get("home")
    return ":".join(dict.fromkeys(([home] if home else []) + path))


def daemon_process(item: Directive, _: Place) -> str:
    name, *rest = item.words or [""]
    remarks = [f"The lines of WSGIProcessGroup {name} say this by variables."]
    given = options(rest)
    if given.get("user"):
        remarks.append(
            f"user={given['user']}: MOD_WSGI_USERS in the server's environment must allow the "
            "user. It does for users whose number is 1000 or more."
        )
    if "home" in given:
        remarks.append("home=: a process begins in its user's home. Write absolute paths.")
    others = [option for option in given if option not in _TAKEN]
    remarks += [f"{option}=: {OPTIONS.get(option, OTHER_OPTION)}." for option in others]
    return was(item, *remarks)


def python_home(item: Directive, _: Place) -> str:
    home = item.words[0] if item.words else ""
    if ":" in home:
        return was(
            item,
            "This is a whole Python. Set MOD_WSGI_PYTHON_HOME in the server's environment.",
        )
    if not home.startswith("/"):
        return was(item, "Write an absolute path: SetEnv mod_wsgi.virtualenv PATH.")
    return comment(
        item.indent,
        "If this is a whole Python and no virtual environment, set MOD_WSGI_PYTHON_HOME in the "
        "server's environment instead.",
    ) + set_env(item.indent, "virtualenv", home)


def python_search_path(item: Directive, _: Place) -> str:
    given = {"python-path": ":".join(item.words)}
    lines = ""
    if environment_of(given["python-path"]):
        lines += set_env(item.indent, "virtualenv", environment_of(given["python-path"]))
    if python_path(given):
        lines += set_env(item.indent, "directory", python_path(given))
    return lines


def python_eggs(item: Directive, _: Place) -> str:
    return set_env(item.indent, "environ.PYTHON_EGG_CACHE", "".join(item.words[:1]))


def callable_object(item: Directive, place: Place) -> str:
    name = item.words[0] if item.words else ""
    if name == "application":
        return was(item, "This is the name that is looked for.")
    if place.in_section:
        return was(
            item,
            "A mount of a file here names it. For a file that an Alias leads to, write "
            f"`application = {name}` at the file's end. "
            f"Or name the module: SetEnv mod_wsgi.application MODULE::{name}.",
        )
    return was(item, "Each mount in this place names the callable.")


def chunked(item: Directive, _: Place) -> str:
    if not is_on(item):
        return was(item, "A body in chunks is accepted here. Off answered it with 411.")
    return was(
        item,
        "This is always so here. For an application that reads no more than CONTENT_LENGTH, add "
        "SetEnv mod_wsgi.buffer_body on.",
    )


def own_lock(item: Directive, _: Place) -> str:
    return set_env(item.indent, "gil", "own" if is_on(item) else "shared")


def remark(item: Directive, _: Place) -> str:
    known = {name.lower(): text for name, text in REMARKS.items()}
    text = known.get(item.lower, "This directive is not known, and was left out.")
    return was(item, text)


# Mounts


@dataclass(frozen=True, kw_only=True)
class Mount:
    """What a WSGIScriptAlias says."""

    url: str
    target: str
    matches: bool
    options: dict[str, str]
    indent: str

    @property
    def at_root(self) -> bool:
        return self.url in ({"/", "^/"} if self.matches else {"/"})

    @property
    def is_folder(self) -> bool:
        if self.matches or self.target.endswith((".wsgi", ".py")):
            return False
        return self.target.endswith("/") or Path(self.target).is_dir()


def mount(item: Directive, place: Place) -> str:
    url, target, *rest = [*item.words, "", ""]
    if not target:
        return was(item, "A URL and a file are expected.")
    matches = item.lower.endswith("match")
    one = Mount(
        url=url,
        target=_file(target),
        matches=matches,
        options=options(word for word in rest if word),
        indent=item.indent,
    )
    lines = alias(one) + handled(one, place)
    if not place.scope.moves:
        return reloading(one.indent, place) + copies(one, place) + lines
    wrapped = lines
    for section in reversed(place.wrappers):
        end = section.end.text if section.end else f"</{section.begin.name}>\n"
        wrapped = section.begin.text + wrapped + end
    place.scope.moved.append(reloading(one.indent, place) + copies(one, place) + wrapped)
    return was(item, "It is at the end of this part, since each Alias comes first.")


def _file(target: str) -> str:
    """`site.wsgi/` without the slash at its end, which means nothing for a file."""
    bare = target.rstrip("/")
    return bare if bare.endswith((".wsgi", ".py")) or Path(bare).is_file() else target


def alias(one: Mount) -> str:
    indent, target = one.indent, one.target.rstrip("/") if one.at_root else one.target
    if one.at_root and one.is_folder:
        return f"{indent}AliasMatch {quoted('^/(.*)$')} {quoted(target + '/$1')}\n"
    if one.at_root:
        return f'{indent}AliasMatch "^(/.*)$" {_pattern(target + "$1")}\n'
    if not one.matches:
        return f"{indent}Alias {quoted(one.url)} {quoted(target)}\n"
    if one.url.endswith("$") and not one.url.endswith("\\$"):
        return f"{indent}AliasMatch {_pattern(one.url)} {_pattern(target)}\n"
    rest = groups(one.url) + 1
    return f"{indent}AliasMatch {_pattern(one.url + '(.*)$')} {_pattern(f'{target}${rest}')}\n"


def _pattern(text: str) -> str:
    """An expression in quotes. Apache takes a backslash there as it is, but before a quote."""
    return '"' + text.replace('"', '\\"') + '"'


def groups(expression: str) -> int:
    try:
        return re.compile(expression).groups
    except re.error:
        return len(re.findall(r"(?<!\\)\((?!\?)", expression))


def file_of(target: str) -> str:
    """The file in `site.wsgi/$1`, whose rest is of the URL."""
    parts = [*reversed(Path(target).parents), Path(target)]
    files = [part for part in parts if part.suffix in {".wsgi", ".py"} or part.is_file()]
    return str(files[0]) if files else target


def lines_of(text: str) -> list[str]:
    """The lines that Apache sees: only a newline ends one."""
    return text.rstrip("\n").split("\n")


def handled(one: Mount, place: Place) -> str:
    """The section that gives the file to the module. It swallows no other Alias."""
    settings = variables(one, place)
    known = (one.target, settings)
    if known in place.scope.mounted:
        return ""
    again = any(target == one.target for target, *_ in place.scope.mounted)
    place.scope.mounted.add(known)
    indent, lines = one.indent, "SetHandler mod_wsgi\n" + settings
    if again:
        within = "".join(f"{indent}    {line}\n" for line in lines_of(settings))
        return f"{indent}<Location {quoted(one.url)}>\n{within}{indent}</Location>\n"
    if one.is_folder:
        within = "".join(f"{indent}    {line}\n" for line in lines_of(lines))
        folder = quoted(one.target.rstrip("/"))
        return f"{indent}<Directory {folder}>\n{within}{indent}</Directory>\n"
    folder, _, name = re.sub(r"\$\d", "*", file_of(one.target)).rpartition("/")
    within = "".join(f"{indent}        {line}\n" for line in lines_of(lines))
    return (
        f"{indent}<Directory {quoted(folder or '/')}>\n{indent}    <Files {quoted(name)}>\n"
        f"{within}{indent}    </Files>\n{indent}</Directory>\n"
    )


def variables(one: Mount, place: Place) -> str:
    """The variables that this mount alone has, without indent."""
    lines = ""
    if "process-group" in one.options:
        lines += group("", one.options["process-group"], place)
    name = one.options.get("application-group", "")
    if name == "%{GLOBAL}":
        lines += interpreter("", "main_interpreter")
    elif name and name != "%{RESOURCE}":
        option = Directive(text=f"application-group={name}\n")
        lines += group_by_request(option, name, place) or set_env("", "interpreter", name)
    if "pass-authorization" in one.options:
        state = "on" if one.options["pass-authorization"].lower() == "on" else "off"
        lines += set_env("", "authorization", state)
    scope = place.scope
    called = one.options.get("callable-object") or callable_of(one, place.server)
    called = called or scope.callable or scope.base.callable
    if called not in {"", "application"}:
        lines += named(one, called, place)
    return lines


def callable_of(one: Mount, server: Server) -> str:
    """The name that a section of the file or of its folder gives the callable."""
    folder, _, name = one.target.rpartition("/")
    found = [
        (files != "*", len(where), called)
        for where, files, called in server.callables
        if f"{folder}/".startswith(f"{where.rstrip('/')}/") and fnmatchcase(name, files)
    ]
    return max(found)[2] if found else ""


def named(one: Mount, called: str, place: Place) -> str:
    """The module that the file is, where the callable has another name."""
    folder, _, name = one.target.rpartition("/")
    stem, dot, ending = name.rpartition(".")
    if one.matches or one.is_folder or ending != "py" or not dot or not _MODULE.fullmatch(stem):
        return comment("", f"Write `application = {called}` at the end of the file {one.target}.")
    chosen = one.options.get("process-group") or place.scope.group or place.scope.base.group
    path = python_path(place.server.daemons.get(chosen, {}))
    lines = set_env("", "application", f"{stem}::{called}")
    lines += set_env("", "script_name", one.url)
    return lines + set_env("", "directory", ":".join(part for part in (path, folder) if part))


def reloading(indent: str, place: Place) -> str:
    """Changed scripts are loaded by default there, and not here."""
    scope = place.scope
    known = (scope, scope.base)
    if any(each.reload_written or each.reloading for each in known):
        return ""
    if (scope.interpreter or scope.base.interpreter) == "%{GLOBAL}":
        return ""
    scope.reload_written = True
    return set_env(indent, "reload", "on")


def copies(one: Mount, place: Place) -> str:
    """The server's own aliases, which a virtual host's would come before."""
    scope = place.scope
    if scope is scope.base or scope.copied or not scope.base.aliases:
        return ""
    taken = [each for each in scope.base.aliases if shadows(one, each)]
    if not taken:
        return ""
    scope.copied = True
    note = "These aliases of the whole server come before those of a virtual host no more."
    lines = "".join(f"{one.indent}{each.text.strip()}\n" for each in taken)
    return comment(one.indent, note) + lines


def shadows(one: Mount, other: Directive) -> bool:
    if one.at_root or one.matches or other.lower.endswith("match"):
        return True
    url = other.words[0] if other.words else ""
    return url == one.url or url.startswith(one.url.rstrip("/") + "/")


# Handlers


def handler(item: Directive, place: Place) -> str | None:
    """SetHandler and AddHandler, if they name one of the other module's."""
    name = item.words[0].lower() if item.words else ""
    if name in HANDLERS:
        return executed(item, place)
    if name not in place.server.handlers:
        return None
    endings = "|".join(re.escape(word.lstrip(".")) for word in item.words[1:])
    said = was(item, f"The handler {name} was a script, which there is none of. It stays closed.")
    if item.lower == "addhandler" and endings:
        pattern = f"\\.({endings})(\\.|$)"
        inner = denial(item.indent + "    ", place.server.line)
        lines = f'{item.indent}<FilesMatch "{pattern}">\n{inner}{item.indent}</FilesMatch>\n'
        return said + lines
    place.closed.append(name)
    return said


def executed(item: Directive, place: Place) -> str:
    """The handler, only where Options has ExecCGI: the other module asks for that, ours does not.

    In an .htaccess file ours asks, too.
    """
    rest = item.arguments[len(item.arguments.split()[0]) :]
    line = f"{item.indent}{item.name} mod_wsgi{rest}\n"
    if place.htaccess or place.server.line != "2.4":
        return line
    here = folder_of(place.sections)
    may = any(executes(each) for section in place.sections for each in settings_of(section))
    if place.sections and not may and not place.server.may_execute(here, place.scope):
        place.closed.append(item.name)
        return was(item, "This was 403, since no Options with ExecCGI are here. It stays closed.")
    located = place.sections[-1] if place.sections else None
    if located and located.lower == "location" and item.lower == "sethandler":
        return in_location(item, located.begin, place) or line
    if place.sections and not (here and below_of(here, place.server.forbidding - {here})):
        return line
    endings = "|".join(re.escape(word.lstrip(".")) for word in item.words[1:])
    return comment(item.indent, _ASKS) + line + asking(item.indent, endings)


def in_location(item: Directive, begin: Directive, place: Place) -> str:
    """For a folder of scripts, since `<Location>` would be the place of one application."""
    url = "".join(begin.words[:1]).rstrip("/")
    aliases = [each.words for each in (*place.scope.aliases, *place.scope.base.aliases)]
    found = [each[1] for each in aliases if len(each) > 1 and each[0].rstrip("/") == url]
    if not found:
        return f"{item.indent}{item.name} mod_wsgi\n" + comment(
            item.indent, "If this leads to a folder, write the line into its <Directory> instead."
        )
    if not (found[0].endswith("/") or Path(found[0]).is_dir()):
        return ""
    indent, folder = begin.indent, quoted(found[0].rstrip("/"))
    place.behind.append(
        f"{indent}<Directory {folder}>\n{indent}    {item.name} mod_wsgi\n{indent}</Directory>\n"
    )
    return was(item, "It is in the folder's own section, behind this one.")


_ASKS = (
    "The other module ran these files only where Options has ExecCGI. So Require asks for a "
    "variable, which is set behind each such Options of these files."
)


def asking(indent: str, endings: str) -> str:
    """Denies files with these endings where MAY_EXECUTE is not set. Without endings, all files."""
    condition = f"%{{REQUEST_FILENAME}} =~ m#\\.({endings})(\\.|$)#" if endings else "true"
    return (
        f'{indent}<If "{condition}">\n{indent}    AuthMerging And\n'
        f"{indent}    Require env {MAY_EXECUTE}\n{indent}</If>\n"
    )


def executing(item: Directive, place: Place) -> str | None:
    """Options, which say whether programs may run."""
    if not place.server.asks:
        return None
    if executes(item):
        return f"{item.text}{item.indent}SetEnvIf Request_Method . {MAY_EXECUTE}\n"
    if forbids(item):
        return f"{item.text}{item.indent}SetEnvIf Request_Method . !{MAY_EXECUTE}\n"
    return None


def settings_of(section: Section) -> list[Directive]:
    return [item for item in directives_of(section.items) if item.lower == "options"]


# What was protected stays closed


def denial(indent: str, line: str) -> str:
    """Denies all, whatever sections that are merged later grant."""
    if line != "2.4":
        return (
            f"{indent}Order deny,allow\n{indent}Deny from all\n{indent}Satisfy all\n"
            f"{indent}<IfModule mod_rewrite.c>\n{indent}    RewriteEngine on\n"
            f"{indent}    RewriteRule .* - [F]\n{indent}</IfModule>\n"
        )
    return (
        f'{indent}<If "true">\n{indent}    Require all denied\n'
        f"{indent}    <IfModule mod_access_compat.c>\n{indent}        Order deny,allow\n"
        f"{indent}        Deny from all\n{indent}        Satisfy all\n"
        f"{indent}    </IfModule>\n{indent}</If>\n"
    )


def script_of_access(item: Directive, place: Place) -> str:
    place.closed.append(item.name)
    return was(
        item,
        "A script decided here who is let in. There are no such scripts here, so this is closed "
        "to everybody. Write AuthType and Require with one of Apache's own providers, then take "
        "the denial away.",
    )


def provider(item: Directive, place: Place) -> str | None:
    """AuthBasicProvider and AuthDigestProvider with the provider of the other module."""
    names = {word.lower() for word in item.words} & {"wsgi", *place.server.providers}
    if not names:
        return None
    place.closed.append(item.name)
    return was(item, f"The provider {min(names)} is a script of the other module.")


def requirement(item: Directive, place: Place) -> str | None:
    if not {word.lower() for word in item.words} & {"wsgi-group", *place.server.providers}:
        return None
    place.closed.append(item.name)
    return was(item, "The groups were those of a script.")


def group_authoritative(item: Directive, _: Place) -> str:
    return was(item, "It belongs to WSGIAuthGroupScript, which is not here.")


# Variables that choose


def chooser(item: Directive, place: Place) -> str | None:
    """A line that sets a variable which chooses the interpreter or the process."""
    lines = item.text
    for name in sorted(place.server.chosen):
        lines = _with(item, lines, name, lambda value: [("interpreter", value)])
    for name in sorted(place.server.pools):
        lines = _with(item, lines, name, lambda value: _pool(value, place))
    return None if lines == item.text else lines


def _pool(name: str, place: Place) -> list[tuple[str, str]]:
    """What the lines of the process set, or nothing if the name is not known before a request."""
    if name not in place.server.daemons:
        return []
    found = (words(line) for line in group("", name, place).splitlines())
    return [(each[1].removeprefix("mod_wsgi."), each[2]) for each in found if each[0] == "SetEnv"]


def _with(
    item: Directive, lines: str, name: str, also: Callable[[str], list[tuple[str, str]]]
) -> str:
    """The lines, where this variable is set, with those that belong to its value."""
    if item.lower == "setenv" and item.words[:1] == [name]:
        pairs = also("".join(item.words[1:2]))
        return lines + "".join(set_env(item.indent, *pair) for pair in pairs)
    if item.lower in {"setenvif", "setenvifnocase", "browsermatch", "browsermatchnocase"}:
        found = re.search(rf"(?<=\s){re.escape(name)}=(\S+)", lines)
        pairs = also(found[1]) if found else []
        more = "".join(f" mod_wsgi.{variable}={value}" for variable, value in pairs)
        return f"{lines.rstrip()}{more}\n" if more else lines
    found = re.search(rf"\b(?:E|env)={re.escape(name)}:([^,\]]*)", lines)
    if item.lower == "rewriterule" and found:
        more = "".join(f",E=mod_wsgi.{variable}:{value}" for variable, value in also(found[1]))
        return lines.replace(found[0], found[0] + more, 1)
    return lines


RULES: dict[str, Callable[[Directive, Place], str | None]] = {
    "wsgiaccessscript": script_of_access,
    "wsgiapplicationgroup": application_group,
    "wsgiauthgroupscript": script_of_access,
    "wsgiauthuserscript": script_of_access,
    "wsgicallableobject": callable_object,
    "wsgichunkedrequest": chunked,
    "wsgidaemonprocess": daemon_process,
    "wsgierroroverride": switch("error_pages"),
    "wsgigroupauthoritative": group_authoritative,
    "wsgihandlerscript": lambda item, _: was(
        item,
        "It made a handler of a script. There is none here: what had that handler is closed. Make "
        "an application of the script, and let SetHandler mod_wsgi and mod_wsgi.application name "
        "it.",
    ),
    "wsgipassauthorization": switch("authorization"),
    "wsgiperinterpretergil": own_lock,
    "wsgiprocessgroup": process_group,
    "wsgipythoneggs": python_eggs,
    "wsgipythonhome": python_home,
    "wsgipythonpath": python_search_path,
    "wsgiscriptalias": mount,
    "wsgiscriptaliasmatch": mount,
    "wsgiscriptreloading": switch("reload"),
    "wsgislowrequests": slow_requests,
    **{name.lower(): remark for name in REMARKS},
    "options": executing,
    "sethandler": handler,
    "addhandler": handler,
    "authbasicprovider": provider,
    "authdigestprovider": provider,
    "require": requirement,
    **dict.fromkeys(
        (
            *("setenv", "setenvif", "setenvifnocase", "browsermatch", "browsermatchnocase"),
            "rewriterule",
        ),
        chooser,
    ),
}

# Lines that could open again what a script has protected.
OPENING = ("require", "allow", "satisfy", "order", "authmerging")
