"""Instructions per request, counted by callgrind: the same on every run, whatever else goes on.

One process serves n requests, another 2n; the difference divided by n is one request, without the
start and the end. The same difference for each function tells where they go.
"""

import http.client
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from bench.kit import Kit
from bench.peers import FLOOR, OURS, PAGE, PEERS, Peer, Started, Task, apache, location
from bench.workloads import HELLO
from tools import Problem, httpd
from tools.httpd import Load
from tools.servers import Server

REQUESTS = 500
HEADERS = {
    "Host": "localhost",
    "User-Agent": "bench",
    "Accept": "*/*",
    "Accept-Language": "en",
    "Cookie": "session=0123456789abcdef",
}
_TOTAL = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)
_FUNCTION = re.compile(r"^\s*([\d,]+) \([^)]*\)\s+\S*?:(\S.*?)(?: \[(.*)\])?$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Function:
    """One function's own instructions in a request."""

    name: str
    library: str
    count: float


@dataclass(frozen=True, kw_only=True)
class Count:
    """What one request costs, and where; the dearest function first."""

    total: float
    functions: tuple[Function, ...]


@contextmanager
def start_plain_floor(task: Task) -> Iterator[Started]:
    """Apache's price without the variables: the incumbent's floor, which has directives."""
    with apache(task, task.kit.floor, location("", {})) as started:
        yield started


PLAIN_FLOOR = Peer(
    name="plain floor", title="C handler, no variables set", start=start_plain_floor
)
COUNTED = (PLAIN_FLOOR, PEERS[FLOOR], PEERS[OURS], PEERS["embedded"])


def measure(server: Server, kit: Kit) -> dict[str, Count]:
    """Hello on prefork: who runs in one process only can be counted."""
    task = Task(server=server, kit=kit, load=Load(processes=1, threads=1), workload=HELLO)
    counts = {}
    for peer in COUNTED:
        print(f"instructions: {peer.title}", file=sys.stderr)
        few, many = (serve(task, peer, number) for number in (REQUESTS, 2 * REQUESTS))
        counts[peer.name] = difference(few, many, REQUESTS)
    return counts


def serve(task: Task, peer: Peer, requests: int) -> Count:
    """Counts the whole life of a server; its profile is written when it ends."""
    with httpd.server_root() as folder:
        with peer.start(replace(task, server=under_callgrind(task.server, folder))) as started:
            ask(started, requests)
        return read(folder / "profile")


def under_callgrind(server: Server, folder: Path) -> Server:
    """The same server, but its program is valgrind, and it keeps to one process (-X).

    The profile is made now, since it is opened by whom Apache starts as and written to by whom
    it serves as.
    """
    profile, program = folder / "profile", folder / "httpd"
    profile.touch()
    profile.chmod(0o666)
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}"]
    program.write_text(f'#!/bin/sh\nexec {shlex.join([*command, str(server.httpd)])} -X "$@"\n')
    program.chmod(0o755)
    return replace(server, httpd=program)


def ask(started: Started, requests: int) -> None:
    """The same request again and again, on one connection."""
    place = urlsplit(started.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
    for _ in range(requests):
        connection.putrequest("GET", PAGE, skip_host=True, skip_accept_encoding=True)
        for name, value in HEADERS.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        if answer.status != HTTPStatus.OK or len(answer.read()) != HELLO.size:
            raise Problem(f"{started.url} answered {answer.status} under callgrind: see its log")
    connection.close()


def read(profile: Path, *, inclusive: bool = False) -> Count:
    """A profile's total and each function's share, as callgrind_annotate says it.

    A function is listed once for each file that was inlined into it, and not always with its
    library.
    """
    total = _TOTAL.search(profile.read_text(errors="replace"))
    if not total:
        raise Problem(f"{profile} has no total: callgrind was killed before it could write")
    listed = subprocess.run(
        [
            *("callgrind_annotate", "--threshold=100", "--auto=no"),
            *(f"--inclusive={'yes' if inclusive else 'no'}", str(profile)),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    counts: dict[str, float] = {}
    libraries: dict[str, str] = {}
    for count, name, library in _FUNCTION.findall(listed):
        counts[name] = counts.get(name, 0) + float(count.replace(",", ""))
        libraries[name] = libraries.get(name) or Path(library).name
    return Count(
        total=float(total[1]),
        functions=tuple(
            Function(name=name, library=libraries[name], count=count)
            for name, count in counts.items()
        ),
    )


def difference(few: Count, many: Count, requests: int) -> Count:
    """What one request costs, when one run made that many requests more than the other."""
    before = {function.name: function.count for function in few.functions}
    functions = [
        replace(function, count=(function.count - before.get(function.name, 0)) / requests)
        for function in many.functions
    ]
    return Count(
        total=(many.total - few.total) / requests,
        functions=tuple(sorted(functions, key=lambda function: -function.count)),
    )
