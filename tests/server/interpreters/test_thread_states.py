"""Threads of the server in interpreters: what they keep, and extension modules that call back.

The extension calls PyGILState_Ensure as many do. Python finds a thread's state by the thread alone
there, whatever interpreter it is of; where it finds the wrong one, the thread waits for itself.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Serve
from tests.harness import extension
from tests.harness.cells import Cell
from tests.harness.errorlog import until
from tests.harness.serving import Workshop, running
from tests.harness.site import Site

pytestmark = pytest.mark.needs("old-extensions")

INTERPRETERS = ("one", "two", "three", "main_interpreter")

SECTION = """
<Location /{0}>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application ensures::application
    SetEnv mod_wsgi.interpreter {0}
</Location>
"""

CONFIG = 'SetEnv mod_wsgi.directory "@{apps}:@{extension}"\n' + "".join(
    SECTION.format(name) for name in INTERPRETERS
)

INCLUDES = """
LoadModule include_module "@{modules}/mod_include.so"
<Location /page>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application ensures::page
    SetEnv mod_wsgi.interpreter one
    Options +Includes
    SetOutputFilter INCLUDES
</Location>
<Location /included>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application hello::named
    SetEnv mod_wsgi.interpreter two
</Location>
<Location /calling-page>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application ensures::calling_page
    SetEnv mod_wsgi.interpreter one
    Options +Includes
    SetOutputFilter INCLUDES
</Location>
"""

RELOADED = """
<Location />
    SetHandler mod_wsgi
    SetEnv mod_wsgi.directory "@{www}:@{apps}:@{extension}"
    SetEnv mod_wsgi.application changing::application
    SetEnv mod_wsgi.interpreter changing
    SetEnv mod_wsgi.reload on
    SetEnv tests.scratch "@{scratch}"
</Location>
"""

# What the first version leaves behind calls back from C while its interpreter ends, where open()
# no longer works.
CHANGING = """
import gilstate
import hello
import os

LEFT = []

class Left(object):
    def __del__(self, callback=gilstate.callback, mkdir=os.mkdir):
        callback(lambda: mkdir(self.path))

def application(environ, start_response):
    if not LEFT:
        LEFT.append(Left())
        LEFT[0].path = environ["tests.scratch"] + "/called-back"
    return hello.named(environ, start_response)
"""


@pytest.fixture(scope="module")
def built(cell: Cell, workshop: Workshop) -> Path:
    return extension.build(cell, workshop.folder / cell.name / "extension")


@pytest.fixture(scope="module")
def module_site(cell: Cell, module: Path, workshop: Workshop, built: Path) -> Iterator[Site]:
    values = {"extension": str(built)}
    with running(cell, module, workshop, CONFIG, values=values, processes=1) as started:
        yield started


def ask(site: Site, name: str) -> Any:
    reply = site.ask(f"/{name}")
    assert reply.status == 200, reply.text
    told = reply.json()
    assert (told["inside"], told["outside"], told["elsewhere"]) == (2, 3, 4)
    assert told["callback"] is True
    assert told["ctypes"] is True
    return told


@pytest.mark.parametrize("name", INTERPRETERS)
def test_an_extension_calls_back_in_every_interpreter(site: Site, name: str) -> None:
    for _ in range(3):
        ask(site, name)


def test_a_thread_that_alternates_between_interpreters_never_waits_for_itself(site: Site) -> None:
    for number in range(60):
        ask(site, INTERPRETERS[number * 7 % 4])


def test_threads_that_alternate_at_the_same_time_never_wait_for_each_other(site: Site) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: ask(site, INTERPRETERS[number % 4]), range(400)))


def test_thread_locals_live_on_in_one_interpreter(site: Site) -> None:
    seen: dict[int, int] = {}
    for _ in range(20):
        thread, count = ask(site, "one")["local"]
        assert count == seen.get(thread, count - 1) + 1
        seen[thread] = count


def test_thread_locals_live_on_in_several_interpreters(site: Site) -> None:
    seen: dict[tuple[str, int], int] = {}
    for number in range(60):
        name = INTERPRETERS[number // 3 % 4]  # else eight threads in turn meet one each
        thread, count = ask(site, name)["local"]
        assert count == seen.get((name, thread), count - 1) + 1
        seen[name, thread] = count


@pytest.mark.needs("filters")
def test_a_page_that_includes_another_interpreters_leaves_nothing_behind(
    serve: Serve, cell: Cell, built: Path
) -> None:
    """The inner request's thread state must not be what extensions find afterwards."""
    values = {"extension": str(built), "modules": str(cell.server.modules)}
    site = serve(CONFIG + INCLUDES, values=values, processes=1)
    for _ in range(12):
        assert site.get("/page").text == "hello from named and more"
        for name in ("two", "three", "one"):
            ask(site, name)


@pytest.mark.needs("filters")
def test_an_extension_calls_back_while_a_page_includes_another_interpreters(
    serve: Serve, cell: Cell, built: Path
) -> None:
    values = {"extension": str(built), "modules": str(cell.server.modules)}
    site = serve(CONFIG + INCLUDES, values=values, processes=1)
    for _ in range(6):
        text = site.get("/calling-page").text
        assert text.startswith("true {"), text
        assert text.endswith("} true"), text
        for name in ("two", "one"):
            ask(site, name)


def test_an_extension_calls_back_while_its_interpreter_ends(serve: Serve, built: Path) -> None:
    """Python's own thread ends it, which has a state in every interpreter."""
    files = {"changing.py": CHANGING}
    site = serve(RELOADED, files=files, values={"extension": str(built)}, processes=1)
    assert site.get("/").text == "hello from named"
    (site.root / "htdocs" / "changing.py").write_text("from hello import application\n")

    def has_called_back() -> bool:
        assert site.ask("/").status == 200
        return (site.scratch / "called-back").exists()

    assert until(has_called_back, 10)
