"""Does what the guides and the tutorial say, word for word, and looks whether they are right.

How a page says what its blocks are: tests/harness/guides.py. Pages that need more than Django and
Flask are among the slow tests, and so are scenarios that say it.
"""

import shutil

import pytest

from tests.conftest import Serve
from tests.harness import guides, venvs
from tests.harness.cells import Cell
from tests.harness.guides import Scenario
from tests.harness.serving import Workshop

pytestmark = pytest.mark.any_python


def as_parameter(scenario: Scenario) -> pytest.ParameterSet:
    release = venvs.release_of(scenario.packages)
    marks = [pytest.mark.pythons(*scenario.pythons)]
    marks += [pytest.mark.needs(capability) for capability in scenario.needs]
    if release:
        marks += [pytest.mark.pythons(*release.pythons)]
    if release or scenario.is_slow:
        marks += [pytest.mark.slow]
    return pytest.param(scenario, id=scenario.name, marks=marks)


@pytest.mark.parametrize("scenario", [as_parameter(each) for each in guides.scenarios()])
def test_a_guide_is_right(
    cell: Cell, workshop: Workshop, serve: Serve, scenario: Scenario
) -> None:
    if scenario.lines and cell.server.line not in scenario.lines:
        pytest.skip(f"this part is for Apache {', '.join(scenario.lines)} only, as its page says")
    for program in scenario.programs:
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed, and the page is about it")
    guides.play(scenario, cell, workshop, serve)
