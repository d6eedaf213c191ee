"""The verb list: the cells, and what is known of each without the network."""

import argparse
from collections.abc import Sequence

from command import Problem
from matrix import cells, data, engine, local
from matrix.archives import Shelf
from matrix.cells import Cell
from matrix.data import Data
from matrix.verbs.place import shelf


def show_list(arguments: argparse.Namespace) -> int:
    """Prints the cells. The names come first on each line, so that scripts can read them."""
    known = data.load(arguments.data)
    if arguments.local:
        here = local.discover(arguments.output, known.limits.seconds)
        told = {name: f"unavailable: {why}" for name, why in here.obstacles.items()}
        chosen = cells.select(here.cells(), arguments.patterns)
        obstacles = {cell.name: told.get(cell.name, "runs here") for cell in chosen}
    else:
        chosen = cells.select(cells.expand(known), arguments.patterns)
        obstacles = outlook(arguments, known, chosen)
    width = max(len(cell.name) for cell in chosen)
    for cell in chosen:
        print(f"{cell.name:{width}}  {obstacles[cell.name]}")
    return 0


def outlook(arguments: argparse.Namespace, known: Data, chosen: Sequence[Cell]) -> dict[str, str]:
    """What is known of each cell without using the network."""
    store = shelf(arguments)
    try:
        with engine.connected() as client:
            images = {
                base.name: engine.has_image(client, base.image) for base in known.bases.values()
            }
    except Problem as problem:
        return {cell.name: f"cannot run: {problem}" for cell in chosen}
    return {cell.name: prospect(known, store, images, cell) for cell in chosen}


def prospect(known: Data, store: Shelf, images: dict[str, bool], cell: Cell) -> str:
    python = known.pythons[cell.python]
    if cell.excluded:
        return f"excluded: {cell.excluded}"
    if python.unavailable:
        return f"unavailable: {python.unavailable}"
    missing = []
    bases = {python.base} if cell.suite else {python.base, known.apaches[cell.line].base}
    missing += [
        f"the image {known.bases[name].image} is to be pulled"
        + (" or made" if known.bases[name].debootstrap else "")
        for name in sorted(bases)
        if not images[name]
    ]
    if not cell.suite:
        apache = known.apaches[cell.line]
        folders = [folder for folder in (store.sources, store.cache) if folder]
        missing += [
            f"{each.name} is to be downloaded"
            for each in (apache.archive, *apache.parts)
            if not any((folder / each.name).is_file() for folder in folders)
        ]
    return "; ".join(missing) or "runs here"
