"""Reads Apache's configuration as Apache does: lines, continued lines, words in quotes, sections.

Everything keeps the text that it stood as, so that what is not converted is written unchanged.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_WORD = re.compile(r'"(?:\\.|[^"\\])*"?|\'(?:\\.|[^\'\\])*\'?|\S+')
_OPEN = re.compile(r"<([A-Za-z][A-Za-z0-9_]*)\s*(.*?)\s*>?\s*$", re.DOTALL)
_CLOSE = re.compile(r"</([A-Za-z][A-Za-z0-9_]*)\s*>")


@dataclass(kw_only=True)
class Directive:
    """One directive, comment or empty line, with the lines that it stands in."""

    text: str
    name: str = ""
    arguments: str = ""

    @property
    def indent(self) -> str:
        return self.text[: len(self.text) - len(self.text.lstrip())].strip("\n")

    @property
    def words(self) -> list[str]:
        return words(self.arguments)

    @property
    def lower(self) -> str:
        return self.name.lower()


@dataclass(kw_only=True)
class Section:
    """`<Name arguments>`, what is in it, and its end. The end of a section may be missing."""

    begin: Directive
    items: list["Directive | Section"] = field(default_factory=list)
    end: Directive | None = None

    @property
    def lower(self) -> str:
        return self.begin.lower


Item = Directive | Section


def words(text: str) -> list[str]:
    """The arguments of a directive, without their quotes."""
    return [_unquoted(match[0]) for match in _WORD.finditer(text)]


def quoted(word: str) -> str:
    """A word as a directive takes it: with quotes, and a backslash where it needs one."""
    if word and not re.search(r"[\s\"'\\<>#]", word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def parse(text: str) -> list[Item]:
    """The items of a file. An end that has no beginning is kept as a plain directive."""
    top: list[Item] = []
    sections: list[Section] = []
    for line in _logical_lines(text):
        here = sections[-1].items if sections else top
        bare = line.lstrip()
        closing = _CLOSE.match(bare)
        if closing and sections and closing[1].lower() == sections[-1].lower:
            sections.pop().end = Directive(text=line)
        elif bare.startswith("<") and not closing:
            section = Section(begin=_opened(line))
            here.append(section)
            sections.append(section)
        else:
            here.append(_directive(line))
    return top


def read(path: Path) -> list[Item]:
    """The items of this file. Bytes that are no UTF-8 are kept as they are."""
    text = path.read_bytes().decode("utf-8", errors="surrogateescape")
    return parse(text.replace("\r\n", "\n"))


def _logical_lines(text: str) -> Iterator[str]:
    """Lines with those that continue them, each with its newline.

    Nothing but a newline ends a line of Apache's: what else Python takes for an end stays inside,
    since the rest of a comment must not become a directive.
    """
    waiting = ""
    for line in re.findall(r"[^\n]*\n|[^\n]+", text):
        waiting += line if line.endswith("\n") else line + "\n"
        if re.search(r"\\\r?\n$", line):
            continue
        yield waiting
        waiting = ""
    if waiting:
        yield waiting


def _joined(line: str) -> str:
    return re.sub(r"\\\r?\n", "", line).strip()


def _opened(line: str) -> Directive:
    match = _OPEN.match(_joined(line))
    if match is None:
        return Directive(text=line)
    return Directive(text=line, name=match[1], arguments=match[2])


def _directive(line: str) -> Directive:
    joined = _joined(line)
    if not joined or joined.startswith("#"):
        return Directive(text=line)
    name, _, arguments = joined.replace("\t", " ").partition(" ")
    return Directive(text=line, name=name, arguments=arguments.strip())


def _unquoted(word: str) -> str:
    quote = word[:1]
    if quote not in {'"', "'"}:
        return word
    inside = word[1:-1] if word.endswith(quote) and len(word) > 1 else word[1:]
    return inside.replace("\\\\", "\\").replace("\\" + quote, quote)
