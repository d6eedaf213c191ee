"""What has to be known of a whole configuration before one line of it can be converted."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .parse import Directive, Item, Section, parse, read, words

INCLUDES = ("include", "includeoptional", "accessconfig", "resourceconfig")
ALIASES = ("alias", "aliasmatch", "scriptalias", "scriptaliasmatch")
MOUNTS = ("wsgiscriptalias", "wsgiscriptaliasmatch")

_VARIABLE = re.compile(r"%\{ENV:([^}]+)\}", re.IGNORECASE)

# Sections that have their own aliases, and those that only hold lines of the scope around them.
SCOPES = ("virtualhost", "macro")
# Within a section, these only say for which requests their lines are.
LIMITS = ("limit", "limitexcept", "requireall", "requireany", "requirenone")
WRAPPERS = ("ifmodule", "ifdefine", "ifversion", "iffile", "ifdirective", "ifsection", "else")


@dataclass(kw_only=True, eq=False)
class Scope:
    """The server, a virtual host or a macro: where aliases and settings belong to."""

    kind: str
    outer: "Scope | None" = None
    server_name: str = ""
    callable: str = ""
    interpreter: str = ""
    group: str = ""
    reloading: bool = False
    executes: bool = False
    aliases: list[Directive] = field(default_factory=list)
    first_mount: int = 0
    last_alias: int = 0
    forced: bool = False
    # What is written while the scope is converted.
    reload_written: bool = False
    copied: bool = False
    mounted: set[tuple[str, ...]] = field(default_factory=set)
    moved: list[str] = field(default_factory=list)

    @property
    def moves(self) -> bool:
        """Whether mounts must be written at the end, behind an Alias that comes later."""
        return self.forced or 0 < self.first_mount < self.last_alias

    @property
    def base(self) -> "Scope":
        """The server's own scope."""
        return self.outer.base if self.outer else self


@dataclass(kw_only=True)
class Server:
    """The files of one configuration, and what all of them say together."""

    root: Path
    line: str = "2.4"
    files: dict[Path, list[Item]] = field(default_factory=dict)
    daemons: dict[str, dict[str, str]] = field(default_factory=dict)
    handlers: set[str] = field(default_factory=set)
    # Variables that choose an interpreter, and those that choose a process.
    chosen: set[str] = field(default_factory=set)
    pools: set[str] = field(default_factory=set)
    # Providers of authentication or authorization that have another name, but are scripts.
    providers: set[str] = field(default_factory=set)
    # WSGICallableObject in sections: the folder, the pattern of the file, the name.
    callables: list[tuple[str, str, str]] = field(default_factory=list)
    # Folders where Options has ExecCGI, those where it takes it away, and those with a handler of
    # the other module. "" stands for sections that are no folders and, for a handler, for none.
    executing: set[str] = field(default_factory=set)
    forbidding: set[str] = field(default_factory=set)
    handled: set[str] = field(default_factory=set)
    scopes: dict[int, Scope] = field(default_factory=dict)
    scope: Scope = field(default_factory=lambda: Scope(kind="server"))
    users: dict[Path, list[Scope]] = field(default_factory=dict)
    count: int = 0
    # Whether the file that is read is a customer's.
    htaccess: bool = False

    @property
    def asks(self) -> bool:
        """Whether converted handlers ask for ExecCGI: where it may be off below them."""
        below = (below_of(folder, self.forbidding) for folder in self.handled)
        return self.line == "2.4" and ("" in self.handled or any(below))

    def may_execute(self, folder: str, scope: Scope) -> bool:
        """Whether Options of a folder, or of what is around it, have ExecCGI. "" is no folder."""
        if self.line != "2.4" or scope.executes or scope.base.executes:
            return True
        if not folder:
            return bool(self.executing)
        return any(below_of(each, {folder}) for each in self.executing if each)

    def add(self, path: Path) -> None:
        """Reads a file that the caller has named, and those that it includes."""
        if path not in self.files:
            self.htaccess = is_htaccess(path)
            self._file(path, self.scope)
            self._agree()

    def add_text(self, text: str) -> None:
        """Reads what comes from standard input."""
        self.files[Path("-")] = parse(text)
        self._items(self.files[Path("-")], self.scope, ())

    def included(self, directive: Directive) -> list[Path]:
        """The files that Include names: one, those of a folder, or those that a pattern fits."""
        return [path for word in directive.words for path in self._matching(word)]

    def absolute(self, name: str) -> Path:
        """The path that a relative one means to Apache."""
        return Path(name) if name.startswith("/") else self.root / name

    def _matching(self, word: str) -> Iterator[Path]:
        if "${" in word:
            return
        for path in sorted(Path("/").glob(str(self.absolute(word)).lstrip("/"))):
            if path.is_dir():
                yield from sorted(each for each in path.rglob("*") if each.is_file())
            elif path.is_file():
                yield path

    def _file(self, path: Path, scope: Scope, sections: tuple[Section, ...] = ()) -> None:
        if path not in self.files:
            self.files[path] = read(path)
        self.users.setdefault(path, []).append(scope)
        self._items(self.files[path], scope, sections)

    def _agree(self) -> None:
        """If a file is included in several scopes, its mounts move in all of them or in none."""
        shared = [scopes for scopes in self.users.values() if len(scopes) > 1]
        for _ in shared:
            for scopes in shared:
                if any(scope.moves for scope in scopes):
                    for scope in scopes:
                        scope.forced = True

    def _items(self, items: Sequence[Item], scope: Scope, sections: tuple[Section, ...]) -> None:
        for item in items:
            self.count += 1
            if isinstance(item, Section):
                self._section(item, scope, sections)
            else:
                self._directive(item, scope, sections)

    def _section(self, section: Section, scope: Scope, sections: tuple[Section, ...]) -> None:
        if section.lower in SCOPES:
            own = self.scopes.setdefault(id(section), Scope(kind=section.lower, outer=scope))
            self._items(section.items, own, ())
            return
        if is_provider(section):
            self.providers.add(section.begin.words[1].lower())
        within = sections if section.lower in WRAPPERS else (*sections, section)
        self._items(section.items, scope, within)

    def _directive(self, item: Directive, scope: Scope, sections: tuple[Section, ...]) -> None:
        if item.lower in INCLUDES:
            for path in self.included(item):
                self._file(path, scope, sections)
        elif item.lower == "wsgidaemonprocess":
            found = item.words
            self.daemons[found[0] if found else ""] = options(found[1:])
        elif item.lower == "wsgihandlerscript" and item.words:
            self.handlers.add(item.words[0].lower())
        elif item.lower == "serverroot" and item.words:
            self.root = Path(item.words[0])
        elif not self.htaccess:
            self._programs(item, scope, sections)
        self._chosen(item)
        if not sections:
            self._of_scope(item, scope)
        elif item.lower == "wsgicallableobject" and item.words and folder_of(sections):
            files = [each.begin.words[0] for each in sections if each.lower == "files"]
            self.callables.append((folder_of(sections), "".join(files) or "*", item.words[0]))

    def _programs(self, item: Directive, scope: Scope, sections: tuple[Section, ...]) -> None:
        folder = folder_of(sections)
        if item.lower in {"addhandler", "sethandler"} and item.words[:1] == ["wsgi-script"]:
            self.handled.add((folder or "?") if sections else "")
        elif item.lower != "options":
            return
        elif not executes(item):
            self.forbidding |= {folder} if folder and forbids(item) else set()
        elif sections:
            self.executing.add(folder)
        else:
            scope.executes = True

    def _chosen(self, item: Directive) -> None:
        group, process = item.arguments, ""
        if item.lower in MOUNTS:
            given = options(item.words[2:])
            group, process = given.get("application-group", ""), given.get("process-group", "")
        elif item.lower == "wsgiprocessgroup":
            group, process = "", item.arguments
        elif item.lower != "wsgiapplicationgroup":
            return
        self.chosen |= set(_VARIABLE.findall(group))
        self.pools |= set(_VARIABLE.findall(process))

    def _of_scope(self, item: Directive, scope: Scope) -> None:
        first = item.words[0] if item.words else ""
        if item.lower == "servername":
            scope.server_name = first
        elif item.lower == "wsgicallableobject":
            scope.callable = first
        elif item.lower == "wsgiapplicationgroup":
            scope.interpreter = first
        elif item.lower == "wsgiprocessgroup":
            scope.group = first
        elif item.lower == "wsgiscriptreloading":
            scope.reloading = True
        elif item.lower in ALIASES:
            scope.aliases.append(item)
            scope.last_alias = self.count
        elif item.lower in MOUNTS and not scope.first_mount:
            scope.first_mount = self.count


