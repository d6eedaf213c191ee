"""os.environ: each interpreter's begins as the server's, and has what its own settings say.

One process serves each of these, so that all interpreters meet in one.
"""

from typing import Any

from tests.conftest import Serve
from tests.harness.errorlog import until
from tests.harness.site import Site

SECTION = """
<Location /{name}>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.directory "@{{apps}}"
    SetEnv mod_wsgi.interpreter {interpreter}
    SetEnv mod_wsgi.application surroundings::{application}
    SetEnv tests.scratch "@{{scratch}}"
    {more}
</Location>
"""


def section(
    name: str, more: str = "", *, interpreter: str = "", application: str = "shown"
) -> str:
    return SECTION.format(
        name=name, interpreter=interpreter or name, application=application, more=more
    )


INTERPRETERS = ("main_interpreter", "red", "green", "blue")

CONFIG = "".join(section(name) for name in INTERPRETERS)


def told(site: Site, path: str) -> Any:
    reply = site.get(path)
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_an_interpreter_begins_with_the_environment_of_the_server(serve: Serve) -> None:
    """Whoever is first and whatever others have set: also Python's main one, which is no other."""
    site = serve(CONFIG, processes=1)
    first = told(site, "/green?TESTS_LEFT=by-green&PATH=/nowhere")
    assert first["os"]["TESTS_LEFT"] == "by-green"
    for name in ("red", "main_interpreter", "blue"):
        seen = told(site, f"/{name}?TESTS_LEFT_TOO=by-{name}")
        assert seen["import"] == first["import"]
        assert seen["os"]["TESTS_LEFT_TOO"] == f"by-{name}"
        assert "TESTS_LEFT" not in seen["os"]
    assert told(site, "/green")["os"] == first["os"]


def test_the_forms_of_os_environ_agree(serve: Serve) -> None:
    site = serve(CONFIG, processes=1)
    told(site, "/green?TESTS_LEFT=by-green")
    seen = told(site, "/blue?TESTS_LEFT=by-blue")
    assert seen["os"]["TESTS_LEFT"] == "by-blue"
    assert seen["posix"] == seen["os"]
    assert seen.get("bytes", seen["os"]) == seen["os"]


RELOADED = """
import os
FOUND = os.environ.get("TESTS_LEFT", "nothing")
os.environ["TESTS_LEFT"] = "{0}"

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("{0} found " + FOUND).encode("ascii")]
"""

RELOADING = """
<Location /reloading>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.reload on
    SetEnv mod_wsgi.directory "@{www}"
    SetEnv mod_wsgi.application reloading
    SetEnv mod_wsgi.interpreter reloading
</Location>
"""


def test_a_reloaded_application_begins_anew(serve: Serve) -> None:
    files = {"reloading.py": RELOADED.format("one")}
    site = serve(RELOADING, files=files, processes=1)
    assert site.get("/reloading").text == "one found nothing"
    (site.root / "htdocs" / "reloading.py").write_text(RELOADED.format("second"))
    assert until(lambda: site.get("/reloading").text != "one found nothing", 20.0)
    assert site.get("/reloading").text == "second found nothing"
