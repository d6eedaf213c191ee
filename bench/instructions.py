"""Counts instructions per request by callgrind: the same in every run, whatever else goes on.

One process serves n requests, another 2n. The difference divided by n is one request, without the
start and the end.
"""

import http.client
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from bench.kit import Kit
from bench.peers import (
    BEFORE,
    FLOOR,
    OURS,
    PEERS,
    Peer,
    Started,
    Task,
    apache,
    location,
)
from bench.workloads import BELOW, HELLO, Workload
from tools import Problem, httpd
from tools.httpd import Load
from tools.servers import Server

REQUESTS = 500
ATTEMPTS = 3
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


PLAIN_FLOOR = Peer(
    name="plain floor", title="C handler, no variables set", start=start_plain_floor
)
COUNTED = (PLAIN_FLOOR, *(PEERS[name] for name in (FLOOR, OURS, "embedded")))
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
    """Counts a server from start to end, when the profile is written."""
    with httpd.server_root() as folder:
        with peer.start(replace(task, server=under_callgrind(task.server, folder))) as started:
            ask(started, task.workload, requests)
        return total_of(folder / "profile")


def under_callgrind(server: Server, folder: Path) -> Server:
    """The same server, run by valgrind in one process (-X).

    The profile is made now, since Apache opens it as one user and writes to it as another.
    """
    profile, program = folder / "profile", folder / "httpd"
    profile.touch()
    profile.chmod(0o666)
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}"]
    program.write_text(f'#!/bin/sh\nexec {shlex.join([*command, str(server.httpd)])} -X "$@"\n')
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


def total_of(profile: Path) -> int:
    total = _TOTAL.search(profile.read_text(errors="replace"))
    if not total:
        raise Problem(f"{profile} has no total: callgrind was killed before it could write")
    return int(total[1])
