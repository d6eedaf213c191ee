"""Where the tests of servers are: in folders, as tests/README.md lists them."""

import re

from command import TOP

SERVER = TOP / "tests" / "server"
README = TOP / "tests" / "README.md"
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
