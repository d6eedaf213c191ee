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
from dataclasses import dataclass, replace
from pathlib import Path

from bench import chart, footprint, instructions, kit, load, report, results
from bench.peers import BEFORE, FLOOR, FLUSHING, LEAST, OURS, PEERS, Peer, Task
from bench.results import Results
from bench.workloads import CONNECTIONS, HELLO, WORKLOADS, Way, Workload, ways
from command import Problem, access, httpd, pythons, serve, servers
from command.httpd import Load
from command.servers import Server

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


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is measured, unless an option says otherwise. An empty tuple means everything."""

    parts: tuple[str, ...] = PARTS
    only: tuple[str, ...] = ()
    not_on_prefork: tuple[str, ...] = ()  # workloads
    peers: tuple[str, ...] = tuple(name for name in PEERS if name not in (BEFORE, LEAST))
    connections: tuple[int, ...] = ()
    kept: bool = False  # only connections that the client keeps
    rounds: int = 5
    begin: str = report.BEGIN  # the mark in the document behind which the tables stand


ALL = Plan()
QUICK = Plan(
    parts=PARTS[:-1], only=("hello", "below", "page"), connections=(8,), kept=True, rounds=3
)
SPECIAL = ("pipelined", "http2", "deflate", "slow")
OVERHEAD = Plan(
    parts=("instructions", "load"),
    only=("hello", "below", "apps10", "apps50", *SPECIAL),
    not_on_prefork=SPECIAL,
    peers=(OURS, FLOOR, FLUSHING, LEAST, "embedded"),
    connections=CONNECTIONS,
    kept=True,
    rounds=3,
    begin=report.BEGIN_OVERHEAD,
)


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
    plans = parser.add_mutually_exclusive_group()
    plans.add_argument(
        "--quick",
        dest="plan",
        action="store_const",
        const=QUICK,
        default=ALL,
        help="hello, below and page only, in one way, three rounds, no growth: a few minutes",
    )
    plans.add_argument(
        "--overhead",
        dest="plan",
        action="store_const",
        const=OVERHEAD,
        help="what calling Python adds to C: hello, below, many applications, pipelined, HTTP/2, "
        "compressed, slow clients; kept connections, against both C handlers, the least that "
        "calls Python, and the embedded incumbent: about ten minutes",
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
    parser.add_argument(
        "--connections",
        nargs="+",
        type=int,
        choices=CONNECTIONS,
        help="at once (default: all, but no 64 on prefork, where each needs a process)",
    )
    parser.add_argument(
        "--before", type=Path, metavar="FILE", help="an older mod_wsgi.so, as another peer"
    )
    parser.add_argument(
        "--rounds", type=positive, help="default: 5, or 3 if quick or of the overhead"
    )
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
    if BEFORE in (arguments.peers or ()) and not arguments.before:
        parser.error(f"the peer {BEFORE} needs --before FILE")
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
    tools = kit.prepare(server, python, arguments.before)
    command = shlex.join(["./dev", "bench", *sys.argv[1:]])
    machine = {
        **results.describe_machine(server, python),
        "command": f"{earlier.machine['command']}; {command}" if earlier else command,
        "date": time.strftime("%Y-%m-%d"),
    }
    found = replace(earlier, machine=machine) if earlier else Results(machine=machine)
    for part in arguments.parts or arguments.plan.parts:
        found = measure(part, found, tools, arguments)
        if arguments.json:  # keep what was measured, even if a later part fails
            results.write(found, arguments.json)
    return found


def measure(part: str, found: Results, tools: kit.Kit, arguments: argparse.Namespace) -> Results:
    peers = chosen_peers(arguments)
    different = [peer for peer in peers if peer.name not in (FLUSHING, LEAST)]  # no servers
    rounds = arguments.rounds or arguments.plan.rounds
    prefork, event = (small_task(mpm, tools, arguments.apxs) for mpm in ("prefork", "event"))
    if part == "instructions":
        totals = instructions.measure(prefork.server, tools)
        return replace(found, instructions=totals)
    if part == "load":
        return replace(found, series=measure_load(found, tools, arguments, peers, rounds))
    if part == "memory":
        return replace(
            found,
            memory=footprint.measure_memory(prefork, different),
            idle=footprint.measure_idle(prefork),
        )
    if part == "start":
        return replace(found, starts=footprint.measure_starts(event, different, rounds))
    several = [peer for peer in different if peer.name != "granian"]
    return replace(found, growth=footprint.measure_growth(event, several, footprint.APPLICATIONS))


def chosen_peers(arguments: argparse.Namespace) -> list[Peer]:
    names = list(arguments.peers or arguments.plan.peers)
    if arguments.before and BEFORE not in names:
        names.append(BEFORE)
    return [PEERS[name] for name in names]


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
    taken: list[load.Series] = []
    for mpm in arguments.mpm:
        server = servers.choose(LINE, arguments.apxs, mpm)
        for workload in chosen_workloads(server, arguments):
            asked = chosen_ways(workload, mpm, arguments)
            if asked:
                size = load_for(mpm, asked)
                task = Task(server=server, kit=tools, load=size, workload=workload)
                seconds = arguments.seconds
                taken += load.measure(task, peers, asked, rounds=rounds, seconds=seconds)
    replaced = {(each.mpm, each.workload, each.way) for each in taken}
    kept = [each for each in found.series if (each.mpm, each.workload, each.way) not in replaced]
    return kept + taken


def chosen_workloads(server: Server, arguments: argparse.Namespace) -> list[Workload]:
    """The workloads that the options name, and that this Apache has the modules for."""
    able = []
    for workload in WORKLOADS:
        if not is_chosen(workload, server.mpm, arguments):
            continue
        missing = [name for name in workload.needs if not httpd.is_available(server, name)]
        if missing:
            print(f"left out: {workload.title}, without {', '.join(missing)}", file=sys.stderr)
        else:
            able.append(workload)
    return able


def is_chosen(workload: Workload, mpm: str, arguments: argparse.Namespace) -> bool:
    plan, names = arguments.plan, arguments.only
    if names:
        return workload.name in names and mpm in workload.mpms
    if mpm == "prefork" and workload.name in plan.not_on_prefork:
        return False
    return (not plan.only or workload.name in plan.only) and mpm in workload.mpms


def chosen_ways(workload: Workload, mpm: str, arguments: argparse.Namespace) -> list[Way]:
    plan = arguments.plan
    able = ways(workload, mpm, arguments.connections or plan.connections)
    return [way for way in able if way.keep_alive or not plan.kept]


def load_for(mpm: str, asked: Sequence[Way]) -> Load:
    """Prefork has a process for each connection that is kept."""
    usual = LOADS[mpm]
    if mpm != "prefork":
        return usual
    return replace(usual, processes=max(usual.processes, *(way.concurrency for way in asked)))


def show(found: Results, arguments: argparse.Namespace) -> None:
    """Writes the files before it prints, so that a closed pipe does not cost an hour's work."""
    if arguments.markdown:
        report.put_into(arguments.markdown, report.markdown_report(found), arguments.plan.begin)
    if arguments.svg:
        arguments.svg.write_text(chart.draw(found, arguments.mpm[0]))
    for table in report.tables(found):
        print(report.plain(table))


if __name__ == "__main__":
    sys.exit(main())
