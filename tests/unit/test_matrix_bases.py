"""The matrix's bases: other distributions' packages, and other architectures."""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from command import Problem
from matrix import HERE, cells, data, images
from matrix.archives import Shelf
from matrix.described import Data
from matrix.images import Recipe
from tests.unit.test_matrix_selection import SMALL

OWN = data.load(HERE / "matrix.toml")
AGAIN = """
[packaged.again]
line = "2.4"
bases = ["new"]
mpms = ["event"]
packages = ["a"]
apxs = "/x"
"""


def commands(recipe: Recipe) -> list[str]:
    """What a recipe runs in the shell."""
    lines = recipe.dockerfile.decode().replace("\\\n", " ").splitlines()
    return [line.removeprefix("RUN ") for line in lines if line.startswith("RUN ")]


def recipes() -> Iterator[Recipe]:
    """All that need no archive."""
    nowhere = Shelf(sources=None, cache=Path("/none"), lock=Path("/none"))
    for base in OWN.bases.values():
        yield images.base_recipe(base, base.image)
    yield images.tools_recipe(OWN.tools, OWN.bases[OWN.tools.base], "parent")
    for python in OWN.pythons.values():
        for each in (python, *python.on.values()):
            if each.source is None:
                yield images.python_recipe(nowhere, each, OWN.bases[each.base], "parent", "tools")
    for cell in cells.expand(OWN):
        if cell.suite:
            python, base = OWN.python(cell.python, cell.suite), OWN.bases[cell.suite]
            yield images.packaged_recipe(OWN.packaged[cell.suite], python, base, "parent")


@pytest.mark.parametrize(
    ("base", "line"),
    [
        ("noble", "--no-install-recommends install apache2 apache2-dev &&"),
        ("alma9", "dnf -q -y --setopt=install_weak_deps=False install httpd httpd-devel "),
        ("alpine", "apk add --quiet --no-cache apache2 apache2-dev"),
    ],
)
def test_each_distribution_installs_its_server_by_its_own_program(base: str, line: str) -> None:
    packaged, python = OWN.packaged[base], OWN.python("3.12", base)
    recipe = images.packaged_recipe(packaged, python, OWN.bases[base], "parent")
    assert line in recipe.dockerfile.decode()
    assert recipe.name == f"packaged-{base}-py3.12"


def test_settings_are_there_before_the_first_package() -> None:
    base = OWN.bases["sid"]
    recipe = images.base_recipe(base, "debian:sid")
    order = recipe.dockerfile.decode()
    assert order.index("COPY settings /etc/apt/apt.conf.d/") < order.index("apt-get -qq update")
    assert recipe.files["settings"] == b'Acquire::Check-Valid-Until "false";\n'


def test_no_package_of_debian_starts_a_service() -> None:
    told = commands(images.base_recipe(OWN.bases["bookworm"], "debian:bookworm"))
    assert "exit 101" in told[0]
    assert "policy-rc.d" in told[0]
    assert "apt-get" in told[1]


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_every_command_of_a_recipe_is_a_good_one_of_the_shell() -> None:
    told = {command for recipe in recipes() for command in commands(recipe)}
    assert len(told) > 10
    script = "\n".join(["#!/bin/sh", *sorted(told), ""])
    checked = subprocess.run(
        ["shellcheck", "-s", "sh", "-"], input=script, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout


def test_a_python_is_beside_the_packaged_server_of_each_base_that_has_it() -> None:
    names = {cell.suite for cell in cells.expand(OWN) if cell.python == "3.12"} - {""}
    assert names == {"noble", "alma9", "alpine"}
    assert OWN.python("3.12").executable == "/usr/local/bin/python3.12"
    assert OWN.python("3.12", "noble").executable == "/usr/bin/python3.12"
    assert OWN.python("3.12", "noble").name == "py3.12-noble"


def with_arm(text: str = SMALL) -> Data:
    base = '[bases.new]\nimage = "debian:new"\n'
    return data.parse(text.replace(base, f'{base}architectures = ["arm64"]\n'))


def test_a_base_may_be_there_on_another_architecture() -> None:
    known = with_arm()
    base = known.bases["new-arm64"]
    assert base == replace(known.bases["new"], name="new-arm64", architecture="arm64")
    assert (base.platform, known.bases["new"].platform) == ("linux/arm64", None)
    names = [cell.name for cell in cells.expand(known)]
    assert [name for name in names if "arm64" in name] == [
        "apache2.4-prefork-py3.14-new-arm64",
    ]
    assert known.python("3.14", "new-arm64").name == "py3.14-new-arm64"


def test_the_tests_own_python_is_one_of_the_cells_architecture() -> None:
    known = with_arm()
    home = known.bases[known.tools_base("arm64")]
    recipe = images.tools_recipe(known.tools, home, "parent")
    assert (home.name, recipe.name) == ("new-arm64", "tools-arm64")
    assert images.tools_recipe(known.tools, known.bases["new"], "parent").name == "tools"


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('manager = "apt"\n', 'manager = "yum"\n', "bases.old.manager: 'yum' is none of apt, apk"),
        ('manager = "apt"\n', "", "bases.old.manager is missing"),
        ("add {packages}", "add", "managers.apk.install must have {packages} once"),
        ('"no such package"', '"("', "managers.apk.missing is not a regular expression"),
        (
            '"debian:old"\nmanager = "apt"',
            '"debian:old"\nmanager = "apk"\nsettings = ["x"]',
            "bases.old.settings: managers.apk has no settings",
        ),
        ('"debian:new"', '"debian:new"\narchitectures = ["vax"]', "'vax' is none of amd64, arm64"),
        (
            '"debian:old"',
            '"debian:old"\narchitectures = ["arm64"]',
            "bases.new.architectures has no arm64, which old-arm64 has",
        ),
        (
            '[pythons."3.14t"]',
            '[pythons."3.14".on.nowhere]\nexecutable = "/x"\n[pythons."3.14t"]',
            "'nowhere': there is no base",
        ),
        (
            '[pythons."2.7"]',
            f'{AGAIN}[pythons."2.7"]',
            "packaged.again.bases: another one has 'new', too",
        ),
    ],
)
def test_a_mistake_about_a_base_is_one_line(old: str, new: str, line: str) -> None:
    assert old in SMALL
    with pytest.raises(Problem) as told:
        data.parse(SMALL.replace(old, new, 1))
    assert line in str(told.value)
    assert "\n" not in str(told.value)
