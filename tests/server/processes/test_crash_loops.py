"""An application whose processes die as soon as they begin costs the machine little."""

import time

import pytest

from tests.conftest import Serve
from tests.harness.errorlog import until

pytestmark = pytest.mark.needs("processes")

CONFIG = """
<Location /loop>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application loop
    SetEnv mod_wsgi.directory "@{www}"
    SetEnv mod_wsgi.process loop
</Location>
"""

APPLICATION = """
import os, sys

if os.path.exists("@{scratch}/stop"):
    with open("@{scratch}/starts", "a") as noted:
        noted.write("x")
    os.write(2, b"<3>there are no moons\\n")
    os._exit(7)


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"up"]
"""


def test_a_crash_loop_slows_down_and_ends_when_its_cause_does(serve: Serve) -> None:
    site = serve(CONFIG, files={"loop.py": APPLICATION})
    for line in (
        r"process \d+ of \S+: exit status 7 after \d s",
        r"process \d+ of \S+ has ended, serving /loop",
        r"there are no moons",
        r"MW0720: \d processes of \S+ have died soon after their start",
    ):
        site.expects(line)
    stop = site.scratch / "stop"
    stop.touch()
    seen = []
    end = time.monotonic() + 5
    while time.monotonic() < end:
        seen.append(site.get("/loop").status_code)
    assert set(seen) == {502, 503}
    assert len(seen) > 10
    assert len((site.scratch / "starts").read_text()) <= 5
    stop.unlink()
    assert until(lambda: site.get("/loop").status_code == 200, 20)
