"""The verb list: the cells, and what is known of each without the network."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from docker import DockerClient

from command import Problem
from matrix import bases, cells, choice, data, engine, local, platforms, reports, results, shards
from matrix.archives import Shelf
from matrix.cells import Cell
from matrix.described import Base, Data
from matrix.verbs.place import shelf


@dataclass(frozen=True, kw_only=True)
class Prospect:
    """What is to be expected of a cell: whether it runs here, and what is missing."""

    state: str  # "runs here", "to be fetched", "cannot run", "unavailable", "excluded"
    why: str = ""

    def __str__(self) -> str:
        if not self.why:
            return self.state
        return self.why if self.state == "to be fetched" else f"{self.state}: {self.why}"


def show_list(arguments: argparse.Namespace) -> int:
    """Prints the cells. The names come first on each line, so that scripts can read them."""
    known = data.load(arguments.data)
    here = local.discover(arguments.output, known.limits.seconds) if arguments.local else None
    every = here.cells() if here else cells.expand(known)
    chosen = choice.choose(arguments, known, every).cells
    if arguments.shards:
        print(json.dumps(parts(known, chosen, arguments.shards)))
        return results.PASSED
    prospects = {
        **(outlook(arguments, known, chosen) if here is None else {}),
        **{name: Prospect(state="unavailable", why=why) for name, why in obstacles(here).items()},
    }
    expected = {
        cell.name: prospects.get(cell.name, Prospect(state="runs here")) for cell in chosen
    }
    if arguments.json:
        last = seconds_of_last_run(arguments)
        told = [described(known, cell, expected[cell.name], last) for cell in chosen]
        print(json.dumps(told, indent=2))
        return results.PASSED
    width = max(len(cell.name) for cell in chosen)
    for cell in chosen:
        print(f"{cell.name:{width}}  {expected[cell.name]}")
    if here is None:
        say_what_is_not_pinned(known, chosen)
    return results.PASSED


def say_what_is_not_pinned(known: Data, chosen: Sequence[Cell]) -> None:
    """On standard error, since scripts read the cells."""
    pythons = [known.python(cell.python, cell.suite) for cell in chosen]
    names = {python.base for python in pythons} | {known.tools.base}
    names |= {known.apaches[cell.line].base for cell in chosen if not cell.suite}
    loose = [base.name for base in known.bases.values() if base.name in names and not base.digest]
    if loose:
        print(
            f"matrix: no digest pins {', '.join(loose)}: ./dev matrix bases --refresh",
            file=sys.stderr,
        )


def obstacles(here: local.Local | None) -> Mapping[str, str]:
    return here.obstacles if here else {}


def parts(known: Data, chosen: Sequence[Cell], most: int) -> list[dict[str, Any]]:
    """The parts that several machines can take, each with what --shard is then."""
    number = shards.worthwhile(known, chosen, most)
    return [
        {
            "shard": f"{at}/{number}",
            "architecture": shards.architecture(known, part),
            "seconds": sum(shards.seconds(known, cell) for cell in part),
            "cells": [cell.name for cell in part],
        }
        for at, part in enumerate(shards.split(known, chosen, number), 1)
    ]


def seconds_of_last_run(arguments: argparse.Namespace) -> dict[str, float]:
    """How long each cell took that the last run in this folder came to."""
    path = arguments.output / reports.JSON
    if not path.is_file():
        return {}
    return {
        each.cell: round(each.build_seconds + each.test_seconds, 1)
        for each in results.load(path).results
        if each.build_seconds + each.test_seconds
    }


def described(
    known: Data, cell: Cell, expected: Prospect, last: Mapping[str, float]
) -> dict[str, Any]:
    """A cell for a program."""
    apache = known.apaches.get(cell.line) if not cell.suite else None
    return {
        "name": cell.name,
        "line": cell.line,
        "version": apache.version if apache else None,
        "mpm": cell.mpm,
        "python": cell.python,
        "mode": cell.mode,
        "base": cell.suite or getattr(known.pythons.get(cell.python), "base", None),
        "packaged": bool(cell.suite),
        "state": expected.state,
        "why": expected.why,
        "seconds": shards.seconds(known, cell),
        "seconds_of_last_run": last.get(cell.name),
    }


def outlook(
    arguments: argparse.Namespace, known: Data, chosen: Sequence[Cell]
) -> dict[str, Prospect]:
    """What is known of each cell without using the network."""
    store = shelf(arguments)
    try:
        with engine.connected() as client:
            at_hand = {base.name: of_base(client, base) for base in known.bases.values()}
    except Problem as problem:
        return {cell.name: Prospect(state="cannot run", why=str(problem)) for cell in chosen}
    return {cell.name: prospect(known, store, at_hand, cell) for cell in chosen}


def of_base(client: DockerClient, base: Base) -> Prospect:
    """What is to be expected of a base."""
    obstacle = platforms.outlook(client, base)
    if obstacle:
        return Prospect(state="cannot run", why=obstacle)
    if bases.at_hand(client, base):
        return Prospect(state="runs here")
    image = f"{base.image} for {base.architecture}" if base.architecture else base.image
    made = " or made" if base.debootstrap else ""
    return Prospect(state="to be fetched", why=f"the image {image} is to be pulled{made}")


def prospect(known: Data, store: Shelf, at_hand: Mapping[str, Prospect], cell: Cell) -> Prospect:
    python = known.python(cell.python, cell.suite)
    if cell.excluded:
        return Prospect(state="excluded", why=cell.excluded)
    if python.unavailable:
        return Prospect(state="unavailable", why=python.unavailable)
    bases = {python.base} if cell.suite else {python.base, known.apaches[cell.line].base}
    told = [at_hand[name] for name in sorted(bases)]
    for each in told:
        if each.state == "cannot run":
            return each
    missing = [each.why for each in told if each.why]
    if not cell.suite:
        apache = known.apaches[cell.line]
        folders = [folder for folder in (store.sources, store.cache) if folder]
        missing += [
            f"{each.name} is to be downloaded"
            for each in (apache.archive, *apache.parts)
            if not any((folder / each.name).is_file() for folder in folders)
        ]
    if not missing:
        return Prospect(state="runs here")
    return Prospect(state="to be fetched", why="; ".join(missing))
