"""The table of workloads and of the ways to ask."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

from bench.kit import FILE_SIZE

CONNECTIONS = (1, 8, 64)
WITH_THREADS = ("event", "worker")
MPMS = (*WITH_THREADS, "prefork")


@dataclass(frozen=True, kw_only=True)
class Way:
    """How clients connect: whether they keep connections, and how many come at once."""

    keep_alive: bool
    concurrency: int

    @property
    def title(self) -> str:
        return f"{'keep-alive' if self.keep_alive else 'close'}, {self.concurrency} at once"


# The first is what a quick run asks.
WAYS = (
    Way(keep_alive=True, concurrency=8),
    *(
        Way(keep_alive=kept, concurrency=number)
        for kept, number in product((True, False), CONNECTIONS)
        if (kept, number) != (True, 8)
    ),
)


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One application or several, and the request that they get again and again.

    A single application is mounted at the URL `mount`. Ten are mounted at this URL with 0 to 9
    appended, and are asked in turn. No URL that is asked is a directory of Apache's, where mod_dir
    first looks for an index file.
    """

    name: str
    title: str
    module: str = "work"
    callable: str
    mount: str = ""  # nothing: the root of the server
    path: str = "/page"  # below the mount
    mounts: int = 1
    post: int = 0
    size: int = 0  # of the answer; 0: not known beforehand
    by_bytes: bool = False  # answers are too long for a round, so the rate is in bytes
    has_floor: bool = False  # bench/floor/mod_floor.c knows how to answer
    pipelined: int = 1  # requests that are sent together
    compressed: bool = False  # the client accepts gzip, and must get it
    http2: bool = False
    slow_clients: int = 0  # that are served meanwhile
    needs: tuple[str, ...] = ()  # modules of Apache
    lines: str = ""  # of configuration
    in_apache: bool = False  # only for peers that answer in Apache's own processes
    one_way: bool = False  # asked in the first way only
    mpms: tuple[str, ...] = MPMS

    @property
    def needs_packages(self) -> bool:
        return self.module != "work"

    @property
    def prefixes(self) -> list[str]:
        """Where the applications are mounted."""
        if self.mounts == 1:
            return [self.mount]
        return [f"{self.mount}{number}" for number in range(self.mounts)]

    @property
    def paths(self) -> list[str]:
        """What is asked: one URL for each application."""
        return [prefix + self.path for prefix in self.prefixes]


HELLO = Workload(name="hello", title="hello, 13 bytes", callable="hello", size=13, has_floor=True)
BELOW = replace(
    HELLO, name="below", title="hello, /app/a/b?x=1", mount="/app", path="/a/b?x=1", one_way=True
)
PAGE = Workload(
    name="page", title="page of 10 KB, 6 headers", callable="page", size=10244, has_floor=True
)


def applications(number: int) -> Workload:
    """Several applications with an interpreter each, asked in turn."""
    return replace(
        BELOW,
        name=f"apps{number}",
        title=f"{number} applications",
        mounts=number,
        in_apache=True,
    )


WORKLOADS = (
    HELLO,
    BELOW,
    PAGE,
    Workload(name="blocks", title="1 MB in 64 KB blocks", callable="blocks", size=1 << 20),
    Workload(
        name="echo",
        title="POST of 64 KB, echoed",
        callable="echo",
        post=1 << 16,
        size=1 << 16,
        has_floor=True,
    ),
    Workload(
        name="stream",
        title="generator, 100 pieces",
        callable="stream",
        size=10000,
        has_floor=True,
    ),
    Workload(
        name="file",
        title="file_wrapper, 100 MB",
        callable="file",
        size=FILE_SIZE,
        by_bytes=True,
    ),
    Workload(name="django", title="Django view", module="bench_site", callable="application"),
    applications(10),
    # Eight processes of prefork would have 400 interpreters.
    replace(applications(50), mpms=WITH_THREADS),
    replace(
        HELLO,
        name="pipelined",
        title="hello, 8 requests sent together",
        pipelined=8,
        in_apache=True,
        one_way=True,
    ),
    # Apache's HTTP/2 wants an MPM with threads.
    replace(
        HELLO,
        name="http2",
        title="hello, HTTP/2, streams of one connection",
        http2=True,
        needs=("mod_http2",),
        lines="Protocols h2c http/1.1\n",
        in_apache=True,
        one_way=True,
        mpms=WITH_THREADS,
    ),
    replace(
        PAGE,
        name="deflate",
        title="page of 10 KB, compressed",
        size=0,
        compressed=True,
        needs=("mod_deflate",),
        lines="SetOutputFilter DEFLATE\n",
        in_apache=True,
        one_way=True,
    ),
    replace(
        HELLO,
        name="slow",
        title="hello beside 4 slow clients",
        slow_clients=4,
        in_apache=True,
        one_way=True,
    ),
)


def ways(workload: Workload, mpm: str, connections: Sequence[int] = ()) -> list[Way]:
    """The ways with the chosen numbers of connections, or those that suit the MPM.

    Prefork has a process for each connection. So 64 connections would measure the queue for its
    eight processes.
    """
    most = 8 if mpm == "prefork" or workload.by_bytes else 64
    chosen = connections or [number for number in CONNECTIONS if number <= most]
    able = WAYS[:1] if workload.one_way else WAYS
    return [way for way in able if way.concurrency in chosen]
