"""What is done to the server while clients ask."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from tests.harness.errorlog import until
from tests.harness.site import Site
from tests.soak.editing import Edits

PATIENCE = 30.0
FROZEN = 1.0  # seconds

Fault = Callable[[random.Random], None]


@dataclass(kw_only=True)
class Faults:
    """What was done, and within which times processes were killed: their requests may be lost."""

    site: Site
    edits: Edits
    counts: Counter[str] = field(default_factory=Counter)
    kills: list[tuple[float, float]] = field(default_factory=list)

    def kinds(self) -> dict[str, Fault]:
        everywhere: dict[str, Fault] = {"graceful restart": self.restart, "edit": self.edit}
        if self.site.mode == "embedded":
            return everywhere
        return {
            **everywhere,
            "process killed": self.kill_a_process,
            "process terminated": self.terminate_a_process,
            "process stopped for a second": self.freeze_a_process,
            "spawner killed": self.kill_the_spawner,
            "swap (SIGHUP to the spawner)": self.swap,
        }

    def do(self, kind: str, chance: random.Random) -> None:
        self.kinds()[kind](chance)
        self.counts[kind] += 1

    def restart(self, _chance: random.Random) -> None:
        self.site.restart()

    def edit(self, _chance: random.Random) -> None:
        self.edits.edit()

    def kill_a_process(self, chance: random.Random) -> None:
        began = time.monotonic()
        self._signal_one(chance, signal.SIGKILL)
        self.kills.append((began, time.monotonic()))

    def terminate_a_process(self, chance: random.Random) -> None:
        self._signal_one(chance, signal.SIGTERM)

    def freeze_a_process(self, chance: random.Random) -> None:
        pid = self._signal_one(chance, signal.SIGSTOP)
        time.sleep(FROZEN)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    def kill_the_spawner(self, _chance: random.Random) -> None:
        before = self.site.spawners()
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        assert until(lambda: set(self.site.spawners()) - set(before), PATIENCE), "no other spawner"

    def swap(self, _chance: random.Random) -> None:
        for pid in self.site.spawners():
            os.kill(pid, signal.SIGHUP)

    def _signal_one(self, chance: random.Random, number: signal.Signals) -> int:
        """A process that was there a moment ago may have ended since."""
        pids = until(self.site.spawned, PATIENCE)
        assert pids, "no process has started"
        pid = chance.choice(pids)
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        return pid
