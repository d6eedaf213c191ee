"""mod_python and this module in one server: one Python, which belongs to mod_python.

Only one Python fits into a process. Where both modules are linked with the same one, they share
it; where not, this module says so and keeps out of the way.
"""

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from command import Problem, httpd
from tests.conftest import SITES, fail_if_told
from tests.harness.cells import Cell
from tests.harness.config import expand
from tests.harness.errorlog import Watch, until
from tests.harness.serving import CONNECTIONS_END, Workshop
from tests.harness.site import Site

pytestmark = pytest.mark.needs("mod-python", "python-in-the-module")

HANDLER = """
import sys
from mod_python import apache

def handler(req):
    before = getattr(sys, "tests_mark", None)
    if req.args:
        sys.tests_mark = req.args
    req.content_type = "text/plain"
    req.write("mod_python before=%s interpreter=%s" % (before, req.interpreter))
    return apache.OK
"""

CONFIG = """
<Location /python>
    SetHandler mod_python
    PythonHandler marking
    PythonPath "['@{www}'] + sys.path"
    PythonInterpreter shared
</Location>
<Location /python-main>
    SetHandler mod_python
    PythonHandler marking
    PythonPath "['@{www}'] + sys.path"
    PythonInterpreter main_interpreter
</Location>
SetEnv mod_wsgi.directory "@{apps}"
SetEnv tests.scratch "@{scratch}"
<Location /wsgi>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application states::mark
    SetEnv mod_wsgi.interpreter shared
</Location>
<Location /wsgi-main>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application states::mark
    SetEnv mod_wsgi.interpreter main_interpreter
</Location>
<Location /wsgi-other>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application states::mark
    SetEnv mod_wsgi.interpreter other
</Location>
<Location /pool>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application states::mark
    SetEnv mod_wsgi.interpreter pool
    SetEnv mod_wsgi.interpreters 3
</Location>
<Location /reload>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application changing
    SetEnv mod_wsgi.directory "@{www}"
    SetEnv mod_wsgi.interpreter reload
    SetEnv mod_wsgi.reload on
</Location>
"""

