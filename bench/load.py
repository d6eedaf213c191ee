"""Measures requests per second, latency and processor time: wrk asks each peer in turn, in rounds.

What else the machine does in a round hits neighbours alike. So ratios of two peers are taken
within a round, and their median counts.
"""

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

from bench import BENCH
from bench.peers import FLOOR, PAGE, Peer, Started, Task
from bench.processes import families, family, processor_seconds
from bench.workloads import Way, Workload, ways
from tools import Problem

ANSWER_SECONDS = 60.0
WARM_SECONDS = 1


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One peer's part in one round."""

    rate: float
    p50: float
    p99: float
    processor: float  # processor seconds of the server for a request
    errors: int


@dataclass(frozen=True, kw_only=True)
class Series:
    """One peer's rounds with one workload, asked in one way."""

    mpm: str
    workload: str
    way: str
    peer: str
    samples: tuple[Sample, ...]


def measure(
    tasks: Sequence[Task],
    peers: Sequence[Peer],
    *,
    rounds: int,
    seconds: int,
    chosen_ways: Sequence[Way] | None = None,
) -> list[Series]:
    """Runs all peers of a workload at once. Those that are not asked sleep."""
    found: list[Series] = []
    for task in tasks:
        with ExitStack() as stack:
            standing = [
                (peer, stack.enter_context(peer.start(task)))
                for peer in peers
                if peer.name != FLOOR or task.workload.has_floor
            ]
            for peer, started in standing:
                check(peer, started, task.workload)
                wrk(started, task.workload, ways(task.workload, task.server.mpm)[-1], WARM_SECONDS)
            for way in chosen_ways or ways(task.workload, task.server.mpm):
                print(f"{task.server.mpm}: {task.workload.title}, {way.title}", file=sys.stderr)
                found += run_rounds(task, standing, way, rounds, seconds)
    return found


def run_rounds(
    task: Task, standing: Sequence[tuple[Peer, Started]], way: Way, rounds: int, seconds: int
) -> list[Series]:
    """Every other round goes backwards, so that no peer always follows the same neighbour."""
    samples: dict[str, list[Sample]] = {peer.name: [] for peer, _ in standing}
    for number in range(rounds):
        for peer, started in reversed(standing) if number % 2 else standing:
            samples[peer.name].append(wrk(started, task.workload, way, seconds))
    return [
        Series(
            mpm=task.server.mpm,
            workload=task.workload.name,
            way=way.title,
            peer=name,
            samples=tuple(taken),
        )
        for name, taken in samples.items()
    ]


def wrk(
    started: Started,
    workload: Workload,
    way: Way,
    seconds: int,
    paths: Sequence[str] = (PAGE,),
) -> Sample:
    """Runs wrk with one thread, which leaves the other processor to the server."""
    working = pids(started)
    before = processor_seconds(working)
    said = subprocess.run(
        [
            *("wrk", "--threads=1", f"--connections={way.concurrency}"),
            *(f"--duration={seconds}s", "--timeout=30s", f"--script={BENCH / 'ask.lua'}"),
            *(started.url, "--", "keep-alive" if way.keep_alive else "close"),
            *(str(workload.post), *paths),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + 120,
    )
    computed = processor_seconds(working) - before
    line = next((line for line in said.stdout.splitlines() if line.startswith("{")), None)
    if line is None:
        raise Problem(f"wrk failed on {started.url}: {said.stdout}{said.stderr}")
    facts = json.loads(line)
    done = facts["bytes"] if workload.by_bytes else facts["requests"]
    return Sample(
        rate=done / facts["seconds"],
        p50=facts["p50"],
        p99=facts["p99"],
        processor=computed / max(1, done),
        errors=facts["errors"],
    )


def pids(started: Started) -> list[int]:
    """All processes of a peer."""
    children = families()
    roots = [pid for pid in (started.apache, *started.others) if pid]
    return [pid for root in roots for pid in family(root, children)]


def check(peer: Peer, started: Started, workload: Workload, path: str = PAGE) -> None:
    """Waits for the first answer and checks it, since a wrong answer may be quick to make."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        problem = trouble(started, workload, path)
        if problem is None:
            return
        if time.monotonic() > deadline:
            raise Problem(f"{peer.title} does not serve {workload.title}: {problem}")
        time.sleep(0.005)


def trouble(started: Started, workload: Workload, path: str) -> str | None:
    """What is wrong with the answer, or None."""
    place = urlsplit(started.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
    try:
        body = b"x" * workload.post or None
        connection.request("POST" if body else "GET", path, body)
        answer = connection.getresponse()
        size = sum(len(part) for part in iter(lambda: answer.read(1 << 20), b""))
    except (OSError, http.client.HTTPException) as error:
        return repr(error)
    finally:
        connection.close()
    if answer.status == HTTPStatus.OK and workload.size in (0, size):
        return None
    return f"status {answer.status}, {size} bytes"
