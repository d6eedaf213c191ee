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
    return told


@pytest.mark.parametrize("name", INTERPRETERS)
def test_an_extension_calls_back_in_every_interpreter(site: Site, name: str) -> None:
    for _ in range(3):
        assert ask(site, name)["callback"] is True


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


@pytest.mark.needs("many-states")
def test_thread_locals_live_on_in_several_interpreters(site: Site) -> None:
    seen: dict[tuple[str, int], int] = {}
    for number in range(60):
        name = INTERPRETERS[number % 4]
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
