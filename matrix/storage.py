"""Keeps images in a folder from run to run, as CI's cache does: one file for each base.

Images of one base share their layers, so one file has them once. Images of two bases share
nothing. The folder's index says which images each file has, so a file that is still right is not
written again.
"""

import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import requests
from docker import DockerClient

from command import Problem
from matrix import engine, files

INDEX = "index.json"

# Quick rather than small: whatever carries the folder away mostly compresses it once more.
_LEVEL = 1
_BLOCK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One file of the folder: its size, and the images in it by tag and identity."""

    size: int
    images: dict[str, str]


class TooLarge(Exception):
    """A file would make the folder larger than it may be."""


class Damaged(Exception):
    """A file cannot be unpacked."""


def save(
    client: DockerClient,
    folder: Path,
    wanted: Mapping[str, Sequence[str]],
    most: int,
    say: Callable[[str], None],
) -> None:
    """Makes the folder hold these images, by base, and nothing else.

    What would make it larger than most bytes is left out. Bases that come first go in first.
    """
    with written(folder):
        folder.mkdir(parents=True, exist_ok=True)
    index = {base: kept for base, kept in read_index(folder).items() if base in wanted}
    remove_others(folder, index)
    used = 0
    for base, tags in wanted.items():
        images = {tag: engine.image_id(client, tag) for tag in sorted(tags)}
        file = folder / file_of(base)
        known = index.pop(base, None)
        if known and known.images == images and used + known.size <= most:
            say(f"{file.name} is still right")
            index[base] = known
            used += known.size
            continue
        file.unlink(missing_ok=True)
        try:
            size = write(client, file, list(images), most - used)
        except TooLarge:
            say(f"{file.name} is left out: the folder would be larger than {most >> 20} MB")
        else:
            say(f"{file.name}: {len(images)} images, {size >> 20} MB")
            index[base] = Kept(size=size, images=images)
            used += size
        write_index(folder, index)
    write_index(folder, index)


def write(client: DockerClient, file: Path, tags: Sequence[str], most: int) -> int:
    """Writes images into one file. Returns its size."""
    part = file.with_name(file.name + ".part")
    with written(part), closing(engine.saved_images(client, tags)) as blocks:
        try:
            with gzip.open(part, "wb", compresslevel=_LEVEL) as packed:
                for block in blocks:
                    packed.write(block)
                    if part.stat().st_size > most:
                        raise TooLarge
            if part.stat().st_size > most:
                raise TooLarge
            part.rename(file)
        finally:
            part.unlink(missing_ok=True)
    return file.stat().st_size


@contextmanager
def written(path: Path) -> Iterator[None]:
    """Says which file cannot be written. What goes wrong with Docker is no matter of a file."""
    try:
        yield
    except requests.RequestException:
        raise
    except OSError as error:
        raise Problem(f"cannot write {path}: {error.strerror}") from error


def load(client: DockerClient, folder: Path, say: Callable[[str], None]) -> None:
    """Gives Docker the images of a folder. A file that is damaged is removed, and said."""
    index = read_index(folder)
    if not index:
        say(f"{folder} has no images yet")
    for base, kept in index.items():
        file = folder / file_of(base)
        if all(is_there(client, *each) for each in kept.images.items()):
            say(f"{file.name}: the images are there")
            continue
        try:
            engine.load_images(client, unpacked(file))
        except (Damaged, engine.NotLoaded) as error:
            file.unlink(missing_ok=True)
            say(f"{file.name} is damaged, and is removed: {error}")
            continue
        say(f"{file.name}: {len(kept.images)} images are loaded")


def is_there(client: DockerClient, tag: str, identity: str) -> bool:
    return engine.has_image(client, tag) and engine.image_id(client, tag) == identity


def unpacked(file: Path) -> Iterator[bytes]:
    """The file's content. What is read to the end is known to be whole."""
    try:
        with gzip.open(file) as packed:
            while block := packed.read(_BLOCK):
                yield block
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Damaged(str(error)) from error


def file_of(base: str) -> str:
    return f"{base}.tar.gz"


def remove_others(folder: Path, bases: Iterable[str]) -> None:
    """Removes the files of bases that are not wanted, and what a killed run left."""
    known = {file_of(base) for base in bases}
    for file in (*folder.glob("*.tar.gz"), *folder.glob("*.tar.gz.part")):
        if file.name not in known:
            file.unlink()


def read_index(folder: Path) -> dict[str, Kept]:
    """What the folder has. A file that is not there, or has another size, does not count."""
    path = folder / INDEX
    if not path.is_file():
        return {}
    try:
        entries = json.loads(path.read_text())
        index = {base: Kept(**entry) for base, entry in entries.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise Problem(f"{path} is not an index of ./dev matrix images save: remove it") from error
    return {base: kept for base, kept in index.items() if size_of(folder, base) == kept.size}


def size_of(folder: Path, base: str) -> int:
    file = folder / file_of(base)
    return file.stat().st_size if file.is_file() else -1


def write_index(folder: Path, index: Mapping[str, Kept]) -> None:
    entries = {base: asdict(kept) for base, kept in index.items()}
    with written(folder / INDEX):
        files.write(folder / INDEX, (json.dumps(entries, indent=2) + "\n").encode())
