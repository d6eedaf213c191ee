"""One server whose applications have several Pythons, each in processes of its own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import command.build
from command import access, pythons
from command.pythons import Python
from tests.harness.cells import Cell
from tests.harness.serving import Workshop, running
from tests.harness.site import Site

pytestmark = pytest.mark.needs("processes")

LOCATION = """
<Location /{version}>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application versions
    SetEnv mod_wsgi.python {version}
    SetEnv mod_wsgi.directory "@{{apps}}"
</Location>
"""


def several() -> list[Python]:
    """The oldest and the newest Python here, and some between."""
    usable = [python for python in pythons.find([]) if access.fault(python) is None]
    by_version = list({python.version + python.abi: python for python in usable}.values())
    return [by_version[place * (len(by_version) - 1) // 3] for place in range(4)]


@pytest.fixture(scope="module")
def all_pythons() -> list[Python]:
    found = list(dict.fromkeys(several()))
    if len(found) < 2:
        pytest.skip("there is only one Python here")
    return found


@pytest.fixture
def site(
    cell: Cell, workshop: Workshop, all_pythons: list[Python], module: Path
) -> Iterator[Site]:
    folder = workshop.folder / f"{cell.name}-several"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "mod_wsgi").mkdir(parents=True)
    shutil.copy(module, folder)
    for python in all_pythons:
        for program in command.build.module_and_programs(cell.server, python)[1:]:
            shutil.copy(program, folder / "mod_wsgi")
    versions = [each.version + each.abi for each in all_pythons]
    config = "".join(LOCATION.format(version=version) for version in [*versions, "9.9"])
    with running(cell, folder / module.name, workshop, config) as started:
        started.watch.begin()
        yield started
        verdict = started.watch.verdict()
    assert not verdict, verdict


def test_pythons_serve_side_by_side(site: Site, all_pythons: list[Python]) -> None:
    """Known of the incumbent: #882."""
    wanted = {each.version + each.abi: each.version for each in all_pythons}
    for _ in range(2):
        seen = {name: site.get(f"/{name}").json()["version"] for name in wanted}
        assert seen == wanted


def test_a_python_that_is_not_installed_is_named(site: Site) -> None:
    site.expects(r"mod_wsgi-py9\.9")
    assert site.get("/9.9").status_code == 503
