"""Breaks this module, the incumbent's daemons and PHP-FPM in the same ways: ./dev bench faults.

Needs root, and php-fpm for the last column. What clients got is printed as a table.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench import kit
from bench.faults.faults import FAULTS, measured
from bench.faults.peers import PEERS, Ground
from command import Problem, build, pythons, servers

LINE = "2.4"


def main(words: Sequence[str] | None = None) -> int:
    """Returns 0 when everything was measured, 2 if something could not be."""
    arguments = parse(words)
    os.umask(0o022)  # the servers that read these files run as another user
    try:
        ground = prepare(arguments)
    except Problem as problem:
        print(f"dev bench faults: {problem}", file=sys.stderr)
        return 2
    print(f"{datetime.now(tz=UTC):%Y-%m-%d}, Apache {ground.server.version}\n", flush=True)
    print(row(["", *(PEERS[name][0] for name in arguments.peers)]))
    print(row(["---"] * (len(arguments.peers) + 1)), flush=True)
    complete = True
    for name in arguments.only:
        cells = [FAULTS[name].title]
        for peer in arguments.peers:
            try:
                cells.append(measured(FAULTS[name], ground, PEERS[peer][1]))
            except (OSError, Problem) as problem:
                cells.append(f"not measured: {problem}")
                complete = False
        print(row(cells), flush=True)
    return 0 if complete else 2


def row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def prepare(arguments: argparse.Namespace) -> Ground:
    server = servers.choose(LINE, mpm=arguments.mpm)
    python = pythons.choose(arguments.python)
    incumbent = arguments.incumbent
    if incumbent is None and "daemon" in arguments.peers:
        kit.make_venv(python)
        incumbent = kit.find_incumbent()
    module, *_ = build.module_and_programs(server, python)
    fpm = next((shutil.which(name) for name in fpm_names() if shutil.which(name)), None)
    return Ground(
        server=server,
        ours=module,
        incumbent=incumbent,
        fpm=Path(fpm) if fpm else None,
    )


def fpm_names() -> list[str]:
    found = [path.name for path in Path("/usr/sbin").glob("php-fpm*")]
    return ["php-fpm", *sorted(found, reverse=True)]


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench faults", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=list(FAULTS), default=list(FAULTS), metavar="FAULT"
    )
    parser.add_argument(
        "--peers", nargs="+", choices=list(PEERS), default=list(PEERS), metavar="PEER"
    )
    parser.add_argument(
        "--python",
        default="/usr/bin/python3",
        help="a version or a program (default: the system's)",
    )
    parser.add_argument("--mpm", default="event", choices=servers.MPMS, help="default: event")
    parser.add_argument(
        "--incumbent", type=Path, metavar="FILE", help="its module (default: as ./dev bench)"
    )
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
