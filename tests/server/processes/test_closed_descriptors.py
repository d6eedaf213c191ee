"""An application that closes descriptors of its process: others are served, and the log says why.

Python programs do so to become daemons: os.closerange(3, 1024). With a bound of memory, a process
looks each second what it has.
"""

from pathlib import Path

import pytest

from tests.harness.errorlog import until
from tests.harness.site import Site, exists

pytestmark = pytest.mark.needs("processes")

CONFIG = """
@{base}
@{applications}
<Location /closes>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application closes::application
    SetEnv mod_wsgi.directory "@{www}/code:@{apps}"
    SetEnv mod_wsgi.process closes
    SetEnv mod_wsgi.timeout 20
    SetEnv mod_wsgi.memory 500
</Location>
"""
OPTIONS = {"processes": 1, "deaths": True}

FILES = {
    "code/closes.py": """
import os
import tempfile

import answers

KEPT = []

def is_kind(fd, kind):
    try:
        return kind in os.readlink("/proc/self/fd/%d" % fd)
    except OSError:
        return False

def close(fds):
    for fd in fds:
        try:
            os.close(fd)
        except OSError:
            pass

def replace(fd):
    opened, name = tempfile.mkstemp()
    os.dup2(opened, fd)
    return name

def application(environ, start_response):
    what = environ["QUERY_STRING"]
    said = str(os.getpid())
    all_of_them = range(3, 256)
    if what == "all":
        close(all_of_them)
    elif what.startswith("replace-"):
        said += " " + replace(int(what[8:]))
    elif what.isdigit():
        close([int(what)])
    elif what:
        close([fd for fd in all_of_them if is_kind(fd, what)])
    return answers.plain(start_response, said.encode("ascii"))
"""
}

LOST = {
    "3": "3",
    "5": "5",
    "replace-3": "3",
    "replace-5": "5",
    "pipe": r"\d+",
    "eventpoll": r"\d+",
    "eventfd": r"\d+",
}


def pid_of(site: Site, query: str = "") -> int:
    answer = site.get("/closes?" + query)
    assert answer.status_code == 200, answer.text
    return int(answer.text.split()[0])


@pytest.mark.parametrize("what", LOST)
def test_a_process_that_lost_its_own_descriptors_is_replaced(site: Site, what: str) -> None:
    site.expects(f"MW0640: the application has closed the descriptor {LOST[what]} of its process")
    site.tolerates("MW0755|MW0707|MW0708")
    first = pid_of(site)
    answer = site.get("/closes?" + what).text.split()
    assert until(lambda: pid_of(site) != first, 15)
    assert until(lambda: not exists(first), 15)
    for name in map(Path, answer[1:]):
        assert name.stat().st_size == 0, "nothing is written to what the application opened"
        name.unlink()


def test_a_process_that_has_closed_all_is_replaced(site: Site) -> None:
    """Its connections, too: the request itself is lost."""
    site.expects("MW0607: process .* has ended, serving /closes")
    site.tolerates("MW0640|MW0755|MW0707|MW0708")
    first = pid_of(site)
    assert site.get("/closes?all").status_code == 502
    assert pid_of(site) != first
    assert until(lambda: not exists(first), 15)


@pytest.mark.parametrize("what", ["0", "1", "2"])
def test_a_process_does_without_the_others(site: Site, what: str) -> None:
    """What is printed is lost without 1 and 2."""
    first = pid_of(site)
    pid_of(site, what)
    assert [pid_of(site) for _ in range(3)] == [first] * 3
