"""The verb images: keeps the images of some cells in a folder from run to run."""

import argparse
from pathlib import Path

from command import Problem
from matrix import cells, choice, containers, data, engine, results, storage
from matrix.verbs.place import surroundings

# GitHub keeps 10 GB for a repository.
MOST = 8 << 30


def keep_images(arguments: argparse.Namespace) -> int:
    """Saves to a folder, or loads from it: images save DIR [PATTERN], images load DIR."""
    way, name, *patterns = [*arguments.patterns, "", ""][: max(2, len(arguments.patterns))]
    if way not in ("save", "load") or not name or (way == "load" and patterns):
        raise Problem("images takes save DIR, with patterns of cells if need be, or load DIR")
    if way == "load" and (arguments.only or arguments.since or arguments.shard):
        raise Problem("images load takes all that the folder has: no --only, --since or --shard")
    folder = Path(name)
    if folder.exists() and not folder.is_dir():
        raise Problem(f"{folder} is not a folder")
    known = data.load(arguments.data)
    arguments.patterns = patterns
    chosen = choice.choose(arguments, known, cells.expand(known)).cells
    with engine.connected() as client:
        if way == "load":
            storage.load(client, folder, print)
            return results.PASSED
        with surroundings(arguments, known, client, builds=False) as site:
            found = containers.images_of(site, chosen)
            storage.save(client, folder, found, arguments.most or MOST, print)
    return results.PASSED
