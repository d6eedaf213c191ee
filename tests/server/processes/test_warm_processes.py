"""A new process of an application has loaded it when its first request comes."""

import os
import signal
import time
from dataclasses import dataclass

import pytest

from tests.conftest import Serve
from tests.harness.errorlog import until
from tests.harness.site import Site

pytestmark = pytest.mark.needs("processes")

STATUS = """
<Location /status>
    SetHandler mod_wsgi-status
</Location>
"""

SECTION = """
<Location /{name}>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application {name}
    SetEnv mod_wsgi.directory "@{{www}}"
    SetEnv mod_wsgi.process warm
    SetEnv mod_wsgi.processes 1
    SetEnv mod_wsgi.environ.COLOUR blue
</Location>
"""

SLOW = """
import os, time

COLOUR = os.environ["COLOUR"]
with open("@{scratch}/loads", "a") as noted:
    noted.write("x")
while os.path.exists("@{scratch}/hold"):
    time.sleep(0.02)
time.sleep(0.1)
with open("@{scratch}/loaded", "a") as noted:
    noted.write("x")


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("%d %s" % (os.getpid(), COLOUR)).encode("ascii")]
"""

QUICK = """
import os
%s

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode("ascii")]
"""

PATIENCE = 20.0


@dataclass(kw_only=True)
class Asked:
    pid: int
    colour: str


def asked(site: Site) -> Asked:
    # A connection that is kept would be that of a child from before a restart.
    pid, colour = site.get("/slow", headers={"Connection": "close"}).text.split()
    return Asked(pid=int(pid), colour=colour)


def another_than(site: Site, pid: int) -> Asked:
    """Asks until another process has answered."""
    answer = asked(site)
    deadline = time.monotonic() + PATIENCE
    while answer.pid == pid and time.monotonic() < deadline:
        time.sleep(0.02)
        answer = asked(site)
    assert answer.pid != pid
    return answer


def started(serve: Serve, *more: str, **files: str) -> Site:
    """An application whose load can be held up, and others."""
    config = STATUS + "".join(SECTION.format(name=name) for name in ("slow", *more))
    given = {f"{name}.py": text for name, text in files.items()}
    return serve(config, files={"slow.py": SLOW, **given})


def noted(site: Site, name: str) -> int:
    """How many loads have begun (loads), or are over (loaded)."""
    return len((site.scratch / name).read_text())


def load_time(site: Site) -> float:
    """As the status page has it, in seconds."""
    (row,) = site.get("/status?json").json()["applications"]
    return float(row["load"])


def restart_with_a_stop(site: Site, path: str) -> None:
    """The application of this path can't be loaded while the other one is. Then it is served."""
    first = asked(site)
    assert int(site.get(path).text) == first.pid
    stop = site.root / "htdocs" / "stop"
    stop.touch()
    site.restart()
    second = another_than(site, first.pid)
    stop.unlink()
    assert int(site.get(path).text) == second.pid


def test_no_request_waits_after_a_graceful_restart(serve: Serve) -> None:
    """The old process answers until the fresh one has loaded.

    Known of the incumbent: #631, #923.
    """
    site = started(serve)
    first = asked(site)
    assert load_time(site) > 0.09
    (site.scratch / "hold").touch()
    site.restart()
    assert until(lambda: noted(site, "loads") == 2, PATIENCE)
    assert [asked(site) for _ in range(3)] == [first] * 3
    (site.scratch / "hold").unlink()
    assert another_than(site, first.pid).colour == "blue"
    assert noted(site, "loaded") == 2


def test_a_process_that_was_killed_is_replaced_before_it_is_asked_for(serve: Serve) -> None:
    site = started(serve)
    site.expects(r"process \d+ of \S+: signal 9 after")
    first = asked(site)
    os.kill(first.pid, signal.SIGKILL)
    assert until(lambda: noted(site, "loaded") == 2, PATIENCE)
    (site.scratch / "hold").touch()
    assert asked(site).pid != first.pid
    assert noted(site, "loads") == 2


def test_an_application_whose_settings_have_changed_is_loaded_with_the_new_ones(
    serve: Serve,
) -> None:
    """Its request tells which these are. So nothing is loaded beforehand."""
    site = started(serve)
    first = asked(site)
    config = site.root / "httpd.conf"
    config.write_text(config.read_text().replace("COLOUR blue", "COLOUR green"))
    before = set(site.children())
    site.restart()
    assert until(lambda: not before & set(site.children()), PATIENCE)
    assert another_than(site, first.pid).colour == "green"


def test_a_load_that_ends_the_process_does_not_keep_it_from_other_applications(
    serve: Serve,
) -> None:
    deadly = QUICK % 'if os.path.exists("@{www}/stop"): os._exit(7)\n'
    site = started(serve, "deadly", deadly=deadly)
    site.expects(r"process \d+ of \S+: exit status 7 after \d s, before it was ready")
    restart_with_a_stop(site, "/deadly")


def test_a_load_that_fails_is_tried_again_by_the_first_request(serve: Serve) -> None:
    failing = QUICK % 'if os.path.exists("@{www}/stop"): raise RuntimeError("stop is there")\n'
    site = started(serve, "failing", failing=failing)
    restart_with_a_stop(site, "/failing")
