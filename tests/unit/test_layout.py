"""Where files are: what lies at the top, and the tests of servers in the folders of a list."""

import re

import pytest

from command import TOP
from tests.harness import programs

SERVER = TOP / "tests" / "server"
README = TOP / "tests" / "README.md"
FOLDERS = {
    *(".ci", ".github"),
    *("adapters", "bench", "command", "core", "docs", "examples", "matrix", "packaging"),
    *("spawner", "tests", "tools"),
}
FILES = {
    *(".clang-format", ".clang-tidy", ".dockerignore", ".editorconfig", ".gitignore"),
    *(".pre-commit-config.yaml", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md"),
    *("LICENSE", "README.md", "SConstruct", "SECURITY.md", "VERSION", "dev", "mkdocs.yml"),
    *("build.sh", "pyproject.toml", "requirements-docs.txt", "requirements.txt"),
}
ROW = re.compile(r"^\| `(\w+)/` \|", re.MULTILINE)


def test_the_readme_lists_the_folders_that_there_are() -> None:
    table = README.read_text().partition("| folder of `server/` |")[2].partition("\n\n")[0]
    folders = [path.parent.name for path in SERVER.glob("*/__init__.py")]
    assert sorted(ROW.findall(table)) == sorted(folders)


def test_every_test_of_a_server_is_in_a_folder() -> None:
    """With a package around it: pytest takes two modules of one name for the same otherwise."""
    assert not list(SERVER.glob("test_*.py"))
    assert not [
        path for path in SERVER.glob("*/*.py") if not path.with_name("__init__.py").exists()
    ]


def test_no_two_files_have_one_name() -> None:
    """A name says which file is meant, in a report and in a search."""
    names = [path.name for path in SERVER.rglob("test_*.py")]
    assert len(names) == len(set(names))


def listed() -> list[str]:
    """The files of the repository."""
    if not (TOP / ".git").exists():
        pytest.skip("this tree is no checkout")
    written = programs.run("git", "ls-files", "-z")
    return [name for name in written.split("\0") if name and (TOP / name).is_file()]


def test_what_lies_at_the_top_is_known() -> None:
    """A package that was built here, or a note, is committed by mistake only."""
    assert {name.partition("/")[0] for name in listed()} == FOLDERS | FILES


def test_each_file_is_a_text() -> None:
    """Nothing that a compiler, a packer or a camera has made is in the repository."""
    assert not [name for name in listed() if b"\0" in (TOP / name).read_bytes()]
