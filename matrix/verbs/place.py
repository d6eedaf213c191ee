"""Where a verb works: archives, notes from run to run, and all that cells share."""

import argparse
import os
from pathlib import Path

from docker import DockerClient

from command import Problem
from matrix import snapshot
from matrix.archives import Shelf
from matrix.containers import Site
from matrix.data import Data


def cache() -> Path:
    """Where archives and notes are kept from run to run."""
    known = os.environ.get("XDG_CACHE_HOME")
    return (Path(known) if known else Path.home() / ".cache") / "mod_wsgi-matrix"


def shelf(arguments: argparse.Namespace) -> Shelf:
    if arguments.sources and not arguments.sources.is_dir():
        raise Problem(f"--sources {arguments.sources} is not a folder")
    lock: Path = arguments.data.with_name("archives.lock")
    return Shelf(sources=arguments.sources, cache=cache() / "archives", lock=lock)


def surroundings(
    arguments: argparse.Namespace, known: Data, client: DockerClient, *, builds: bool = True
) -> Site:
    arguments.output.mkdir(parents=True, exist_ok=True)
    return Site(
        client=client,
        data=known,
        shelf=shelf(arguments),
        snapshot=snapshot.take(),
        logs=arguments.output,
        stamps=cache() / "stamps",
        builds=builds,
    )
