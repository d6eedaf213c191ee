"""Counts instructions per request by callgrind: the same in every run, whatever else goes on.

One process serves n requests, another 2n. The difference divided by n is one request, without the
start and the end.
"""

import http.client
import re
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from bench.kit import Kit
from bench.load import pids
from bench.peers import (
    BEFORE,
    FLOOR,
    OURS,
    PEERS,
    PROCESSES,
    Peer,
    Started,
    Task,
    apache,
    location,
    process_lines,
)
from bench.processes import stat
from bench.workloads import BELOW, HELLO, Workload
from command import Problem, httpd
from command.httpd import Load
from command.servers import Server

PROFILE = "profile"
REQUESTS = 500
ATTEMPTS = 3
END_SECONDS = 30.0
MOST_DIFFERENCE = 0.03  # between two starts of a peer
HEADERS = {
    "Host": "localhost",
    "User-Agent": "bench",
    "Accept": "*/*",
    "Accept-Language": "en",
    "Cookie": "session=0123456789abcdef",
}
_TOTAL = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)


@contextmanager
def start_plain_floor(task: Task) -> Iterator[Started]:
    """Apache's own cost without variables: the floor for the incumbent, which has directives."""
    with apache(task, task.kit.floor, location(task.workload.prefixes[0], {})) as started:
        yield started


@contextmanager
def start_process_floor(task: Task) -> Iterator[Started]:
    """Apache's own cost with the variables that an application with processes has."""
    with apache(task, task.kit.floor, process_lines(task)) as started:
        yield started


PLAIN_FLOOR = Peer(
    name="plain floor", title="C handler, no variables set", start=start_plain_floor
)
PROCESS_FLOOR = Peer(
    name="process floor", title="C handler, variables of processes", start=start_process_floor
)
COUNTED = (
    PLAIN_FLOOR,
    PROCESS_FLOOR,
    *(PEERS[name] for name in (FLOOR, OURS, PROCESSES, "embedded")),
)
ASKED = (HELLO, BELOW)


@dataclass(frozen=True, kw_only=True)
class Count:
    """Instructions of one request, and of everything that is no request."""

    request: float
    start: float


def measure(server: Server, kit: Kit) -> dict[str, dict[str, float]]:
    """By workload and peer, under prefork, for peers that can run in a single process."""
    load = Load(processes=1, threads=1)
    tasks = [Task(server=server, kit=kit, load=load, workload=each) for each in ASKED]
    peers = (*COUNTED, PEERS[BEFORE]) if kit.before else COUNTED
    counts = {peer.name: count_all(tasks, peer) for peer in peers}
    return {
        task.workload.name: {name: each[number].request for name, each in counts.items()}
        for number, task in enumerate(tasks)
    }


def count_all(tasks: Sequence[Task], peer: Peer) -> list[Count]:
    """Counts the requests of one peer, and again if its starts differ.

    On a busy machine, a start may do more than another, which would be taken for requests.
    """
    for _ in range(ATTEMPTS):
        counts = [count(task, peer) for task in tasks]
        starts = [each.start for each in counts]
        if max(starts) - min(starts) <= MOST_DIFFERENCE * max(starts):
            return counts
    raise Problem(f"the start of {peer.title} costs more one time than another: {starts}")


def count(task: Task, peer: Peer) -> Count:
    print(f"instructions: {task.workload.title}, {peer.title}", file=sys.stderr)
    few, many = (serve(task, peer, number) for number in (REQUESTS, 2 * REQUESTS))
    return Count(request=(many - few) / REQUESTS, start=2 * few - many)


def serve(task: Task, peer: Peer, requests: int) -> int:
    """Counts a server from start to end, when the profiles are written."""
    with httpd.server_root() as folder:
        with peer.start(replace(task, server=under_callgrind(task.server, folder))) as started:
            ask(started, task.workload, requests)
            working = pids(started)
        wait_for_end(working)
        return sum(total_of(profile) for profile in folder.glob(f"{PROFILE}.*"))


def under_callgrind(server: Server, folder: Path) -> Server:
    """The same server, run by valgrind in one process (-X).

    The programs that it starts are counted, too. Apache's profile is made before, since Apache
    opens it as one user and writes to it as another.
    """
    folder.chmod(0o777)
    program, profile = folder / "httpd", folder / PROFILE
    command = ["valgrind", "--tool=callgrind", "--trace-children=yes"]
    command += [f"--callgrind-out-file={profile}.%p", str(server.httpd), "-X"]
    program.write_text(
        f'#!/bin/sh\n: > {profile}.$$\nchmod 666 {profile}.$$\nexec {shlex.join(command)} "$@"\n'
    )
    program.chmod(0o755)
    return replace(server, httpd=program)


def ask(started: Started, workload: Workload, requests: int) -> None:
    """Sends the same request again and again, on one connection."""
    place = urlsplit(started.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
    for _ in range(requests):
        connection.putrequest("GET", workload.paths[0], skip_host=True, skip_accept_encoding=True)
        for name, value in HEADERS.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        if answer.status != HTTPStatus.OK or len(answer.read()) != workload.size:
            raise Problem(f"{started.url} answered {answer.status} under callgrind: see its log")
    connection.close()


def wait_for_end(pids: Sequence[int]) -> None:
    """A server does not wait for the end of what it has started."""
    deadline = time.monotonic() + END_SECONDS
    while any(stat(pid) for pid in pids):
        if time.monotonic() > deadline:
            raise Problem(f"some of the processes {pids} do not end under callgrind")
        time.sleep(0.1)


def total_of(profile: Path) -> int:
    total = _TOTAL.search(profile.read_text(errors="replace"))
    if not total:
        raise Problem(f"{profile} has no total: callgrind was killed before it could write")
    return int(total[1])
