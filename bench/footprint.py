"""What a peer takes that is not time per request: memory, and the time until it answers.

Memory is Pss, in which a page that n processes share counts a n-th for each: the sum over all
processes is what the machine gives away.
"""

import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean

from bench.load import check, wrk
from bench.peers import FLOOR, OURS, PEERS, Peer, Started, Task
from bench.workloads import Way
from tools.httpd import Load

APPLICATIONS = (1, 10, 50)
_WAY = Way(keep_alive=False, concurrency=16)
_PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Kilobytes, once every process has served: of all, and of one child of Apache."""

    peer: str
    total: int
    child: float


@dataclass(frozen=True, kw_only=True)
class Growth:
    """A server with that many applications: all its memory, its start, its rate over all."""

    peer: str
    applications: int
    total: int
    start: float
    rate: float


def measure_memory(task: Task, peers: Sequence[Peer]) -> list[Memory]:
    found = []
    for peer in peers:
        print(f"memory: {peer.title}", file=sys.stderr)
        with peer.start(task) as started:
            check(peer, started, task.workload)
            wrk(started, task.workload, _WAY, 2)
            found.append(memory(peer.name, started))
    return found


def measure_idle(task: Task) -> dict[str, float]:
    """A child of Apache that has served no Python: with only the floor's module, and with ours."""
    idle = replace(task, load=Load(processes=4, threads=1))
    sizes: dict[str, float] = {}
    for name in (FLOOR, OURS, "embedded"):
        with PEERS[name].start(idle) as started:
            time.sleep(1)
            sizes[name] = memory(name, started).child
    return sizes


def measure_starts(task: Task, peers: Sequence[Peer], rounds: int) -> dict[str, list[float]]:
    """Seconds from the command to the first answer, in interleaved rounds."""
    print("time to the first answer", file=sys.stderr)
    found: dict[str, list[float]] = {peer.name: [] for peer in peers}
    for _ in range(rounds):
        for peer in peers:
            begin = time.monotonic()
            with peer.start(task) as started:
                check(peer, started, task.workload)
                found[peer.name].append(time.monotonic() - begin)
    return found


def measure_growth(task: Task, peers: Sequence[Peer], counts: Sequence[int]) -> list[Growth]:
    """One process of Apache, and of each application where they have their own."""
    return [grow(replace(task, mounts=count), peer) for count in counts for peer in peers]


def grow(task: Task, peer: Peer) -> Growth:
    print(f"{task.mounts} applications: {peer.title}", file=sys.stderr)
    begin = time.monotonic()
    with peer.start(task) as started:
        for path in task.paths:
            check(peer, started, task.workload, path)
        ready = time.monotonic() - begin
        sample = wrk(started, task.workload, Way(keep_alive=True, concurrency=8), 2, task.paths)
        return Growth(
            peer=peer.name,
            applications=task.mounts,
            total=memory(peer.name, started).total,
            start=ready,
            rate=sample.rate,
        )


def memory(name: str, started: Started) -> Memory:
    roots = [pid for pid in (started.apache, *started.others) if pid]
    children = families()
    every = [pid for root in roots for pid in family(root, children)]
    of_apache = children.get(started.apache, []) if started.apache else []
    return Memory(
        peer=name,
        total=sum(pss(pid) for pid in every),
        child=mean(pss(pid) for pid in of_apache) if of_apache else 0.0,
    )


def families() -> dict[int, list[int]]:
    """The children of every process."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has ended since
        children.setdefault(parent, []).append(int(stat.parent.name))
    return children


def family(pid: int, children: dict[int, list[int]]) -> list[int]:
    return [pid, *(each for child in children.get(pid, []) for each in family(child, children))]


def pss(pid: int) -> int:
    match = _PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_text())
    return int(match[1]) if match else 0
