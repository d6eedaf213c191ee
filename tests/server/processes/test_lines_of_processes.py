"""What a process writes to its standard output and error goes to the server's log."""

import re

import pytest

from tests.conftest import Serve
from tests.harness.errorlog import until

pytestmark = pytest.mark.needs("processes")

CONFIG = """
<Location /writes>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application writes
    SetEnv mod_wsgi.directory "@{www}"
    SetEnv mod_wsgi.process writes
    SetEnv mod_wsgi.processes 1
</Location>
"""

APPLICATION = """
import os


def application(environ, start_response):
    for number in range(int(environ["QUERY_STRING"])):
        os.write(number % 2 + 1, ("line %d of a flood\\n" % number).encode("ascii"))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode("ascii")]
"""

LINES = 3000
LEFT_OUT = re.compile(r"MW0709: (\d+) lines are left out here: more than 100 in a second")


def test_of_a_flood_of_lines_a_hundred_a_second_are_logged(serve: Serve) -> None:
    """What is left out is counted. The next line tells of it."""
    site = serve(CONFIG, files={"writes.py": APPLICATION}, processes=1)
    pid = site.get(f"/writes?{LINES}").text

    def told() -> list[int]:
        site.get("/writes?1")
        return [int(count) for count in LEFT_OUT.findall("\n".join(site.watch.lines()))]

    counts = until(told, 10)
    assert counts
    lines = [line for line in site.watch.lines() if "of a flood" in line]
    assert all(
        re.search(rf"\[pid {pid}\] \S+/writes: line \d+ of a flood$", each) for each in lines
    )
    assert LINES // 2 < sum(counts) < LINES
    assert 100 <= len(lines) <= 1000
