"""The first seconds of what ./dev soak does for half an hour."""

import pytest

from tests.conftest import Serve
from tests.soak.soak import CONFIG, FILES, Plan, soak

pytestmark = pytest.mark.needs("processes")

SMOKE = Plan(seconds=20, clients=4, pause=0.1, period=1)


def test_no_request_is_lost_but_those_of_processes_that_are_killed(serve: Serve) -> None:
    site = serve(CONFIG, files=FILES, deaths=True)
    outcome = soak(site, SMOKE)
    site.tolerates("mod_wsgi-spawner has ended: another one begins")
    site.tolerates(r"process \d+ of \S+: signal (9|15) after")
    site.tolerates(r"process \d+ of \S+ has ended, serving")
    assert list(outcome.faults()) == []
    assert sum(outcome.requests.values()) > 100
