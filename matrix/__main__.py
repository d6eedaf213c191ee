"""Builds and tests every Apache with every Python and every process model, in containers.

  list      the cells, one a line, and what keeps them from running here
  bases     pulls the base images, or makes them where no registry answers
  images    keeps what Docker has for some cells: images save DIR 'PATTERN', images load DIR
  build     makes the images, the servers and the module of each cell
  test      tests the cells; what is missing is built first, in silence
  run       builds and tests the cells; the report has the times of both
  report    prints the grid of the last run again, and writes its pages again
  merge     makes one report of those of several machines: merge DIR...
  shell     opens a shell in the container that a cell's tests would get
  patch     prints commands that mend an old Apache's source, for your own build: patch 1.3
  archives  what each release archive is trusted for: its sum or its signers, and who says so
  clean     removes the matrix's images, volumes and containers, and the last report

A PATTERN is a shell pattern for names of cells. A pattern that begins with "!" takes cells out
again: 'apache1.3-*' '!*-py2.7*'. Without a pattern, every cell is meant. What follows -- goes to
pytest: run CELL -- -k upload. The exit status is 0 if every chosen cell passed, 1 if one failed, 2
if the command or the machine is at fault, and 3 if a cell is unavailable that --allow-unavailable
does not name. docs/matrix.md says more.
"""

import argparse
import sys
from collections.abc import Callable, Sequence

from command import Problem, serve
from matrix import arguments, files, results
from matrix.verbs import keeping, listing, reporting, running, trust, upkeep
from matrix.work import INTERRUPTED

VERBS: dict[str, Callable[[argparse.Namespace], int]] = {
    "list": listing.show_list,
    "bases": upkeep.make_bases,
    "images": keeping.keep_images,
    "build": running.carry_out,
    "test": running.carry_out,
    "run": running.carry_out,
    "report": reporting.show_report,
    "merge": reporting.merge,
    "shell": upkeep.open_shell,
    "patch": upkeep.show_patch,
    "archives": trust.show_archives,
    "clean": upkeep.clean,
}


def main(words: Sequence[str] | None = None) -> int:
    """Does what the command line says. Returns the exit status."""
    serve.listen_to_signals()
    try:
        chosen = arguments.read(VERBS, __doc__, words)
        return VERBS[chosen.verb](chosen)
    except Problem as problem:
        print(f"matrix: {problem}", file=sys.stderr)
        return results.USAGE
    except OSError as error:
        print(f"matrix: {files.complaint(error)}", file=sys.stderr)
        return results.USAGE
    except KeyboardInterrupt:
        print(f"matrix: {INTERRUPTED}", file=sys.stderr)
        return results.STOPPED


if __name__ == "__main__":
    sys.exit(main())
