"""Finds the .htaccess files that have to do with mod_wsgi, without walking whole disks."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .reading import Line, Opened, Reader

MOST_FOLDERS = 2000
DEEPEST = 4


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A folder whose .htaccess file has something of ours."""

    path: Path
    file: Path
    lines: list[Line]


def folders(lines: Sequence[Line], root: Path) -> Iterator[Folder]:
    """Those below the document roots and the directories that an Alias leads to."""
    name = next((line.words[0] for line in lines if line.name == "accessfilename"), ".htaccess")
    left = MOST_FOLDERS
    for top in tops(lines, root):
        for folder, below, files in os.walk(top):
            left -= 1
            if left < 0:
                return
            path = Path(folder)
            if len(path.relative_to(top).parts) >= DEEPEST:
                below.clear()
            if name in files:
                found = read(path / name)
                if any("mod_wsgi" in word for line in found for word in line.words):
                    yield Folder(path=path, file=path / name, lines=found)


def tops(lines: Sequence[Line], root: Path) -> list[Path]:
    """Where to look, each once and none within another."""
    found = [root / line.words[0] for line in lines if line.name == "documentroot" and line.words]
    found += [Path(line.words[1]) for line in lines if line.name == "alias" and line.words[1:]]
    ordered = sorted({path for path in found if path.is_absolute() and path.is_dir()})
    chosen: list[Path] = []
    for path in ordered:
        if len(path.parts) > 1 and not any(path.is_relative_to(each) for each in chosen):
            chosen.append(path)
    return chosen


def read(path: Path) -> list[Line]:
    """Its lines, which stand in a section for its folder."""
    reader = Reader(root=path.parent, environment={}, loaded=set())
    section = Opened(name="directory", words=(str(path.parent),), file=path, number=0)
    reader.read(path, (section,))
    return reader.lines
