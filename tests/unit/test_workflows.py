"""What GitHub reads: faults in it are found, and no file of it is left out."""

from pathlib import Path

from command import TOP
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
