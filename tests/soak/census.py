"""Counts what a server has: processes, descriptors, memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.harness.site import Site, memory, running_processes, words_of

SERVER, CHILDREN = "Apache's parent", "Apache's children"
SPAWNER, PROCESSES = "the spawner", "applications' processes"

OF_A_PROCESS = 3  # the spawner's descriptors for each: control, news, output


@dataclass(frozen=True, kw_only=True)
class Count:
    """What processes of a kind have: the most descriptors of one, and their memory in KB."""

    processes: int
    descriptors: int
    most_memory: int


@dataclass(frozen=True, kw_only=True)
class Census:
    """What a whole server has."""

    counts: dict[str, Count]
    zombies: int

    def lasting(self, kind: str) -> int:
        """The most descriptors of one, without those that the spawner has for each process."""
        few = self.counts[kind].descriptors
        return few - OF_A_PROCESS * self.counts[PROCESSES].processes if kind == SPAWNER else few


def take(site: Site) -> Census:
    kinds = {
        SERVER: [site.pid],
        CHILDREN: site.children(),
        SPAWNER: site.spawners(),
        PROCESSES: site.spawned(),
    }
    parents = [site.pid, *site.spawners()]
    return Census(
        counts={kind: count(pids) for kind, pids in kinds.items()}, zombies=zombies(parents)
    )


def count(pids: Sequence[int]) -> Count:
    alive = [pid for pid in pids if words_of(pid)]
    return Count(
        processes=len(alive),
        descriptors=max((descriptors(pid) for pid in alive), default=0),
        most_memory=max((memory(pid, "VmRSS") >> 10 for pid in alive), default=0),
    )


def descriptors(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def zombies(parents: Sequence[int]) -> int:
    return sum(1 for pid in running_processes() if is_zombie_of(pid, parents))


def is_zombie_of(pid: int, parents: Sequence[int]) -> bool:
    try:
        facts = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return False
    return facts[0] == "Z" and int(facts[1]) in parents
