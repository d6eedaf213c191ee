"""Reads a server's configuration with all that it includes, as far as the server heeds it.

Sections that only ask a question (<IfModule>, <IfDefine>) are answered here.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..convert import parse
from ..convert.parse import Directive, Item, Section

DEEPEST = 20
INCLUDES = ("include", "includeoptional")
_NAME = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One directive that counts, and where it stands."""

    name: str
    words: tuple[str, ...]
    file: Path
    number: int
    sections: tuple["Opened", ...] = ()

    @property
    def where(self) -> str:
        return f"{self.file}:{self.number}: "

    @property
    def host(self) -> "Opened | None":
        """The virtual host that it is in."""
        return next((each for each in self.sections if each.name == "virtualhost"), None)

    @property
    def place(self) -> "Opened | None":
        """The innermost <Location> or <Directory> that it is in."""
        fit = [each for each in self.sections if each.name in PLACES]
        return fit[-1] if fit else None


PLACES = ("location", "locationmatch", "directory", "directorymatch")


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A section, as its first line opens it."""

    name: str
    words: tuple[str, ...]
    file: Path
    number: int

    @property
    def is_pattern(self) -> bool:
        """Whether a regular expression says what the section is about."""
        return self.name.endswith("match") or self.words[:1] == ("~",)

    @property
    def path(self) -> str:
        return self.words[-1] if self.words else ""

    def covers(self, path: str) -> bool:
        """Whether the section is about this URL or this directory."""
        if self.is_pattern:
            try:
                return re.search(self.path, path) is not None
            except re.error:
                return False
        if re.search(r"[*?\[]", self.path):
            return re.fullmatch(_glob(self.path), path.rstrip("/")) is not None
        whole = self.path.rstrip("/")
        return path.rstrip("/") == whole or path.startswith(f"{whole}/")


def _glob(pattern: str) -> str:
    """Wildcards of Apache: they do not match a slash."""
    escaped = re.escape(pattern.rstrip("/"))
    return escaped.replace(r"\*", "[^/]*").replace(r"\?", "[^/]") + "(?:/.*)?"


@dataclass(kw_only=True)
class Reader:
    """Collects lines. loaded has the modules as <IfModule> may call them."""

    root: Path
    environment: Mapping[str, str]
    loaded: set[str]
    defined: dict[str, str] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    macros: dict[str, tuple[tuple[str, ...], str]] = field(default_factory=dict)

    def read(self, path: Path, sections: tuple[Opened, ...] = (), depth: int = 0) -> None:
        """Reads a file. One that cannot be read is none: the server's own check names it."""
        try:
            items = parse.read(path)
        except OSError:
            return
        if path not in self.files:
            self.files.append(path)
        self.walk(items, path, 1, sections, depth)

    def walk(
        self,
        items: Sequence[Item],
        file: Path,
        number: int,
        sections: tuple[Opened, ...],
        depth: int,
    ) -> int:
        """Takes the items that begin at this line. Returns the line behind them."""
        for item in items:
            if isinstance(item, Directive):
                if item.name:
                    self.take(item, file, number, sections, depth)
                number += item.text.count("\n")
                continue
            inside = number + item.begin.text.count("\n")
            after = inside + _height(item.items)
            self.enter(item, file, number, sections, depth)
            number = after + (item.end.text.count("\n") if item.end else 0)
        return number

    def enter(
        self, section: Section, file: Path, number: int, sections: tuple[Opened, ...], depth: int
    ) -> None:
        inside = number + section.begin.text.count("\n")
        name, words = section.lower, tuple(map(self.known, section.begin.words))
        if name == "macro":
            self.macros[words[0].lower() if words else ""] = (words[1:], _text(section.items))
            return
        if name.startswith("if") and not self.holds(name, words):
            return
        if not name.startswith("if"):
            opened = Opened(name=name, words=words, file=file, number=number)
            sections = (*sections, opened)
        self.walk(section.items, file, inside, sections, depth)

    def take(
        self, item: Directive, file: Path, number: int, sections: tuple[Opened, ...], depth: int
    ) -> None:
        words = tuple(map(self.known, item.words))
        if item.lower in INCLUDES and depth < DEEPEST:
            for path in self.included(words):
                self.read(path, sections, depth + 1)
            return
        if item.lower == "use" and words[:1] and words[0].lower() in self.macros:
            names, text = self.macros[words[0].lower()]
            for name, value in sorted(zip(names, words[1:], strict=False), reverse=True):
                text = text.replace(name, value)
            if depth < DEEPEST:
                # Each line of a macro counts as standing where the macro is used.
                inner = Reader(
                    root=self.root,
                    environment=self.environment,
                    loaded=self.loaded,
                    defined=self.defined,
                    macros=self.macros,
                )
                inner.walk(parse.parse(text), file, number, sections, depth + 1)
                self.lines += inner.lines
            return
        if item.lower == "define" and words:
            self.defined[words[0]] = words[1] if words[1:] else ""
        elif item.lower == "undefine" and words:
            self.defined.pop(words[0], None)
        elif item.lower == "serverroot" and words:
            self.root = Path(words[0])
        elif item.lower == "loadmodule" and words[1:]:
            self.loaded |= {words[0], f"{Path(words[1]).stem}.c"}
        self.lines.append(
            Line(name=item.lower, words=words, file=file, number=number, sections=sections)
        )

    def known(self, word: str) -> str:
        """The word with each ${NAME} that Define or the environment has."""
        return _NAME.sub(
            lambda match: self.defined.get(match[1], self.environment.get(match[1], match[0])),
            word,
        )

    def holds(self, name: str, words: Sequence[str]) -> bool:
        """The answer of <IfModule>, <IfDefine> and <IfFile>. Others are taken to be true."""
        if not words:
            return True
        wanted = words[0].removeprefix("!")
        if name == "ifmodule":
            true = wanted in self.loaded
        elif name == "ifdefine":
            true = wanted in self.defined
        elif name == "iffile":
            true = self.absolute(wanted).exists()
        else:
            return True
        return true != words[0].startswith("!")

    def included(self, words: Sequence[str]) -> Iterator[Path]:
        for word in words:
            pattern = self.absolute(word)
            top = Path(pattern.anchor)
            for path in sorted(top.glob(str(pattern.relative_to(top)))):
                if path.is_dir():
                    yield from sorted(each for each in path.rglob("*") if each.is_file())
                else:
                    yield path

    def absolute(self, word: str) -> Path:
        return self.root / word


def _height(items: Sequence[Item]) -> int:
    return _text(items).count("\n")


def _text(items: Sequence[Item]) -> str:
    return "".join(
        item.text
        if isinstance(item, Directive)
        else item.begin.text + _text(item.items) + (item.end.text if item.end else "")
        for item in items
    )
