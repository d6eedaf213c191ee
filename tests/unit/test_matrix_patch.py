"""./dev matrix patch prints what the matrix does to the source of an old Apache."""

import fnmatch
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from command import Problem
from matrix import HERE, __main__, archives, data, patch
from matrix.described import Apache, Fix

KNOWN = data.load(HERE / "matrix.toml").apaches
OLD = [line for line, apache in KNOWN.items() if apache.fixes]

# Places that a fix of 1.3 is for, and others that look like them.
PLACES = """#!/bin/sh
#!/bin/sh is no first line here
SHELL=/bin/sh
SHELL="/bin/sh"
 SHELL=/bin/sh
getline(line); my_getline(getline);
#define SYS_SIGLIST\t_sys_siglist
#define SYS_SIGLIST _sys_siglist
caf\xe9 getline
"""


def tree(top: Path, apache: Apache) -> None:
    """A file for each pattern of the fixes, and one that none of them is for."""
    for pattern in ("other", *(each for fix in apache.fixes for each in fix.files)):
        path = top / pattern.replace("*", "some")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(PLACES, encoding="latin-1")


def contents(top: Path) -> dict[str, bytes]:
    files = (each for each in top.rglob("*") if each.is_file())
    return {str(each.relative_to(top)): each.read_bytes() for each in files}


def mended(name: str, content: bytes, apache: Apache) -> bytes:
    """A file as the matrix mends it."""
    for fix in apache.fixes:
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in fix.files):
            content = archives.apply(fix, content)
    return content


@pytest.mark.parametrize("line", OLD)
def test_the_commands_do_what_the_matrix_does(tmp_path: Path, line: str) -> None:
    apache = KNOWN[line]
    tree(tmp_path, apache)
    wanted = {name: mended(name, each, apache) for name, each in contents(tmp_path).items()}
    assert sum(each != PLACES.encode("latin-1") for each in wanted.values()) == len(wanted) - 1
    commands = "\n".join(patch.lines(apache))
    subprocess.run(["sh", "-eu"], input=commands, cwd=tmp_path, text=True, check=True)
    assert contents(tmp_path) == wanted


def test_each_command_says_why() -> None:
    told = list(patch.lines(KNOWN["1.3"]))
    assert told[0] == "# What Apache 1.3.42 needs on a current system."
    assert told[1::2] == [f"# {fix.why}" for fix in KNOWN["1.3"].fixes]


def test_a_source_that_needs_nothing_is_said_to() -> None:
    assert list(patch.lines(replace(KNOWN["1.3"], fixes=())))[1:] == [
        "# Nothing of its source has to be changed."
    ]


@pytest.mark.parametrize(("find", "put"), [("/|,%~", "x"), ("(x)", r"\1")])
def test_what_sed_cannot_say_is_an_error(find: str, put: str) -> None:
    with pytest.raises(Problem, match="cannot be written for sed"):
        patch.script(Fix(why="a test", files=("x",), find=find, replace=put))


def test_an_ampersand_is_itself(tmp_path: Path) -> None:
    fix = Fix(why="a test", files=("file",), find="and", replace="&")
    (tmp_path / "file").write_text("you and me\n")
    commands = "\n".join(patch.lines(replace(KNOWN["1.3"], fixes=(fix,))))
    subprocess.run(["sh", "-eu"], input=commands, cwd=tmp_path, text=True, check=True)
    assert (tmp_path / "file").read_text() == "you & me\n"


def test_the_verb_prints_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(["patch", "1.3"]) == 0
    assert capsys.readouterr().out.splitlines() == list(patch.lines(KNOWN["1.3"]))


@pytest.mark.parametrize("words", [["patch"], ["patch", "1.4"], ["patch", "1.3", "2.0"]])
def test_the_verb_takes_one_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(words) == 2
    assert "patch takes one line of Apache: 1.3, 2.0, 2.2, 2.4" in capsys.readouterr().err
