"""The spawner with hundreds of users, a thousand applications and ten thousand starts."""

import os
import statistics
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from command import TOP
from tests.harness import accounts
from tests.harness.errorlog import until
from tests.harness.site import memory
from tests.harness.spawner import FLAGS, compile_into
from tests.soak.census import descriptors, zombies
from tests.unit.test_spawner import Given, Spawner, answer, running

USERS, GROUPS, MOST_ALIVE, STARTS = 300, 1000, 256, 10_000
AT_ONCE = 64
FAKE = TOP / "tests" / "unit" / "spawned.c"

# What the spawner may grow by, once it has seen each group.
MOST_GROWTH = 256 << 10
SPARE_DESCRIPTORS = 8

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture
def folder() -> Iterator[Path]:
    """The spawner, and the light program in the place of an application's."""
    with tempfile.TemporaryDirectory(prefix="spawner-") as name:
        place = Path(name)
        place.chmod(0o755)
        compile_into(place)
        light = place / "mod_wsgi-py3.11"
        subprocess.run(["gcc", *FLAGS, str(FAKE), "-o", str(light)], check=True)
        yield place


@dataclass(kw_only=True)
class Crowd:
    """The processes that are alive, the oldest first. Not frozen: they come and go."""

    spawner: Spawner
    users: list[int]
    alive: deque[Given] = field(default_factory=deque)
    seconds: list[float] = field(default_factory=list)

    def start(self, number: int) -> None:
        """One more process. Of too many the oldest end first."""
        if len(self.alive) == MOST_ALIVE:
            self.end(AT_ONCE)
        group = number % GROUPS
        user = self.users[group % len(self.users)]
        began = time.monotonic()
        given = answer(self.spawner.begin(f"#{user}", name=f"app{group}", customer=True))
        self.seconds.append(time.monotonic() - began)
        assert isinstance(given, Given), given
        self.alive.append(given)
        os.close(given.board)

    def end(self, count: int) -> None:
        """The oldest end. They have gone when this returns."""
        ending = [self.alive.popleft() for _ in range(count)]
        for given in ending:
            given.tell("end")
        for given in ending:
            assert given.ends()
            given.connection.close()
            self.spawner.opened.remove(given.connection)
        pids = {given.pid for given in ending}
        assert until(lambda: not pids & set(self.spawner.children()), 15)

    def end_all(self) -> None:
        self.end(len(self.alive))
        assert self.spawner.children() == []

    def size(self) -> tuple[int, int]:
        pid = self.spawner.process.pid
        return descriptors(pid), memory(pid, "VmRSS")


@only_root
@pytest.mark.slow
def test_ten_thousand_starts_of_a_thousand_groups_leave_nothing(
    folder: Path, request: pytest.FixtureRequest
) -> None:
    with accounts.crowd(USERS) as users, running(folder, {}) as spawner:
        crowd = Crowd(spawner=spawner, users=users)
        for number in range(GROUPS):
            crowd.start(number)
        crowd.end_all()
        few, small = crowd.size()
        for number in range(GROUPS, STARTS):
            crowd.start(number)
        for number in range(MOST_ALIVE - len(crowd.alive)):
            crowd.start(number)
        many, large = crowd.size()
        assert zombies([spawner.process.pid]) == 0
        crowd.end_all()
        left, size = crowd.size()
    hundredths = statistics.quantiles(crowd.seconds, n=100)
    request.node.user_properties += [
        ("start-p50-ms", round(hundredths[49] * 1000, 1)),
        ("start-p95-ms", round(hundredths[94] * 1000, 1)),
        ("descriptors-with-256", many),
        ("memory-with-256", large),
        ("descriptors", (few, left)),
        ("memory", (small, size)),
    ]
    assert left <= few + SPARE_DESCRIPTORS
    assert size <= small + MOST_GROWTH
