"""What GitHub reads: faults in it are found, and no file of it is left out."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from command import TOP
from matrix import __main__, arguments
from tools import check

WORKFLOW = """\
name: one
on:
  push:
permissions:
  contents: read
jobs:
  one:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@34e114876b0b11c390a56381ad16ebd13914f8d5 # v4.3.1
        with:
          persist-credentials: false
"""


VARIABLES = {"CELLS": "apache2.4-* !*-py2.7*", "SINCE": "origin/main", "PART": "2/6"}


def steps() -> Iterator[tuple[str, str]]:
    """The commands of the workflows, each with its file's name."""
    for path in sorted((TOP / ".github" / "workflows").glob("*.yml")):
        for job in YAML(typ="safe").load(path)["jobs"].values():
            yield from ((path.name, step["run"]) for step in job["steps"] if "run" in step)


def found_by_zizmor(folder: Path, text: str) -> str:
    workflows = folder / ".github" / "workflows"
    workflows.mkdir(parents=True)
    (workflows / "one.yml").write_text(text)
    return check.complaint((*check.zizmor()[:-1], str(folder / ".github")))


def test_a_workflow_without_fault_passes(tmp_path: Path) -> None:
    assert found_by_zizmor(tmp_path, WORKFLOW) == ""


def test_an_action_that_is_not_pinned_by_its_commit_is_found(tmp_path: Path) -> None:
    unpinned = WORKFLOW.replace("@34e114876b0b11c390a56381ad16ebd13914f8d5", "@v4")
    assert "error[unpinned-uses]" in found_by_zizmor(tmp_path, unpinned)


def test_credentials_that_stay_in_the_checkout_are_found(tmp_path: Path) -> None:
    kept = WORKFLOW.partition("        with:")[0]
    assert "warning[artipacked]" in found_by_zizmor(tmp_path, kept)


def test_a_misspelt_key_is_found(tmp_path: Path) -> None:
    """The schema of workflows, which comes first, finds it."""
    (tmp_path / "one.yml").write_text(WORKFLOW.replace("runs-on", "runson"))
    words = next(check.check_jsonschema())
    schema = words[: words.index("vendor.github-workflows") + 1]
    assert "'runs-on' is a required property" in check.complaint(
        (*schema, str(tmp_path / "one.yml"))
    )


def test_each_file_that_github_reads_is_checked_by_a_schema() -> None:
    checked = {word for words in check.check_jsonschema() for word in words}
    files = {str(path.relative_to(TOP)) for path in (TOP / ".github").rglob("*.yml")}
    assert files <= checked


def test_each_step_is_one_line_that_a_person_can_run() -> None:
    assert [command for _, command in steps() if "\n" in command.strip()] == []
    own = [command for _, command in steps() if command.startswith("./dev ")]
    assert {shlex.split(command)[1] for command in own} == {
        "check",
        "test",
        "build",
        "docs",
        "matrix",
    }


@pytest.mark.parametrize(
    "command", [command for _, command in steps() if command.startswith("./dev matrix")]
)
def test_the_matrix_understands_what_the_workflows_ask(command: str) -> None:
    words = command.partition(" >")[0].removeprefix("./dev matrix ")
    filled = re.sub(r"\$(\w+)", lambda name: VARIABLES.get(name[1], name[1]), words)
    read = arguments.read(__main__.VERBS, None, shlex.split(filled))
    assert read.verb in __main__.VERBS


def test_the_page_of_the_matrix_has_the_lines_of_its_workflow() -> None:
    told = (TOP / "docs" / "matrix.md").read_text()
    lines = [command for name, command in steps() if name == "matrix.yml" and "./dev" in command]
    assert [line for line in lines if f"`{line}`" not in told] == []
