"""`mod_wsgi convert FILE...`: Apache configurations for another module become ones for mod_wsgi.

The other module is the one with directives (WSGIScriptAlias), or mod_python. Files that Include
names are converted, too. The files themselves are never changed.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .parse import Directive, Item, Section
from .scopes import INCLUDES, Server
from .write import Writer

LINES = ("1.3", "2.0", "2.2", "2.4")


def main(words: Sequence[str] | None = None) -> int:
    """Converts the files that are named. Returns the status for the shell."""
    chosen = _arguments(words)
    try:
        texts, server = convert(chosen.files, root=chosen.server_root, line=chosen.apache)
    except OSError as problem:
        print(f"mod_wsgi convert: {problem.filename}: {problem.strerror}", file=sys.stderr)
        return 1
    if chosen.output:
        for path, text in texts.items():
            _write(
                Path(f"{chosen.output}{path}"),
                moved(text, server.files[path], server, chosen.output),
            )
        return 0
    changed = {path: text for path, text in texts.items() if text != _before(path, server)}
    if len(texts) == 1:
        sys.stdout.buffer.write(_bytes(next(iter(texts.values()))))
        return 0
    for path, text in changed.items():
        _write(path.with_name(path.name + ".new"), text)
    if not changed:
        print("nothing is to be converted")
    return 0


def convert(
    files: Sequence[Path], *, root: Path | None = None, line: str = "2.4"
) -> tuple[dict[Path, str], Server]:
    """The converted text of each file, and of each that is included, by its path.

    root is what ServerRoot is if no file says so. line is that of Apache. Raises OSError if a
    file that is named can't be read.
    """
    paths = [path if str(path) == "-" else path.absolute() for path in files]
    folder = paths[0].parent if str(paths[0]) != "-" else Path.cwd()
    server = Server(root=(root or folder).absolute(), line=line)
    for path in paths:
        if str(path) == "-":
            server.add_text(sys.stdin.read())
        else:
            server.add(path)
    writer = Writer(server)
    for path in paths:
        writer.convert(path)
    return writer.texts, server


def moved(text: str, items: Sequence[Item], server: Server, folder: Path) -> str:
    """The text with each Include leading to the converted file."""
    for item in _includes(items):
        if server.included(item):
            named = " ".join(f'"{folder}{server.absolute(word)}"' for word in item.words)
            text = text.replace(item.text, f"{item.indent}{item.name} {named}\n", 1)
    return text


def _includes(items: Sequence[Item]) -> list[Directive]:
    found: list[Directive] = []
    for item in items:
        if isinstance(item, Section):
            found += _includes(item.items)
        elif item.lower in INCLUDES:
            found.append(item)
    return found


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="mod_wsgi convert",
        description="Writes Apache configurations with WSGI directives, or of mod_python, with "
        "the variables of mod_wsgi. One file goes to standard output; if it includes others, "
        "each changed one is written beside itself, as FILE.new.",
    )
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help="- is standard input")
    parser.add_argument(
        "--output", metavar="DIR", type=_folder, help="write the whole tree of files below DIR"
    )
    parser.add_argument(
        "--server-root", metavar="DIR", type=Path, help="where relative names of Include begin"
    )
    parser.add_argument(
        "--apache", metavar="LINE", choices=LINES, default="2.4", help="%(default)s by default"
    )
    return parser.parse_args(words)


def _folder(text: str) -> Path:
    return Path(text).absolute()


def _before(path: Path, server: Server) -> str:
    return "".join(_text(item) for item in server.files[path])


def _text(item: Item) -> str:
    if isinstance(item, Directive):
        return item.text
    inner = "".join(_text(each) for each in item.items)
    return item.begin.text + inner + (item.end.text if item.end else "")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", errors="surrogateescape")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_bytes(text))
    print(path)
