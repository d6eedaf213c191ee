"""The table of workloads and of the ways to ask."""

from dataclasses import dataclass
from itertools import product

from bench.kit import FILE_SIZE


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One application, and the request that it gets again and again."""

    name: str
    title: str
    module: str = "work"
    callable: str
    post: int = 0
    size: int = 0  # of the answer; 0: not known beforehand
    by_bytes: bool = False  # answers are too long for a round, so the rate is in bytes
    has_floor: bool = False  # bench/floor/mod_floor.c knows how to answer

    @property
    def needs_packages(self) -> bool:
        return self.module != "work"


HELLO = Workload(name="hello", title="hello, 13 bytes", callable="hello", size=13, has_floor=True)

WORKLOADS = (
    HELLO,
    Workload(name="page", title="page of 10 KB, 6 headers", callable="page", size=10244),
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
)


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
        for kept, number in product((True, False), (1, 8, 64))
        if (kept, number) != (True, 8)
    ),
)


def ways(workload: Workload, mpm: str) -> list[Way]:
    """The ways for an MPM.

    Prefork has a process for each connection, so 64 would measure the queue.
    """
    most = 8 if mpm == "prefork" or workload.by_bytes else 64
    return [way for way in WAYS if way.concurrency <= most]
