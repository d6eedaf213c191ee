"""What --since chooses: the cells that a change can touch."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from command import TOP, Problem
from matrix import HERE, cells, data, seen, since

KNOWN = data.load(HERE / "matrix.toml")
EVERY = cells.expand(KNOWN)
ALWAYS = {cell.name for cell in since.first_of_each_archive(EVERY, KNOWN)}
PICTURE = "docs/picture.png"
HEADER = (TOP / since.PYTHONS_HEADER).read_text()

Change = Callable[[str, str], set[str]]


@pytest.fixture
def change(tmp_path: Path) -> Change:
    """Changes a file of a checkout. Returns the cells that this can touch, beside ALWAYS."""

    def git(*words: str) -> None:
        told = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b", *words]
        subprocess.run(told, check=True, capture_output=True)

    for name in (since.PYTHONS_HEADER, since.DATA_FILE):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text((TOP / name).read_text())
    (tmp_path / "docs").mkdir()
    (tmp_path / PICTURE).write_bytes(b"\x89PNG\xff")
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "before")
    git("tag", "before")

    def changed(name: str, text: str) -> set[str]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        known = data.load(tmp_path / since.DATA_FILE)
        found = since.touched(cells.expand(known), known, "before", tmp_path)
        return {cell.name for cell in found.cells} - ALWAYS

    return changed


def of(wanted: Callable[[cells.Cell], bool]) -> set[str]:
    return {cell.name for cell in EVERY if wanted(cell)} - ALWAYS


def test_without_a_change_a_cell_of_each_archive_is_left(change: Change) -> None:
    assert change("docs/new.md", "a page") == set()
    assert {name.partition("-")[0] for name in ALWAYS} == {
        "apache1.3",
        "apache2.0",
        "apache2.2",
        "apache2.4",
    }


def test_a_file_that_is_no_text_is_only_a_name(tmp_path: Path, change: Change) -> None:
    (tmp_path / PICTURE).write_bytes(b"\x89PNG\xfe")
    assert change("docs/new.md", "a page") == set()


def test_a_header_that_is_gone_touches_every_cell(tmp_path: Path, change: Change) -> None:
    (tmp_path / since.PYTHONS_HEADER).unlink()
    assert change("docs/new.md", "a page") == of(lambda _: True)


def test_an_adapter_touches_its_lines(change: Change) -> None:
    assert change("adapters/apache13/new.c", "") == of(lambda cell: cell.line == "1.3")


def test_the_adapter_of_three_lines_touches_them(change: Change) -> None:
    assert change("adapters/apache2x/new.c", "") == of(lambda cell: cell.line != "1.3")


def test_what_an_adapter_touches_is_told_by_the_lines_names() -> None:
    """A line that is new in the data file is to be in a rule, too."""
    told = [since.rule(f"adapters/{name}/new.c") for name in ("apache13", "apache2x")]
    assert ", ".join(told).split(", ") == [f"Apache {line}" for line in KNOWN.apaches]


@pytest.mark.parametrize("name", ["core/new.c", "spawner/new.c", "adapters/wire/new.c", "new/a"])
def test_the_core_and_what_nobody_thought_of_touch_every_cell(change: Change, name: str) -> None:
    assert change(name, "") == of(lambda _: True)


@pytest.mark.parametrize("name", ["tests/server/body/test_new.py", "docs/guides/new.md", "dev"])
def test_tests_are_run_with_every_line_and_every_python(change: Change, name: str) -> None:
    names = change(name, "") | ALWAYS
    chosen = [cell for cell in EVERY if cell.name in names]
    assert len(chosen) < len(EVERY) / 5
    wanted = {feature for cell in EVERY if not cell.excluded for feature in since.features(cell)}
    assert {feature for cell in chosen for feature in since.features(cell)} == wanted


def test_a_branch_for_one_python_touches_its_cells(change: Change) -> None:
    text = HEADER.replace(
        "#define WSGI_HAS_VFORK (PY_VERSION_HEX >= 0x030A0000)",
        "#define WSGI_HAS_VFORK (PY_VERSION_HEX >= 0x030B0000)",
    )
    assert text != HEADER
    assert change(since.PYTHONS_HEADER, text) == of(lambda cell: cell.python == "3.10")


def test_a_comment_in_the_header_touches_no_cell(change: Change) -> None:
    assert change(since.PYTHONS_HEADER, f"{HEADER}\n/* a remark */\n") == set()


def test_a_line_for_all_pythons_touches_every_cell(change: Change) -> None:
    assert change(since.PYTHONS_HEADER, f"{HEADER}\nint x;\n") == of(lambda _: True)


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ('version = "1.3.42"', 'version = "1.3.43"', lambda cell: cell.line == "1.3"),
        ('"--disable-gil"', '"--disable-gil", "-O"', lambda cell: cell.python.endswith("t")),
        (
            'packages = ["apache2", "apache2-dev"]',
            'packages = ["apache2", "apache2-dev", "more"]',
            lambda cell: bool(cell.suite) and cell.suite not in ("alma9", "rocky9"),
        ),
        ("seconds = 1800", "seconds = 1900", lambda _: False),
        ('packages = ["python3.11", ', 'packages = ["python3.11", "x", ', lambda _: True),
    ],
)
def test_the_data_file_touches_what_it_describes_anew(
    change: Change, old: str, new: str, wanted: Callable[[cells.Cell], bool]
) -> None:
    text = (TOP / since.DATA_FILE).read_text()
    assert old in text
    assert change(since.DATA_FILE, text.replace(old, new)) == of(wanted)


def test_a_commit_that_git_does_not_know_is_a_problem() -> None:
    with pytest.raises(Problem, match="git knows no commit"):
        since.touched(EVERY, KNOWN, "nosuch")


BRANCHES = """\
#define OLD (PY_VERSION_HEX < 0x03000000)
#if OLD
two
#elif PY_VERSION_HEX >= 0x030E0000 && \\
    defined(Py_GIL_DISABLED) /* a remark */
newest
#else
three
#ifdef UNKNOWN
perhaps
#endif
#endif
"""


@pytest.mark.parametrize(
    ("version", "lines"),
    [
        ("2.7", ("#define OLD 1", "two")),
        ("3.14t", ("#define OLD 0", "newest")),
        ("3.14", ("#define OLD 0", "three", "#ifdef UNKNOWN", "perhaps", "#endif")),
        ("3.13t", ("#define OLD 0", "three", "#ifdef UNKNOWN", "perhaps", "#endif")),
    ],
)
def test_a_python_sees_its_branches(version: str, lines: tuple[str, ...]) -> None:
    told = tuple(line.replace("defined(UNKNOWN)", "UNKNOWN") for line in lines)
    assert seen.by_python(BRANCHES, version) == told


def test_every_python_sees_what_it_compiles() -> None:
    """No condition is left that asks for a Python: a new kind has to be taught to seen.py."""
    for version in KNOWN.pythons:
        left = [line for line in seen.by_python(HEADER, version) if "PY_VERSION_HEX" in line]
        assert left == []
