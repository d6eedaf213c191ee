"""os.environ: each interpreter's begins as the server's, and has what its own settings say.

One process serves each of these, so that all interpreters meet in one.
"""

from typing import Any

import pytest

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


def test_settings_are_in_os_environ_when_the_application_is_imported(serve: Serve) -> None:
    """In each form of it, before the server's own; the process's environment is left alone."""
    settings = """
    SetEnv mod_wsgi.environ.TESTS_SECRET "a b=\xe4"
    SetEnv mod_wsgi.environ.tests_empty ""
    SetEnv mod_wsgi.environ.PATH "/of/this/interpreter"
    """
    site = serve(section("green", settings) + section("blue"), processes=1)
    seen = told(site, "/green")
    for form in ("import", "os", "posix"):
        assert seen[form]["TESTS_SECRET"] == "a b=\xe4"
        assert seen[form]["tests_empty"] == ""
        assert seen[form]["PATH"] == "/of/this/interpreter"
    other = told(site, "/blue")
    assert "TESTS_SECRET" not in other["import"]
    assert other["import"]["PATH"] != "/of/this/interpreter"
    assert other["c"] == {"TESTS_SECRET": None, "PATH": other["import"]["PATH"]}


def test_what_is_for_os_environ_is_not_in_the_environ_of_a_request(serve: Serve) -> None:
    """Pages for debugging show that."""
    settings = """
    SetEnv mod_wsgi.environ.TESTS_SECRET secret
    SetEnv REDIRECT_mod_wsgi.environ.TESTS_RENAMED secret
    SetEnv REDIRECT_REDIRECT_mod_wsgi.environ.TESTS_TWICE secret
    SetEnv MOD_WSGI.Environ.TESTS_CASE secret
    """
    seen = told(serve(section("green", settings), processes=1), "/green")
    assert [name for name in seen["request"] if "environ" in name.lower()] == []
    names = {name for name in seen["import"] if name.startswith("TESTS_")}
    assert names == {"TESTS_SECRET", "TESTS_RENAMED", "TESTS_CASE"}


def test_a_renamed_setting_stands_in_for_a_missing_one_only(serve: Serve) -> None:
    settings = """
    SetEnv REDIRECT_mod_wsgi.environ.TESTS_BOTH renamed
    SetEnv mod_wsgi.environ.TESTS_BOTH own
    """
    seen = told(serve(section("green", settings), processes=1), "/green")
    assert seen["import"]["TESTS_BOTH"] == "own"


def test_applications_of_an_interpreter_add_to_its_os_environ(serve: Serve) -> None:
    """Who has nothing to say there agrees with everybody."""
    config = (
        section("plain", interpreter="shared")
        + section("one", "SetEnv mod_wsgi.environ.TESTS_ONE 1", interpreter="shared")
        + section("two", "SetEnv mod_wsgi.environ.TESTS_TWO 2", interpreter="shared")
    )
    site = serve(config, processes=1)
    for path in ("/plain", "/one", "/two", "/one", "/plain"):
        seen = told(site, path)["os"]
    assert (seen["TESTS_ONE"], seen["TESTS_TWO"]) == ("1", "2")


def test_applications_that_disagree_are_told_once(serve: Serve) -> None:
    """Also where the interpreter has loaded the application already. Values are not logged."""
    config = "".join(
        section(name, f"SetEnv mod_wsgi.environ.TESTS_WHO {name}", interpreter="shared")
        for name in ("one", "two")
    )
    site = serve(config, processes=1)
    assert told(site, "/one")["import"]["TESTS_WHO"] == "one"
    line = "mod_wsgi.environ.TESTS_WHO differs from what the interpreter 'shared' was given first"
    site.tolerates(line)
    for path in ("/two", "/one", "/two"):
        assert told(site, path)["os"]["TESTS_WHO"] == "one"
    site.watch.wait_for(line)
    assert sum(line in each for each in site.watch.lines()) == 1


def test_each_name_that_applications_disagree_about_is_told(serve: Serve) -> None:
    """With the ways out: who has an .htaccess file only can't restart the server."""
    one = "SetEnv mod_wsgi.environ.TESTS_WHO one\nSetEnv mod_wsgi.environ.TESTS_WHAT one"
    config = (
        section("one", one, interpreter="shared")
        + section("two", one.replace("WHO one", "WHO two"), interpreter="shared")
        + section("three", one.replace("WHAT one", "WHAT three"), interpreter="shared")
    )
    site = serve(config, processes=1)
    lines = [f"mod_wsgi.environ.TESTS_{name} differs from" for name in ("WHO", "WHAT")]
    for line in lines:
        site.tolerates(line)
    for path in ("/one", "/two", "/three", "/two", "/three"):
        told(site, path)
    for line in lines:
        said = site.watch.wait_for(line)
        assert "mod_wsgi.interpreter" in said
        assert "restart the server" in said
        assert "mod_wsgi.reload is on" in said
        assert sum(line in each for each in site.watch.lines()) == 1


