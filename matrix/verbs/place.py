"""Where a verb works: archives, notes from run to run, and all that cells share."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from command import Problem
from matrix import leftovers, snapshot
from matrix.archives import Shelf
from matrix.containers import Site
from matrix.described import Data
from matrix.engine import Client


def cache() -> Path:
    """Where archives and notes are kept from run to run."""
    known = os.environ.get("XDG_CACHE_HOME")
    return (Path(known) if known else Path.home() / ".cache") / "mod_wsgi-matrix"


def shelf(arguments: argparse.Namespace) -> Shelf:
    if arguments.sources and not arguments.sources.is_dir():
        raise Problem(f"--sources {arguments.sources} is not a folder")
    lock: Path = arguments.data.with_name("archives.lock")
    return Shelf(sources=arguments.sources, cache=cache() / "archives", lock=lock)


def runs() -> Path:
    """Where the runs that go on are noted."""
    return cache() / "runs"


@contextmanager
def surroundings(
    arguments: argparse.Namespace, known: Data, client: Client, *, builds: bool = True
) -> Iterator[Site]:
    """A new run. What killed ones have left in Docker is removed."""
    arguments.output.mkdir(parents=True, exist_ok=True)
    left = leftovers.remove(client, runs())
    if left:
        several = "s" if left > 1 else ""
        print(f"matrix: removed {left} container{several} of a killed run", file=sys.stderr)
    with leftovers.new_run(runs()) as run:
        yield Site(
            client=client,
            data=known,
            shelf=shelf(arguments),
            snapshot=snapshot.take(),
            logs=arguments.output,
            stamps=cache() / "stamps",
            builds=builds,
            run=run,
        )
