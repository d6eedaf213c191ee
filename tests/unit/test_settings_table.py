"""The table in settings.c is what the documentation and the log say, and all that is read."""

import re
import subprocess
from pathlib import Path

import pytest

from command import TOP
from tests.unit.conftest import Bare

PAGE = TOP / "docs" / "configuration.md"
NAME = re.compile(r"\| `((?:mod_wsgi\.|MOD_WSGI_|TMPDIR)\w*(?:\.NAME)?)` \|")


@pytest.fixture
def rows(bare_host: Path) -> list[str]:
    """The table as the module itself shows it: a line of Markdown for each variable."""
    done = subprocess.run(
        [str(bare_host), "--variables"], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.splitlines()


def names(rows: list[str]) -> list[str]:
    matches = [NAME.match(row) for row in rows]
    assert all(matches), rows
    return [match[1] for match in matches if match]


def test_every_variable_has_all_its_words(rows: list[str]) -> None:
    assert len(rows) > 5
    cells = [re.split(r"(?<!\\)\|", row) for row in rows]
    assert {len(each) for each in cells} == {7}
    assert not [each for each in cells if not all(cell.strip("` ") for cell in each[1:-1])]
    assert not [row for row in rows if "(null)" in row]


def test_a_variable_is_in_the_table_once(rows: list[str]) -> None:
    assert len(set(names(rows))) == len(rows)


def test_the_page_shows_the_table(rows: list[str]) -> None:
    page = [line for line in PAGE.read_text().splitlines() if NAME.match(line)]
    assert page == rows, "these lines belong into docs/configuration.md:\n" + "\n".join(rows)


def test_the_log_names_every_variable_of_a_request(bare: Bare, rows: list[str]) -> None:
    outcome = bare("--env", "mod_wsgi.aplication=x", "respond::one_block")
    known = ", ".join(name for name in names(rows) if name.startswith("mod_wsgi."))
    assert outcome.status == "500 (error page)"
    assert outcome.errors[0].endswith(f"the names are {known}")


def test_every_variable_of_the_environment_is_in_the_table(rows: list[str]) -> None:
    text = "".join(path.read_text() for path in sorted((TOP / "core").rglob("*.[ch]")))
    assert set(re.findall(r'"(MOD_WSGI_\w+)"', text)) <= set(names(rows))


def test_only_the_table_reads_the_environment_of_the_process() -> None:
    reads = [path.name for path in (TOP / "core").rglob("*.c") if "getenv(" in path.read_text()]
    assert reads == ["settings.c"]


@pytest.mark.parametrize("value", ["none", "0", "10001", "3x", "-1"])
def test_a_wrong_number_in_the_environment_is_a_warning(
    bare: Bare, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("MOD_WSGI_MAX_INTERPRETERS", value)
    outcome = bare("--requests", "3", "respond::one_block")
    line = f"MOD_WSGI_MAX_INTERPRETERS '{value}' is not a number from 1 to 10000: 64 is used"
    assert (outcome.code, outcome.errors) == (0, [])
    assert [each for each in outcome.log if "[warning]" in each] == [
        f"[warning] mod_wsgi: MW0101: {line}"
    ]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("MOD_WSGI_PYTHONHOME", "MOD_WSGI_PYTHON_HOME"),
        ("MODWSGI_PYTHON_HOME", "MOD_WSGI_PYTHON_HOME"),
        ("mod_wsgi_python_home", "MOD_WSGI_PYTHON_HOME"),
        ("MOD_WSGI_MAX_INTERPETERS", "MOD_WSGI_MAX_INTERPRETERS"),
        ("MOD_WSGI_MAX_INTERPRETERS_", "MOD_WSGI_MAX_INTERPRETERS"),
    ],
)
def test_a_misspelt_variable_of_the_environment_is_a_warning(
    bare: Bare, monkeypatch: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    monkeypatch.setenv(name, "/nonexistent")
    outcome = bare("--requests", "3", "respond::one_block")
    line = (
        f"{name} in the server's environment is not a variable of this module: is {meant} meant?"
    )
    assert (outcome.code, outcome.errors) == (0, [])
    assert [each for each in outcome.log if "[warning]" in each] == [
        f"[warning] mod_wsgi: MW0107: {line}"
    ]


@pytest.mark.parametrize("name", ["MOD_WSGI_VENV", "MOD_WSGI_PYTHON_PREFIX", "MODDIR", "TMPDIRS"])
def test_a_variable_of_another_program_is_none_of_ours(
    bare: Bare, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "/nonexistent")
    outcome = bare("respond::one_block")
    assert (outcome.code, [line for line in outcome.log if "[info]" not in line]) == (0, [])


@pytest.mark.parametrize("name", ["MOD_WSGI_MAX_INTERPRETERS", "MOD_WSGI_PYTHON_HOME"])
def test_an_empty_variable_of_the_environment_is_none(
    bare: Bare, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "")
    outcome = bare("respond::one_block")
    assert (outcome.code, [line for line in outcome.log if "[info]" not in line]) == (0, [])
