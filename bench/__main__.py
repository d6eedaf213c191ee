"""Measures mod_wsgi and its peers side by side and prints ratios: ./dev bench.

Servers listen on free ports of 127.0.0.1 and end with this program. What it writes is in build/.
Rounds disagree about a ratio with a "~", as they do on a busy machine: measure it again.
"""

import argparse
import os
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench import chart, footprint, instructions, kit, load, report, results
from bench.peers import FLOOR, PEERS, Peer, Task
from bench.results import Results
from bench.workloads import HELLO, WAYS, WORKLOADS
from tools import Problem, access, pythons, serve, servers
from tools.httpd import Load

LINE = "2.4"
WHY_ONE_LINE = "its peers need that one"

PARTS = ("instructions", "load", "memory", "start", "growth")

# As many threads as connections in each process: with fewer, the event MPM ends kept connections.
LOADS = {
    "prefork": Load(processes=8, threads=1),
    "worker": Load(processes=2, threads=64),
    "event": Load(processes=2, threads=64),
}
SMALL = {"prefork": Load(processes=4, threads=1), "event": Load(processes=1, threads=8)}


def main(words: Sequence[str] | None = None) -> int:
    """Returns 0 if everything asked for was measured and shown, 2 if something is missing."""
    arguments = parse(words)
    os.umask(0o022)  # the servers that read these files run as another user
    serve.listen_to_signals()
    try:
        found = collect(arguments)
        show(found, arguments)
    except Problem as problem:
        print(f"dev bench: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dev bench", description=__doc__)
    names = [workload.name for workload in WORKLOADS]
    parser.add_argument(
        "--quick",
        action="store_true",
        help="hello and page only, in one way, three rounds, no growth: a few minutes",
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, help="default: all")
    parser.add_argument(
        "--only", nargs="+", choices=names, metavar="WORKLOAD", help=f"of {', '.join(names)}"
    )
    parser.add_argument(
        "--peers", nargs="+", choices=list(PEERS), metavar="PEER", help=f"of {', '.join(PEERS)}"
    )
    parser.add_argument(
        "--apache", type=line, default=LINE, metavar="LINE", help=f"only {LINE}: {WHY_ONE_LINE}"
    )
    parser.add_argument(
        "--mpm",
        nargs="+",
        action="extend",
        choices=list(LOADS),
        help="one or several (default: event prefork)",
    )
    parser.add_argument("--rounds", type=positive, help="default: 5, or 3 if quick")
    parser.add_argument(
        "--seconds", type=positive, default=1, help="of a round for each peer (default: 1)"
    )
    parser.add_argument(
        "--apxs", type=Path, help="of the Apache 2.4 to use; default: first on PATH"
    )
    parser.add_argument("--python", default="", help="version or path; default: first on PATH")
    parser.add_argument(
        "--from",
        dest="earlier",
        type=Path,
        metavar="FILE",
        help="the --json of an earlier run, for what is not measured now",
    )
    parser.add_argument("--show", action="store_true", help="measure nothing, show --from FILE")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the samples there")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw a chart there")
    parser.add_argument(
        "--markdown",
        type=Path,
        metavar="FILE",
        help="put the tables into this page, between its marks",
    )
    arguments = parser.parse_args(words)
    arguments.mpm = arguments.mpm or ["event", "prefork"]
    if arguments.show and not arguments.earlier:
        parser.error("--show needs --from FILE")
    return arguments


def line(text: str) -> str:
    if text != LINE:
        raise argparse.ArgumentTypeError(f"is only {LINE}: {WHY_ONE_LINE}")
    return text


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("1 or more")
    return number


def collect(arguments: argparse.Namespace) -> Results:
    """The results of an earlier run, updated by what is measured now."""
    earlier = results.read(arguments.earlier) if arguments.earlier else None
    if earlier and arguments.show:
        return earlier
    server = servers.choose(LINE, arguments.apxs, arguments.mpm[0])
    python = pythons.choose(arguments.python, access.fault)
    tools = kit.prepare(server, python)
    command = shlex.join(["./dev", "bench", *sys.argv[1:]])
    machine = {
        **results.describe_machine(server, python),
        "command": f"{earlier.machine['command']}; {command}" if earlier else command,
        "date": time.strftime("%Y-%m-%d"),
    }
    found = replace(earlier, machine=machine) if earlier else Results(machine=machine)
    usual = PARTS[:-1] if arguments.quick else PARTS
    for part in arguments.parts or usual:
        found = measure(part, found, tools, arguments)
        if arguments.json:  # keep what was measured, even if a later part fails
            results.write(found, arguments.json)
    return found


def measure(part: str, found: Results, tools: kit.Kit, arguments: argparse.Namespace) -> Results:
    peers = [PEERS[name] for name in arguments.peers or PEERS]
    rounds = arguments.rounds or (3 if arguments.quick else 5)
    prefork, event = (small_task(mpm, tools, arguments.apxs) for mpm in ("prefork", "event"))
    if part == "instructions":
        totals = instructions.measure(prefork.server, tools)
        return replace(found, instructions=totals)
    if part == "load":
        return replace(found, series=measure_load(found, tools, arguments, peers, rounds))
    if part == "memory":
        return replace(
            found,
            memory=footprint.measure_memory(prefork, peers),
            idle=footprint.measure_idle(prefork),
        )
    if part == "start":
        return replace(found, starts=footprint.measure_starts(event, peers, rounds))
    several = [peer for peer in peers if peer.name not in (FLOOR, "granian")]
    return replace(found, growth=footprint.measure_growth(event, several, footprint.APPLICATIONS))


def small_task(mpm: str, tools: kit.Kit, apxs: Path | None) -> Task:
    server = servers.choose(LINE, apxs, mpm)
    return Task(server=server, kit=tools, load=SMALL[mpm], workload=HELLO)


def measure_load(
    found: Results,
    tools: kit.Kit,
    arguments: argparse.Namespace,
    peers: Sequence[Peer],
    rounds: int,
) -> list[load.Series]:
    """Measures workloads.

    A workload that is measured again replaces its earlier results, all peers'.
    """
    names = arguments.only or (["hello", "page"] if arguments.quick else None)
    chosen = [workload for workload in WORKLOADS if names is None or workload.name in names]
    tasks = [
        Task(
            server=servers.choose(LINE, arguments.apxs, mpm),
            kit=tools,
            load=LOADS[mpm],
            workload=workload,
        )
        for mpm in arguments.mpm
        for workload in chosen
    ]
    taken = load.measure(
        tasks,
        peers,
        rounds=rounds,
        seconds=arguments.seconds,
        chosen_ways=WAYS[:1] if arguments.quick else None,
    )
    replaced = {(each.mpm, each.workload, each.way) for each in taken}
    kept = [each for each in found.series if (each.mpm, each.workload, each.way) not in replaced]
    return kept + taken


def show(found: Results, arguments: argparse.Namespace) -> None:
    """Writes the files before it prints, so that a closed pipe does not cost an hour's work."""
    if arguments.markdown:
        report.put_into(arguments.markdown, report.markdown_report(found))
    if arguments.svg:
        arguments.svg.write_text(chart.draw(found, arguments.mpm[0]))
    for table in report.tables(found):
        print(report.plain(table))


if __name__ == "__main__":
    sys.exit(main())
