"""A new process has loaded what was served before, when its first request comes."""

import time

import pytest

from tests.conftest import Serve
from tests.harness.errorlog import until
from tests.harness.site import Site

pytestmark = pytest.mark.needs("python-in-the-module")

CONFIG = """
<Location />
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application slow
    SetEnv mod_wsgi.directory "@{www}"
    SetEnv mod_wsgi.interpreter slow
    SetEnv mod_wsgi.environ.COLOUR blue
</Location>
"""

DEADLY = """
import os, signal

if os.path.exists("%s"):
    os.kill(os.getpid(), signal.SIGKILL)


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode("ascii")]
"""

SLOW = """
import os, time

COLOUR = os.environ["COLOUR"]
if os.path.exists("%s"):
    raise RuntimeError("no start while this is there")
time.sleep(0.5)
LOADED = time.time()


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("%%d %%.3f %%s" %% (os.getpid(), LOADED, COLOUR)).encode("ascii")]
"""


def started(serve: Serve) -> Site:
    return serve(CONFIG, files={"slow.py": SLOW % "@{www}/stop"}, processes=1)


def asked(site: Site) -> tuple[int, float, float]:
    """Which process has answered, how long before the question it was loaded, and how it was."""
    now = time.time()
    answer = site.get("/")
    pid, loaded, colour = answer.text.split()
    assert colour == "blue"
    return int(pid), now - float(loaded), time.time() - now


def answer_of_another(site: Site, pid: int) -> tuple[int, float, float]:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = asked(site)
        if found[0] != pid:
            return found
        time.sleep(0.3)
    pytest.fail("no new process has answered")


def test_a_new_child_has_loaded_before_its_first_request(serve: Serve) -> None:
    site = started(serve)
    pid, ago, _ = asked(site)
    assert ago < 0
    site.restart()
    assert until(lambda: set(site.children()) - {pid}, 20)
    time.sleep(1.5)
    _, ago, took = answer_of_another(site, pid)
    assert ago > 0
    assert took < 0.4


def test_a_load_that_fails_beforehand_is_logged_by_its_request_only(serve: Serve) -> None:
    site = started(serve)
    pid, _, _ = asked(site)
    (site.root / "htdocs" / "stop").write_text("")
    site.restart()
    assert until(lambda: set(site.children()) - {pid}, 20)
    time.sleep(1)
    (site.root / "htdocs" / "stop").unlink()
    _, ago, _ = answer_of_another(site, pid)
    assert ago < 0


def test_an_application_that_ends_the_process_while_it_loads_ends_no_second_one(
    serve: Serve,
) -> None:
    """Otherwise no child would ever take a request."""
    config = CONFIG.replace("<Location />", "<Location /deadly>").replace("slow", "deadly")
    files = {"deadly.py": DEADLY % "@{www}/stop", "fine.txt": "fine"}
    site = serve(config, files=files, processes=1)
    site.tolerates(r"exit signal Killed|signal 9")
    pid = int(site.get("/deadly").text)
    (site.root / "htdocs" / "stop").write_text("")
    site.restart()
    assert until(lambda: set(site.children()) - {pid}, 20)
    time.sleep(1)
    assert until(lambda: site.get("/fine.txt").text == "fine", 20)
    before = set(site.children())
    time.sleep(1.5)
    assert before & set(site.children())
    (site.root / "htdocs" / "stop").unlink()
    assert int(site.get("/deadly").text) != pid
