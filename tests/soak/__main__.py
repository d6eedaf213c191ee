"""Asks a server in many ways while its processes are killed, restarted and edited: ./dev soak.

Every answer is compared with what it has to be. A request may be lost only if a process was killed
while it was under way. First each of these things is done once. In the
end there must be no zombie, and no process with more open descriptors than after that, but for 8.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from command import TOP, Problem
from tests.harness import cells
from tests.harness.cells import Cell
from tests.harness.serving import Workshop, running
from tests.soak import report
from tests.soak.soak import CONFIG, FILES, Outcome, Plan, soak

LOGS = TOP / "build"


def main(words: Sequence[str] | None = None) -> int:
    """Returns 0 if nothing was lost, wrong or left over, else 1; 2 without a server."""
    arguments = parse(words)
    os.umask(0o022)  # the servers that read these files run as another user
    choice = arguments.apache, arguments.python, arguments.mpm, arguments.mode or ["processes"]
    try:
        found = cells.discover(*choice, choice="own").ready
    except Problem as problem:
        print(f"dev soak: {problem}", file=sys.stderr)
        return 2
    if not found:
        print("dev soak: no Apache with a Python was found", file=sys.stderr)
        return 2
    plan = Plan(
        seconds=60 * arguments.minutes,
        clients=arguments.clients,
        pause=arguments.pause,
        period=arguments.period,
        seed=arguments.seed,
    )
    with tempfile.TemporaryDirectory(prefix="mod_wsgi-soak-") as folder:
        workshop = Workshop.furnish(Path(folder))
        return max(soak_one(cell, workshop, plan) for cell in found)


def soak_one(cell: Cell, workshop: Workshop, plan: Plan) -> int:
    outcome = run(cell, workshop, plan)
    print(report.render(cell, outcome), flush=True)
    return 1 if list(outcome.faults()) else 0


def run(cell: Cell, workshop: Workshop, plan: Plan) -> Outcome:
    folder = workshop.folder / cell.name
    folder.mkdir()
    module = cells.build(cell, folder)
    with running(
        cell, module, workshop, CONFIG, files=FILES, log_level="warn", deaths=True
    ) as site:
        outcome = soak(site, plan)
        if list(outcome.faults()):
            log = shutil.copy(site.root / "error.log", LOGS / f"soak-{cell.name}.log")
            print(f"the error log: {log}")
        return outcome


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, help="of each cell (default: 30)")
    parser.add_argument(
        "--mode", action="append", choices=cells.MODES, help="default: processes; may be repeated"
    )
    for option, placeholder, meaning in (
        ("--apache", "LINE", "1.3, 2.0, 2.2 or 2.4 (default: the newest); may be repeated"),
        ("--python", "X.Y", "a version or a program (default: the system's); may be repeated"),
        ("--mpm", "NAME", "prefork, worker or event (default: all); may be repeated"),
    ):
        parser.add_argument(option, action="append", default=[], metavar=placeholder, help=meaning)
    parser.add_argument("--clients", type=int, default=6, help="at once (default: 6)")
    parser.add_argument(
        "--pause", type=float, default=0.25, help="seconds that a client rests (default: 0.25)"
    )
    parser.add_argument(
        "--period", type=float, default=5, help="seconds between two faults (default: 5)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of what is done when (default: 1)")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
