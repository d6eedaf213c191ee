"""Our programs run nothing of the directory they are called in: it may be somebody else's.

Root calls ./dev by its path while it stands in a home: a venv.py there would be run as root.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from command import TOP

# What might be looked for there first: Python's own modules, those of the tools, and ours.
OTHERS = (
    "pip",
    "setuptools",
    "pytest",
    "SCons",
    "command",
    "tools",
    "matrix",
    "bench",
    "tests",
    "docker",
)

TRAP = """
with open({mark!r}, "a") as stream:
    stream.write(__name__ + "\\n")
raise RuntimeError("run from the directory that the program was called in")
"""


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that any module of the working directory makes when it is imported."""
    elsewhere, made = tmp_path / "elsewhere", tmp_path / "mark"
    elsewhere.mkdir()
    for name in {*sys.stdlib_module_names, *OTHERS} - {"sys", "builtins", "__future__"}:
        (elsewhere / f"{name}.py").write_text(TRAP.format(mark=str(made)))
    monkeypatch.chdir(elsewhere)
    return made


def trapped(mark: Path) -> str:
    return mark.read_text() if mark.exists() else ""


def dev(*words: str, venv: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MOD_WSGI_VENV": str(venv), "PIP_NO_INDEX": "1"}
    return subprocess.run(
        [str(TOP / "dev"), *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_the_trap_works(mark: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--help"], check=False, capture_output=True)
    assert trapped(mark) != ""


def test_a_python_that_is_asked_about_itself_looks_elsewhere(mark: Path) -> None:
    """Every Python of this machine, for what tells them apart differs."""
    ask = "from command import pythons; print(len(pythons.find()))"
    told = subprocess.run(
        [sys.executable, "-P", "-c", ask],
        env={**os.environ, "PYTHONPATH": str(TOP)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert trapped(mark) == ""
    assert int(told.stdout) > 0


@pytest.mark.parametrize("verb", ["build", "serve", "matrix"])
def test_a_verb_looks_elsewhere(mark: Path, verb: str) -> None:
    done = dev(verb, "--help", venv=Path(sys.prefix))
    assert trapped(mark) == ""
    assert done.returncode == 0, done.stderr


def test_the_environment_of_the_tools_is_made_elsewhere(mark: Path, tmp_path: Path) -> None:
    """Only pip's downloads fail, which would take too long here."""
    done = dev("matrix", "--help", venv=tmp_path / "venv")
    assert trapped(mark) == ""
    assert (tmp_path / "venv" / "bin" / "python").exists()
    assert "No matching distribution" in done.stderr
