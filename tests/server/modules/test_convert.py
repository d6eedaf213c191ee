"""`mod_wsgi convert`: the same site with the other module and, converted, with this one.

Each example is a virtual host. One server of either kind serves them all.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from command.convert import convert, moved
from tests.harness.cells import Cell, own_python
from tests.harness.converting import EXAMPLES, FILES, Example
from tests.harness.serving import Workshop, running
from tests.harness.site import Site

pytestmark = [pytest.mark.any_python, pytest.mark.needs("other-mod-wsgi")]

BAD, FAILED = 400, 500

# What the two modules have in common of an environ.
COMPARED = (
    *("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "REQUEST_URI"),
    *("SERVER_NAME", "HTTP_AUTHORIZATION", "REMOTE_USER", "SHOP"),
    *("wsgi.multithread", "wsgi.multiprocess", "wsgi.run_once", "wsgi.url_scheme"),
)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The two servers, and the folder of the site."""

    theirs: Site
    ours: Site


def other_module(cell: Cell) -> Path:
    found = cell.server.modules / "mod_wsgi.so"
    if not found.exists():
        pytest.skip("the other module is not installed: libapache2-mod-wsgi-py3 on Debian")
    return found


def configuration(folder: Path) -> str:
    hosts = [
        f"<VirtualHost *:@{{port}}>\n    ServerName {each.name}\n{each.text}\n</VirtualHost>\n"
        for each in EXAMPLES
    ]
    return "\n".join(hosts).replace("@{site}", str(folder))


def environment(cell: Cell, folder: Path) -> None:
    """A virtual environment with a module that is nowhere else."""
    if folder.exists():
        return
    packages = folder / "lib" / f"python{cell.python.version}" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "marked.py").write_text('items = {"SHOP": "marked"}\n')
    (folder / "bin").mkdir()
    (folder / "bin" / "python3").symlink_to(cell.python.executable)
    (folder / "pyvenv.cfg").write_text(f"home = {cell.python.executable.parent}\n")


@pytest.fixture(scope="module")
def pair(cell: Cell, module: Path, workshop: Workshop) -> Iterator[Pair]:
    other = other_module(cell)
    folder = workshop.folder / "converted"
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("@{site}", str(folder)))
    environment(cell, folder / "venv")
    text = configuration(folder)
    before = folder / "before.conf"
    before.write_text(text)
    texts, server = convert([before])
    after = folder / "after"
    for path, converted in texts.items():
        new = Path(f"{after}{path}")
        new.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(moved(converted, server.files[path], server, after))
    with ExitStack() as stack:
        load = f'LoadModule wsgi_module "{other}"\nWSGISocketPrefix @{{logs}}/wsgi\n'
        theirs = stack.enter_context(running(cell, None, workshop, load + text))
        ours = stack.enter_context(
            running(cell, module, workshop, Path(f"{after}{before}").read_text())
        )
        yield Pair(theirs=theirs, ours=ours)


def seen(site: Site, example: Example, path: str) -> Any:
    headers = {"Host": example.name, **example.headers}
    answer = site.get(path, headers=headers)
    if answer.headers.get("Content-Type") != "application/json":
        return answer.status_code, answer.text if answer.ok else ""
    environ = json.loads(answer.text)
    return answer.status_code, {
        name: environ.get(name) for name in COMPARED if name not in example.differs
    }


def asked() -> Iterator[Any]:
    """Each path of each example, for the cells that can have what it is about."""
    for example in EXAMPLES:
        needed = "processes" if "WSGIDaemonProcess" in example.text else "python-in-the-module"
        for path in example.paths:
            name = f"{example.name}{path}"
            yield pytest.param(example, path, id=name, marks=pytest.mark.needs(needed))


@pytest.mark.parametrize(("example", "path"), list(asked()))
def test_a_converted_site_answers_as_before(
    cell: Cell, pair: Pair, example: Example, path: str
) -> None:
    if "/venv" in example.text and cell.python.version != own_python().version:
        pytest.skip("the other module has the system's Python: no other's environment serves both")
    theirs = seen(pair.theirs, example, path)
    assert theirs[0] < FAILED
    if theirs[0] >= BAD:
        pair.theirs.tolerates(r".")
        pair.ours.tolerates(r".")
    assert seen(pair.ours, example, path) == theirs
