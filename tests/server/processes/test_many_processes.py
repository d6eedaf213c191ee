"""As many processes of customers as a server has at most, all at once."""

import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from bench.processes import pss
from tests.conftest import Serve
from tests.harness import accounts
from tests.harness.hosting import CONFIG, Hosting, need_root
from tests.harness.site import Site
from tests.soak import census

pytestmark = [pytest.mark.slow, pytest.mark.needs("processes")]

OWNERS = 256
PATIENCE = 60.0
AT_ONCE = 4

OWNED = """
import os

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getuid()).encode("ascii")]
"""


@dataclass(frozen=True, kw_only=True)
class Customers:
    """The owners, each with an application in a folder of the same number."""

    site: Site
    owners: list[int]

    def furnish(self) -> None:
        hosting = Hosting.of(self.site)
        for owner in self.owners:
            hosting.application(owner, str(owner), OWNED)

    def seconds(self, owner: int) -> float:
        """How long a customer waits for an answer."""
        began = time.monotonic()
        reply = self.site.get(f"/{owner}/", timeout=PATIENCE)
        assert (reply.status_code, reply.text) == (200, str(owner))
        return time.monotonic() - began

    def ask_all(self) -> list[float]:
        with ThreadPoolExecutor(AT_ONCE) as clients:
            return sorted(clients.map(self.seconds, self.owners))


@pytest.fixture
def owners() -> Iterator[list[int]]:
    need_root()
    with accounts.crowd(OWNERS) as numbers:
        yield numbers


def test_each_of_256_owners_has_a_process(
    serve: Serve, owners: list[int], request: pytest.FixtureRequest
) -> None:
    site = serve(CONFIG)
    customers = Customers(site=site, owners=owners)
    customers.furnish()
    first, later = customers.ask_all(), customers.ask_all()
    spawned = site.spawned()
    assert len(spawned) == OWNERS
    assert census.take(site).zombies == 0
    (spawner,) = site.spawners()
    memory = sorted(map(pss, spawned))
    request.node.user_properties += [
        ("first-answer-p50-ms", round(statistics.median(first) * 1000)),
        ("first-answer-p95-ms", round(first[len(first) * 95 // 100] * 1000)),
        ("later-answer-p50-ms", round(statistics.median(later) * 1000)),
        ("pss-of-all-kb", sum(memory)),
        ("pss-of-one-kb", statistics.median(memory)),
        ("pss-of-the-spawner-kb", pss(spawner)),
        ("descriptors-of-the-spawner", census.descriptors(spawner)),
    ]
