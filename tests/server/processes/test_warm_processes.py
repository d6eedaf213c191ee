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
with open("%s", "a") as noted:
    noted.write("x")
time.sleep(0.5)


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("%%d %%s" %% (os.getpid(), COLOUR)).encode("ascii")]
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
    took: float


def asked(site: Site) -> Asked:
    began = time.monotonic()
    pid, colour = site.get("/slow").text.split()
    return Asked(pid=int(pid), colour=colour, took=time.monotonic() - began)


def watched(site: Site, pid: int) -> list[Asked]:
    """Asks until another process has answered."""
    answers = [asked(site)]
    deadline = time.monotonic() + PATIENCE
    while answers[-1].pid == pid and time.monotonic() < deadline:
        time.sleep(0.02)
        answers.append(asked(site))
    assert answers[-1].pid != pid
    return answers


def started(serve: Serve, *more: str, **files: str) -> Site:
    """An application that takes half a second to load, and others."""
    config = "".join(SECTION.format(name=name) for name in ("slow", *more))
    given = {f"{name}.py": text for name, text in files.items()}
    return serve(config, files={"slow.py": SLOW % "@{scratch}/loads", **given})


def loads(site: Site) -> int:
    return len((site.scratch / "loads").read_text())


def test_no_request_waits_after_a_graceful_restart(serve: Serve) -> None:
    site = started(serve)
    first = asked(site)
    assert first.took > 0.4
    site.restart()
    answers = watched(site, first.pid)
    assert max(each.took for each in answers) < 0.4
    assert {each.colour for each in answers} == {"blue"}
    assert loads(site) == 2


def test_a_process_that_was_killed_is_replaced_before_it_is_asked_for(serve: Serve) -> None:
    site = started(serve)
    site.expects(r"process \d+ of \S+: signal 9 after")
    first = asked(site)
    os.kill(first.pid, signal.SIGKILL)
    assert until(lambda: loads(site) == 2, PATIENCE)
    time.sleep(0.7)
    second = asked(site)
    assert second.pid != first.pid
    assert second.took < 0.4


def test_an_application_whose_settings_have_changed_is_loaded_with_the_new_ones(
    serve: Serve,
) -> None:
    """Its request tells which these are. So nothing is loaded beforehand."""
    site = started(serve)
    first = asked(site)
    config = site.root / "httpd.conf"
    config.write_text(config.read_text().replace("COLOUR blue", "COLOUR green"))
    site.restart()
    assert watched(site, first.pid)[-1].colour == "green"


def test_a_load_that_ends_the_process_does_not_keep_it_from_other_applications(
    serve: Serve,
) -> None:
    deadly = QUICK % 'if os.path.exists("@{www}/stop"): os._exit(7)\n'
    site = started(serve, "deadly", deadly=deadly)
    site.expects(r"process \d+ of \S+: exit status 7 after \d s, before it was ready")
    first = asked(site)
    assert int(site.get("/deadly").text) == first.pid
    (site.root / "htdocs" / "stop").write_text("")
    site.restart()
    second = watched(site, first.pid)[-1]
    (site.root / "htdocs" / "stop").unlink()
    assert int(site.get("/deadly").text) == second.pid


def test_a_load_that_fails_is_tried_again_by_the_first_request(serve: Serve) -> None:
    failing = QUICK % 'if os.path.exists("@{www}/stop"): raise RuntimeError("stop is there")\n'
    site = started(serve, "failing", failing=failing)
    first = asked(site)
    assert int(site.get("/failing").text) == first.pid
    (site.root / "htdocs" / "stop").write_text("")
    site.restart()
    second = watched(site, first.pid)[-1]
    (site.root / "htdocs" / "stop").unlink()
    assert int(site.get("/failing").text) == second.pid
