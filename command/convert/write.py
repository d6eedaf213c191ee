"""Writes converted files: each item in its place, and what a section needs at its end."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from . import mod_python
from .parse import Directive, Item, Section
from .remarks import SECTIONS
from .rules import OPENING, RULES, Place, comment, denial, remark, was
from .scopes import (
    INCLUDES,
    LIMITS,
    SCOPES,
    WRAPPERS,
    Scope,
    Server,
    directives_of,
    is_htaccess,
    is_provider,
)

_ACCESS = re.compile(r"wsgi(access|authuser|authgroup)script", re.IGNORECASE)
_PROVIDERS = ("authbasicprovider", "authdigestprovider")


class Writer:
    """Converts the files of one server. Of a file, the text for its first place is kept."""

    def __init__(self, server: Server) -> None:
        """For files that the server has read."""
        self.server = server
        self.texts: dict[Path, str] = {}

    def convert(self, path: Path) -> None:
        """Converts a file that the caller has named."""
        if path not in self.texts:
            place = Place(server=self.server, scope=self.server.scope, htaccess=is_htaccess(path))
            self._file(path, place)
            self.texts[path] += self._moved(self.server.scope) + self._closing("", place)

    def _file(self, path: Path, place: Place) -> None:
        """Does it again for each place, since what is moved or closed belongs to the place."""
        self.texts.setdefault(path, "")
        text = self._items(self.server.files[path], place)
        self.texts[path] = self.texts[path] or text

    def _items(self, items: Sequence[Item], place: Place) -> str:
        return "".join(
            self._section(item, place)
            if isinstance(item, Section)
            else self._directive(item, place)
            for item in items
        )

    def _section(self, section: Section, place: Place) -> str:
        begin, indent = section.begin, section.begin.indent
        behind: list[str] = []
        if section.lower.startswith("wsgi") or is_provider(section):
            return self._comment(section, place)
        if section.lower in SCOPES:
            scope = self.server.scopes[id(section)]
            inner = replace(place, scope=scope, sections=(), wrappers=(), closed=[])
            body = self._items(section.items, inner) + self._moved(scope)
            body += self._closing(indent + "    ", inner)
        elif section.lower in WRAPPERS:
            body = self._items(section.items, replace(place, wrappers=(*place.wrappers, section)))
        elif section.lower in LIMITS:
            body = self._items(section.items, replace(place, sections=(*place.sections, section)))
        else:
            known = mod_python.application(section) or place.mod_python
            sections = (*place.sections, section)
            inner = replace(place, sections=sections, closed=[], behind=[], mod_python=known)
            behind = inner.behind
            body = self._items(section.items, inner)
            if inner.closed:
                body += denial(indent + "    ", self.server.line)
        return begin.text + body + (section.end.text if section.end else "") + "".join(behind)

    def _comment(self, section: Section, place: Place) -> str:
        """A section that Apache does not know any more, with what is in it, converted."""
        inner = replace(place, sections=(*place.sections, section), closed=[])
        text = section.begin.text + self._items(section.items, inner)
        text += section.end.text if section.end else ""
        lines = (
            line if line.lstrip().startswith("#") else f"# {line}" for line in text.splitlines()
        )
        known = {name.lower(): remark for name, remark in SECTIONS.items()}
        said = known.get(section.lower, "This section is not known, and was left out.")
        return "".join(f"{line}\n" for line in lines) + comment(section.begin.indent, said)

    def _directive(self, item: Directive, place: Place) -> str:
        if item.lower in INCLUDES:
            for path in self.server.included(item):
                self._file(path, place)
            return item.text
        if item.lower in OPENING and is_closed(place):
            return was(item, "It is left out, since this is closed.")
        converted = mod_python.line(item, place.mod_python) if place.mod_python else None
        rule = RULES.get(item.lower)
        if converted is None and rule:
            converted = rule(item, place)
        elif converted is None and item.lower.startswith("wsgi"):
            converted = remark(item, place)
        return item.text if converted is None else converted

    def _moved(self, scope: Scope) -> str:
        moved, scope.moved = scope.moved, []
        return "".join(moved)

    def _closing(self, indent: str, place: Place) -> str:
        """What closes a whole virtual host, server or .htaccess file."""
        if not place.closed:
            return ""
        if place.htaccess:
            return denial(indent, self.server.line)
        inner = denial(indent + "    ", self.server.line)
        return f'{indent}<Location "/">\n{inner}{indent}</Location>\n'


def is_closed(place: Place) -> bool:
    """Whether a section around this has a script of access."""
    return any(
        _closes(item, place.server)
        for section in place.sections
        for item in directives_of(section.items)
    )


def _closes(item: Directive, server: Server) -> bool:
    if item.lower in _PROVIDERS:
        return bool({word.lower() for word in item.words} & {"wsgi", *server.providers})
    return bool(_ACCESS.fullmatch(item.name))
