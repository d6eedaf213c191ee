"""Writes the directives that mod_wsgi config prints and that mod_wsgi serve runs with."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import Problem


@dataclass(frozen=True, kw_only=True)
class Static:
    """Files that Apache sends itself: a URL that ends with "/", and the folder behind it."""

    url: str
    folder: Path


def static(text: str) -> Static:
    """The meaning of --static URL=DIR."""
    url, equals, folder = text.partition("=")
    if not equals or not folder or not re.fullmatch(r"(/[\w.~-]+)+/?", url):
        raise Problem(f"--static {text} is not URL=DIR: write it like /static/=/srv/shop/static")
    if not Path(folder).is_dir():
        raise Problem(f"--static {text}: there is no folder {folder}")
    return Static(url=url.rstrip("/") + "/", folder=Path(folder).resolve())


def aliases(served: Sequence[Static]) -> Iterator[str]:
    for each in served:
        yield f"Alias {each.url} {quoted(f'{each.folder}/')}"


def exceptions(served: Sequence[Static], line: str) -> Iterator[str]:
    """Takes the static files out of the application's section. So they stand after it."""
    for each in served:
        yield f"<Location {each.url}>"
        yield f"    SetHandler {'default-handler' if line == '1.3' else 'none'}"
        yield "</Location>"
        yield f"<Directory {quoted(str(each.folder))}>"
        yield from indented(access(line))
        yield "</Directory>"


def access(line: str) -> list[str]:
    """Lets everybody in."""
    if line == "2.4":
        return ["Require all granted"]
    return ["Order allow,deny", "Allow from all"]


def variables(settings: dict[str, str]) -> Iterator[str]:
    """The lines that set mod_wsgi's variables."""
    for name, text in settings.items():
        yield f"SetEnv mod_wsgi.{name} {quoted(text)}"


def indented(inner: Iterator[str] | Sequence[str]) -> Iterator[str]:
    return (f"    {each}" for each in inner)


def quoted(text: str) -> str:
    """A word as Apache reads it. Raises a Problem if it would become several lines."""
    if "\n" in text:
        raise Problem(f"{text!r} has a line break, which no configuration can have")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
