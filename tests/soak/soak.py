"""One soak of one server, and what came of it."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

from tests.harness.errorlog import until
from tests.harness.site import Site
from tests.soak import census, traffic
from tests.soak.census import Census
from tests.soak.editing import Edits, source
from tests.soak.faults import Faults
from tests.soak.traffic import Asked, Traffic

APPLICATION = """
<Location /{name}>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application soaked::{name}
    SetEnv mod_wsgi.interpreter {interpreter}
    SetEnv mod_wsgi.memory 60
</Location>
"""
EDITED = """
<Location /edited>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application edited::application
    SetEnv mod_wsgi.directory "@{www}/edited"
    SetEnv mod_wsgi.interpreter edited
    SetEnv mod_wsgi.reload on
</Location>
"""
INTERPRETERS = {"whole": "soak", "parts": "soak", "echo": "soak", "slow": "slow", "leak": "leak"}
CONFIG = (
    'SetEnv mod_wsgi.directory "@{apps}"\n'
    + "".join(APPLICATION.format(name=name, interpreter=i) for name, i in INTERPRETERS.items())
    + EDITED
)
FILES = {"edited/edited.py": source(0)}

SETTLE = 30.0  # seconds for the server to come to rest

# What descriptors may differ by without a leak: kept connections, a log that is about to close.
SPARE_DESCRIPTORS = 8


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long, how many clients, how much they rest, and how often something is done."""

    seconds: float
    clients: int = 6
    pause: float = 0.25
    period: float = 5.0
    seed: int = 1


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a soak."""

    seconds: float
    requests: dict[str, int]
    done: dict[str, int]
    cut: list[Asked]  # a process was killed meanwhile
    lost: list[Asked]
    warm: Census
    end: Census
    last_edit_is_served: bool

    def faults(self) -> Iterator[str]:
        """What must not be, in words."""
        for asked in self.lost:
            yield described(asked)
        yield from (described(asked) for asked in self.cut if is_wrong(asked))
        if not self.last_edit_is_served:
            yield "the last edit is not served"
        if self.end.zombies:
            yield f"{self.end.zombies} zombies"
        for kind in self.warm.counts:
            before, after = self.warm.lasting(kind), self.end.lasting(kind)
            if after > before + SPARE_DESCRIPTORS:
                yield f"{kind}: {before} descriptors became {after}"


def described(asked: Asked) -> str:
    took = asked.ended - asked.began
    return f"{asked.kind}: {asked.fault} after {took:.1f} s, at {asked.clock}"


def is_wrong(asked: Asked) -> bool:
    return asked.fault.startswith("wrong")


def soak(site: Site, plan: Plan) -> Outcome:
    """Every kind of fault is done once before anything is counted: that is the warm-up."""
    edits = Edits(path=site.root / "htdocs" / "edited" / "edited.py")
    faults = Faults(site=site, edits=edits)
    clients = Traffic(site=site, edits=edits, pause=plan.pause, seed=plan.seed)
    chance = random.Random(plan.seed)  # noqa: S311  nothing is secret here
    began = time.monotonic()
    with traffic.running(clients, plan.clients):
        for kind in faults.kinds():
            faults.do(kind, chance)
            time.sleep(min(plan.period, 1.0))
        warm = rest(site)
        while time.monotonic() < began + plan.seconds:
            faults.do(chance.choice(list(faults.kinds())), chance)
            time.sleep(plan.period)
    served = until(lambda: edits.is_last(clients.exchange("/edited").body), SETTLE)
    cut = [asked for asked in clients.faulty if is_excused(asked, faults.kills)]
    return Outcome(
        seconds=time.monotonic() - began,
        requests=dict(clients.counts),
        done=dict(faults.counts),
        cut=cut,
        lost=[asked for asked in clients.faulty if asked not in cut],
        warm=warm,
        end=rest(site),
        last_edit_is_served=served,
    )


def rest(site: Site) -> Census:
    """What the server has when one spawner is left, and no process that has ended."""
    until(lambda: len(site.spawners()) < 2 and not census.take(site).zombies, SETTLE)
    return census.take(site)


def is_excused(asked: Asked, kills: list[tuple[float, float]]) -> bool:
    """Whether a process was killed while the request was under way."""
    return any(asked.began <= ended and began <= asked.ended for began, ended in kills)