CHANGING = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"{}"]
"""

FIRST, LAST = "mod_python loaded first", "mod_python loaded last"

Start = Callable[..., Site]


def library_of_mod_python(cell: Cell) -> Path:
    """The libpython that mod_python brings along."""
    module = cell.server.modules / "mod_python.so"
    if not module.exists():
        pytest.skip("mod_python is not installed: libapache2-mod-python on Debian")
    told = subprocess.run(["ldd", str(module)], capture_output=True, text=True, check=True)
    match = re.search(r"=> (\S*/libpython\S+)", told.stdout)
    assert match, f"{module} needs no libpython: {told.stdout}"
    return Path(match[1]).resolve()


@pytest.fixture
def same(cell: Cell) -> None:
    theirs, ours = library_of_mod_python(cell), cell.python.shared_library.resolve()
    if ours != theirs:
        pytest.skip(
            f"mod_python is linked with {theirs.name} of the system, this cell with another"
        )


@pytest.fixture
def other(cell: Cell) -> None:
    theirs, ours = library_of_mod_python(cell), cell.python.shared_library.resolve()
    if ours.name == theirs.name:
        pytest.skip(f"this cell and mod_python are both of {theirs.name}")


@pytest.fixture
def start(
    request: pytest.FixtureRequest, cell: Cell, module: Path, workshop: Workshop
) -> Iterator[Start]:
    """Starts a server with both modules, in either order."""
    sites: list[Site] = request.node.stash.setdefault(SITES, [])
    with ExitStack() as stack:

        def begin(order: str, processes: int = 1) -> Site:
            root, port = workshop.new_root(cell), httpd.free_port()
            known = {
                "apps": str(workshop.apps),
                "data": str(workshop.data),
                "scratch": str(root / "scratch"),
                "www": str(root / "htdocs"),
            }
            (root / "htdocs").mkdir()
            (root / "htdocs" / "marking.py").write_text(HANDLER)
            (root / "htdocs" / "changing.py").write_text(CHANGING.format("one"))
            late = f'LoadModule python_module "{cell.server.modules / "mod_python.so"}"\n'
            started = stack.enter_context(
                httpd.running(
                    cell.server,
                    module,
                    body=(late if order == LAST else "") + expand(CONFIG, known),
                    root=root,
                    port=port,
                    modules=(*httpd.MODULES, *(["mod_python"] if order == FIRST else [])),
                    load=httpd.Load(processes=processes, threads=4),
                )
            )
            watch = Watch(folder=root)
            site = Site(
                port=port, pid=started.pid, root=root, scratch=root / "scratch", watch=watch
            )
            sites.append(site)
            return site

        yield begin
        time.sleep(CONNECTIONS_END)
    for site in sites:
        fail_if_told(site)


def word(site: Site, path: str, mark: str = "") -> Any:
    reply = site.ask(f"{path}?{mark}" if mark else path)
    assert reply.status == 200, reply.text
    return reply.text


@pytest.mark.usefixtures("same")
@pytest.mark.parametrize("order", [FIRST, LAST])
def test_both_serve(start: Start, order: str) -> None:
    site = start(order)
    for _ in range(5):
        assert word(site, "/python").startswith("mod_python")
        assert '"before"' in word(site, "/wsgi")
        assert '"before"' in word(site, "/wsgi-other")


@pytest.mark.usefixtures("same")
@pytest.mark.parametrize("order", [FIRST, LAST])
@pytest.mark.parametrize("suffix", ["", "-main"])
@pytest.mark.parametrize("begins", ["python", "wsgi"])
def test_one_name_is_one_interpreter_in_both(
    start: Start, order: str, suffix: str, begins: str
) -> None:
    """What one of them writes into sys the other reads there."""
    site = start(order)
    ends = "wsgi" if begins == "python" else "python"
    word(site, f"/{begins}{suffix}", "first-word")
    assert "first-word" in word(site, f"/{ends}{suffix}", "second-word")
    assert "second-word" in word(site, f"/{begins}{suffix}")
    assert "word" not in word(site, "/wsgi-other")


def replace_processes(site: Site) -> None:
    before = set(site.children())

    def are_new() -> bool:
        now = set(site.children())
        return bool(now) and not now & before

    site.restart()
    assert until(are_new, 15)


@pytest.mark.usefixtures("same")
@pytest.mark.parametrize("order", [FIRST, LAST])
def test_restarts_survive(start: Start, order: str) -> None:
    site = start(order, processes=2)
    for _ in range(4):
        assert word(site, "/python").startswith("mod_python")
        assert '"before"' in word(site, "/wsgi")
        replace_processes(site)
    assert '"before"' in word(site, "/wsgi-main")


@pytest.mark.usefixtures("same")
def test_an_interpreter_of_mod_python_cannot_be_replaced_and_says_so(start: Start) -> None:
    site = start(FIRST)
    assert word(site, "/reload") == "one"
    part = site.root / "htdocs" / "changing.part"
    part.write_text(CHANGING.format("two"))
    part.rename(site.root / "htdocs" / "changing.py")
    line = "can't replace the interpreter 'reload', which belongs to mod_python"
    assert until(lambda: word(site, "/reload") and line in "\n".join(site.watch.lines()), 5)
    assert word(site, "/reload") == "one"


@pytest.mark.usefixtures("same")
def test_a_pool_is_one_interpreter_of_mod_python_and_says_so(start: Start) -> None:
    site = start(FIRST)
    with ThreadPoolExecutor(4) as clients:
        told = list(clients.map(lambda _: word(site, "/pool"), range(40)))
    assert len({json.loads(each)["modules"] for each in told}) == 1
    site.expects("mod_wsgi.interpreters '3' is not possible beside mod_python")


@pytest.mark.usefixtures("other")
def test_another_python_is_refused_and_mod_python_goes_on(start: Start) -> None:
    site = start(FIRST)
    site.expects("mod_python is loaded, and was built with another version of Python")
    assert [site.ask("/wsgi").status for _ in range(3)] == [500, 500, 500]
    assert len([line for line in site.watch.severe() if "mod_python is loaded" in line]) == 1
    assert word(site, "/python").startswith("mod_python")


@pytest.mark.usefixtures("other")
def test_another_python_that_would_be_taken_for_its_own_stops_the_start(start: Start) -> None:
    """Behind this module mod_python would find our Python's functions, and every process die."""
    with pytest.raises(Problem, match="put its LoadModule line before this module's"):
        start(LAST)
