"""Measures requests per second, latency and processor time: each peer is asked in turn, in rounds.

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
from statistics import median, quantiles
from urllib.parse import urlsplit

from bench import BENCH, http2, slow
from bench.peers import Peer, Started, Task, can_serve
from bench.processes import families, family, processor_seconds
from bench.workloads import Way, Workload
from command import Problem

ANSWER_SECONDS = 60.0
WARM_SECONDS = 1
WARM_ROUNDS = 40  # at most
REQUESTS_EACH = 5  # a second, of each interpreter; fewer while interpreters are being made
STEADY = 0.8


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One peer's part in one round."""

    rate: float
    p50: float
    p99: float
    processor: float  # processor seconds of the server for a request
    errors: int


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What a client measured. Latencies are in seconds."""

    done: float  # requests, or bytes of a workload whose rate is bytes
    seconds: float
    p50: float
    p99: float
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
    task: Task, peers: Sequence[Peer], ways: Sequence[Way], *, rounds: int, seconds: int
) -> list[Series]:
    """Runs all peers of a workload at once. Those that are not asked sleep."""
    found: list[Series] = []
    with ExitStack() as stack:
        standing = [
            (peer, stack.enter_context(peer.start(task)))
            for peer in peers
            if can_serve(peer, task.workload)
        ]
        for peer, started in standing:
            check(peer, started, task.workload)
            warm(task, started)
        for way in ways:
            print(f"{task.server.mpm}: {task.workload.title}, {way.title}", file=sys.stderr)
            found += run_rounds(task, standing, way, rounds, seconds)
    return found


def warm(task: Task, started: Started) -> None:
    """Asks until every process has every application, and a request costs as much as before.

    Kept connections reach all processes of prefork, one each.
    """
    load = task.load
    at_once = 8 if task.workload.by_bytes else min(64, load.processes * load.threads)
    way = Way(keep_alive=True, concurrency=at_once)
    enough = REQUESTS_EACH * load.processes * task.workload.mounts
    before = ask(started, task.workload, way, WARM_SECONDS)
    for _ in range(WARM_ROUNDS):
        sample = ask(started, task.workload, way, WARM_SECONDS)
        if sample.rate >= enough and sample.processor > STEADY * before.processor:
            return
        before = sample


def run_rounds(
    task: Task, standing: Sequence[tuple[Peer, Started]], way: Way, rounds: int, seconds: int
) -> list[Series]:
    """Every other round goes backwards, so that no peer always follows the same neighbour."""
    samples: dict[str, list[Sample]] = {peer.name: [] for peer, _ in standing}
    for number in range(rounds):
        for peer, started in reversed(standing) if number % 2 else standing:
            samples[peer.name].append(ask(started, task.workload, way, seconds))
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


def ask(started: Started, workload: Workload, way: Way, seconds: int) -> Sample:
    """Sends requests for some seconds. The workload's slow clients are connected meanwhile."""
    with slow.clients(started.url, workload.paths[0], workload.slow_clients):
        working = pids(started)
        before = processor_seconds(working)
        answers = (over_http2 if workload.http2 else wrk)(started, workload, way, seconds)
        computed = processor_seconds(working) - before
    return Sample(
        rate=answers.done / answers.seconds,
        p50=answers.p50,
        p99=answers.p99,
        processor=computed / max(1, answers.done),
        errors=answers.errors,
    )


def wrk(started: Started, workload: Workload, way: Way, seconds: int) -> Answers:
    """Runs wrk with one thread, which leaves the other processor to the server."""
    said = subprocess.run(
        [
            *("wrk", "--threads=1", f"--connections={way.concurrency}"),
            *(f"--duration={seconds}s", "--timeout=30s", f"--script={BENCH / 'ask.lua'}"),
            *(started.url, "--", "keep-alive" if way.keep_alive else "close"),
            *(str(workload.post), str(workload.pipelined), accepted(workload), *workload.paths),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + 120,
    )
    line = next((line for line in said.stdout.splitlines() if line.startswith("{")), None)
    if line is None:
        raise Problem(f"wrk failed on {started.url}: {said.stdout}{said.stderr}")
    facts = json.loads(line)
    return Answers(
        done=facts["bytes"] if workload.by_bytes else facts["requests"],
        seconds=facts["seconds"],
        p50=facts["p50"],
        p99=facts["p99"],
        errors=facts["errors"],
    )


def over_http2(started: Started, workload: Workload, way: Way, seconds: int) -> Answers:
    """Asks on one connection, with as many streams as other clients have connections."""
    found = http2.ask(started.url, workload.paths[0], streams=way.concurrency, seconds=seconds)
    return Answers(
        done=len(found.latencies),
        seconds=found.seconds,
        p50=median(found.latencies),
        p99=quantiles(found.latencies, n=100)[-1],
        errors=found.errors,
    )


def accepted(workload: Workload) -> str:
    return "gzip" if workload.compressed else ""


def pids(started: Started) -> list[int]:
    """All processes of a peer."""
    children = families()
    roots = [pid for pid in (started.apache, *started.others) if pid]
    return [pid for root in roots for pid in family(root, children)]


def check(peer: Peer, started: Started, workload: Workload) -> None:
    """Waits for the first answers and checks them, since a wrong one may be quick to make."""
    deadline = time.monotonic() + ANSWER_SECONDS
    for path in workload.paths:
        while problem := trouble(started, workload, path):
            if time.monotonic() > deadline:
                raise Problem(f"{peer.title} does not serve {workload.title}: {problem}")
            time.sleep(0.005)


def trouble(started: Started, workload: Workload, path: str) -> str:
    """What is wrong with the answer, or an empty text."""
    place = urlsplit(started.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
    try:
        body = b"x" * workload.post or None
        headers = {"Accept-Encoding": accepted(workload) or "identity"}
        connection.request("POST" if body else "GET", path, body, headers)
        answer = connection.getresponse()
        size = sum(len(part) for part in iter(lambda: answer.read(1 << 20), b""))
    except (OSError, http.client.HTTPException) as error:
        return repr(error)
    finally:
        connection.close()
    encoding = answer.getheader("Content-Encoding", "")
    if answer.status != HTTPStatus.OK or workload.size not in (0, size):
        return f"status {answer.status}, {size} bytes"
    return "" if encoding == accepted(workload) else f"its encoding is {encoding!r}"