def folder_of(sections: Sequence[Section]) -> str:
    """The folder of the innermost `<Directory>`, or nothing."""
    folders = [section.begin.words for section in sections if section.lower == "directory"]
    return folders[-1][0].rstrip("/") or "/" if folders and folders[-1] else ""


def is_provider(section: Section) -> bool:
    """Whether it gives a script of the other module the name of a provider."""
    kinds = {"authnprovideralias": "wsgi", "authzprovideralias": "wsgi-group"}
    kind = kinds.get(section.lower)
    found = section.begin.words
    return kind is not None and len(found) > 1 and found[0].lower() == kind


def executes(item: Directive) -> bool:
    """Whether these Options allow programs."""
    return any(word.lower().lstrip("+") in {"execcgi", "all"} for word in item.words)


def forbids(item: Directive) -> bool:
    """Whether these Options take away what was allowed around them."""
    found = [word.lower() for word in item.words]
    return "-execcgi" in found or not all(word[:1] in {"+", "-"} for word in found)


def below_of(folder: str, others: Iterable[str]) -> bool:
    """Whether one of the others may be this folder, or below it. Patterns are cut."""
    bare = [re.split(r"[*?[]", each)[0].rstrip("/") + "/" for each in (folder, *others)]
    return any(each.startswith(bare[0]) for each in bare[1:])


def is_htaccess(path: Path) -> bool:
    return path.name.startswith(".ht")


def directives_of(items: Sequence[Item]) -> list[Directive]:
    """Those of a section, also within `<IfModule>`, `<Limit>` and the like."""
    found: list[Directive] = []
    for item in items:
        if isinstance(item, Directive):
            found.append(item)
        elif item.lower in (*WRAPPERS, *LIMITS):
            found += directives_of(item.items)
    return found


def options(found: Iterable[str]) -> dict[str, str]:
    """`processes=2 'lang=en US'` as names and values, which may have quotes of their own."""
    pairs = (word.partition("=") for word in found)
    return {name.lower(): (words(value) or [""])[0] for name, _, value in pairs}