def test_what_an_application_writes_stays(serve: Serve) -> None:
    site = serve(section("green", "SetEnv mod_wsgi.environ.TESTS_SECRET first"), processes=1)
    assert told(site, "/green?TESTS_SECRET=second")["os"]["TESTS_SECRET"] == "second"
    assert told(site, "/green")["os"]["TESTS_SECRET"] == "second"


@pytest.mark.parametrize(
    ("name", "shown"), [("A=secret", "A"), ("", ""), ("A\tB", "A"), ("=", "")]
)
def test_a_name_that_os_environ_can_not_have_is_refused(
    serve: Serve, name: str, shown: str
) -> None:
    site = serve(section("green", f'SetEnv "mod_wsgi.environ.{name}" value'), processes=1)
    line = f"mod_wsgi.environ.{shown}"
    site.expects(line)
    assert site.get("/green").status_code == 500
    site.watch.wait_for(line)
    assert "secret" not in "".join(site.watch.lines())


WRAPPED = """
import os

class ImproperlyConfigured(Exception):
    pass

try:
    os.environ["TESTS_KEY"]
except KeyError:
    raise ImproperlyConfigured("Set the TESTS_KEY environment variable")
"""

# What a module says, and how its traceback ends.
MISSING = {
    "key": ("import os\nos.environ['TESTS_KEY']\n", "KeyError"),
    "framework": (WRAPPED, "ImproperlyConfigured: Set the TESTS_KEY"),
    "django": (
        "raise ValueError('You must either define the environment variable TESTS_KEY or call it')",
        "ValueError: You must",
    ),
}


@pytest.mark.parametrize("is_set", [True, False], ids=["set", "not-set"])
@pytest.mark.parametrize("name", MISSING)
def test_what_is_missing_in_os_environ_gets_a_hint(serve: Serve, name: str, is_set: bool) -> None:
    text, last = MISSING[name]
    config = section("green", "SetEnv tests_key value" if is_set else "")
    config = config.replace("surroundings::shown", f"missing_{name}").replace("@{apps}", "@{www}")
    site = serve(config, files={f"missing_{name}.py": text}, processes=1)
    hint = r"SetEnv mod_wsgi\.environ\.TESTS_KEY value"
    site.expects("can't be loaded, because it raised")
    site.expects_traceback(last)
    site.expects(hint)
    assert site.get("/green").status_code == 500
    line = site.watch.wait_for(hint)
    assert ("what SetEnv sets is in the environ of each request" in line) is is_set


def test_another_key_that_is_missing_gets_no_hint(serve: Serve) -> None:
    config = section("green", "SetEnv TESTS_KEY value")
    config = config.replace("surroundings::shown", "missing_else").replace("@{apps}", "@{www}")
    site = serve(config, files={"missing_else.py": "{}['TESTS_KEY']\n"}, processes=1)
    site.expects("can't be loaded, because it raised")
    site.expects_traceback("KeyError")
    assert site.get("/green").status_code == 500


def children(site: Site, path: str) -> dict[str, dict[str, str]]:
    """The environments of programs, without that of one that was given another."""
    seen = told(site, path)
    assert set(seen.pop("named", {})) - {"PWD", "SHLVL", "_"} <= {"PATH", "ONLY"}
    seen.pop("code", None)
    found: dict[str, dict[str, str]] = seen
    return found


def test_programs_have_the_os_environ_of_their_application(serve: Serve) -> None:
    """What its settings say and what it has set, and nothing of what others have set."""
    config = section(
        "green", "SetEnv mod_wsgi.environ.TESTS_SECRET green", application="of_children"
    ) + section("blue", application="of_children")
    site = serve(config, processes=1)
    for way, seen in children(site, "/green?TESTS_SET=green").items():
        assert (seen["TESTS_SECRET"], seen["TESTS_SET"]) == ("green", "green"), way
    for way, seen in children(site, "/blue?TESTS_TOO=blue").items():
        assert not {"TESTS_SECRET", "TESTS_SET"} & set(seen), way
        assert seen["TESTS_TOO"] == "blue", way
    for way, seen in children(site, "/green").items():
        assert seen["TESTS_SET"] == "green", way
        assert "TESTS_TOO" not in seen, way


def test_spawned_programs_have_the_os_environ_of_their_application(serve: Serve) -> None:
    config = section(
        "main_interpreter", "SetEnv mod_wsgi.environ.TESTS_SECRET s", application="of_spawned"
    )
    for way, seen in children(serve(config, processes=1), "/main_interpreter").items():
        assert seen["TESTS_SECRET"] == "s", way
