"""Measures memory and the time from the start to the first answer.

Memory is Pss, in which a page that n processes share counts 1/n for each. So the sum over all
processes is the memory that they really take.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import mean

from bench.load import ask, check, pids
from bench.peers import FLOOR, OURS, PEERS, Peer, Started, Task
from bench.processes import copies, pss
from bench.workloads import Way, applications
from command.httpd import Load

APPLICATIONS = (1, 10, 50)
_WAY = Way(keep_alive=False, concurrency=16)


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Kilobytes after every process has served: of all processes, and of one child of Apache."""

    peer: str
    total: int
    child: float


@dataclass(frozen=True, kw_only=True)
class Growth:
    """A server with so many applications: its memory, start time and rate."""

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
            ask(started, task.workload, _WAY, 2)
            found.append(memory(peer.name, started))
    return found


def measure_idle(task: Task) -> dict[str, float]:
    """The memory of a child that has not run Python: with the floor's module, and with ours."""
    idle = replace(task, load=Load(processes=4, threads=1))
    sizes: dict[str, float] = {}
    for name in (FLOOR, OURS, "embedded"):
        with PEERS[name].start(idle) as started:
            time.sleep(1)
            sizes[name] = memory(name, started).child
    return sizes


def measure_starts(task: Task, peers: Sequence[Peer], rounds: int) -> dict[str, list[float]]:
    """The seconds from the command to the first answer, in interleaved rounds."""
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
    """Measures with one process of Apache, and one for each application that has its own."""
    return [
        grow(replace(task, workload=applications(count)), peer)
        for count in counts
        for peer in peers
    ]


def grow(task: Task, peer: Peer) -> Growth:
    print(f"{task.workload.title}: {peer.title}", file=sys.stderr)
    begin = time.monotonic()
    with peer.start(task) as started:
        check(peer, started, task.workload)
        ready = time.monotonic() - begin
        sample = ask(started, task.workload, Way(keep_alive=True, concurrency=8), 2)
        return Growth(
            peer=peer.name,
            applications=task.workload.mounts,
            total=memory(peer.name, started).total,
            start=ready,
            rate=sample.rate,
        )


def memory(name: str, started: Started) -> Memory:
    of_apache = copies(started.apache) if started.apache else []
    return Memory(
        peer=name,
        total=sum(pss(pid) for pid in pids(started)),
        child=mean(pss(pid) for pid in of_apache) if of_apache else 0.0,
    )
