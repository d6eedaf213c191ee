"""Reads the tables of matrix.toml key by key. A mistake is one line with the key's whole name."""

from dataclasses import dataclass
from typing import Any, TypeVar

from command import Problem

T = TypeVar("T")

_KINDS: dict[type, str] = {
    str: "string",
    int: "number",
    list: "list",
    dict: "table",
    bool: "boolean",
}


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of the file with its whole name for messages. rest has the keys not read yet."""

    name: str
    rest: dict[str, Any]

    def take(self, key: str, kind: type[T], default: T | None = None) -> T:
        """The value of a key, which must exist unless it has a default."""
        if key not in self.rest:
            if default is None:
                raise Problem(f"{self.name}.{key} is missing: docs/matrix.md says what it means")
            return default
        value = self.rest.pop(key)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise Problem(f"{self.name}.{key} is not a {_KINDS[kind]}: {value!r}")
        return value

    def number(self, key: str) -> int:
        """A number from 1 on."""
        number = self.take(key, int)
        if number < 1:
            raise Problem(f"{self.name}.{key} must be 1 or more: {number}")
        return number

    def maybe(self, key: str) -> str | None:
        return self.take(key, str) if key in self.rest else None

    def words(self, key: str, default: list[str] | None = None) -> tuple[str, ...]:
        """A list of strings. It must exist and not be empty unless it has a default."""
        words = self.take(key, list, default)
        if not all(isinstance(word, str) for word in words) or (default is None and not words):
            raise Problem(f"{self.name}.{key} is not a list of strings: {words!r}")
        return tuple(words)

    def set(self, key: str, default: list[str] | None = None) -> tuple[str, ...]:
        """A list of strings that are all different, since each makes cells."""
        words = self.words(key, default)
        for word in words:
            if words.count(word) > 1:
                raise Problem(f"{self.name}.{key} has {word!r} more than once")
        return words

    def tables(self, key: str) -> "list[Table]":
        """The tables of a list of tables."""
        entries = self.take(key, list, [])
        return [table_of(f"{self.name}.{key}[{at}]", each) for at, each in enumerate(entries)]

    def named(self, key: str, default: dict[str, Any] | None = None) -> "dict[str, Table]":
        """The tables below a table, by name."""
        entries = self.take(key, dict, default)
        return {
            name: table_of(f"{self.name}.{key}.{name}", each) for name, each in entries.items()
        }

    def done(self) -> None:
        """Refuses a key that nobody asked for."""
        for key in self.rest:
            raise Problem(f"{self.name}.{key} is unknown: docs/matrix.md lists the keys")


def table_of(name: str, value: object) -> Table:
    if not isinstance(value, dict):
        raise Problem(f"{name} is not a table: {value!r}")
    return Table(name=name, rest=dict(value))
