"""The bare host: the core without a server, one process for each question."""

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from command import Problem, build, pythons
from command.pythons import Python
from tests.harness.config import APPS


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one run of the bare host gave: the last response, the log, the exit status."""

    code: int
    head: tuple[tuple[str, str], ...]
    body: bytes
    log: tuple[str, ...]

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.head if key.lower() == name.lower()), None)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.head if key.lower() == name.lower()]

    @property
    def status(self) -> str | None:
        return self.header("Status")

    @property
    def broken_off(self) -> bool:
        return self.body.endswith(b"\n(broken off)\n")

    @property
    def errors(self) -> list[str]:
        return [line for line in self.log if line.startswith("[error]")]

    def json(self) -> Any:
        assert self.status == "200 OK", (self, self.log)
        return json.loads(self.body)


Bare = Callable[..., Outcome]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The Pythons named with --python, else the one that a plain `scons` builds for."""
    if "python" not in metafunc.fixturenames:
        return
    wanted = metafunc.config.getoption("python")
    try:
        chosen = pythons.find(wanted) if wanted else [pythons.choose()]
    except Problem as problem:
        raise pytest.UsageError(str(problem)) from problem
    metafunc.parametrize(
        "python", chosen, indirect=True, scope="session", ids=lambda python: python.name
    )


@pytest.fixture(scope="session")
def python(request: pytest.FixtureRequest) -> Python:
    chosen: Python = request.param
    return chosen


@pytest.fixture(scope="session")
def bare_host(request: pytest.FixtureRequest, python: Python) -> Path:
    """The bare host's program for this Python and the profile asked for, built first."""
    return build_bare(python, request.config.getoption("profile"))


def build_bare(python: Python, profile: str) -> Path:
    try:
        return build.bare(python, profile)
    except Problem as problem:
        pytest.fail(str(problem), pytrace=False)


# Every run makes one, and says so.
OF_AN_INTERPRETER = re.compile(r"\[info\] mod_wsgi: MW0401: [\d.]+ has made the interpreter ")


@pytest.fixture
def bare(bare_host: Path, tmp_path: Path) -> Bare:
    """Runs the bare host: bare("--location", "/x", "module::callable", "/path", body=b"...")."""
    return make_bare(bare_host, tmp_path)


def make_bare(bare_host: Path, tmp_path: Path) -> Bare:

    def run(*arguments: str, body: bytes | None = None, directory: Path = APPS) -> Outcome:
        command = [str(bare_host), "--directory", str(directory)]
        command += ["--env", f"tests.scratch={tmp_path}"]
        if body is not None:
            (tmp_path / "body").write_bytes(body)
            command += ["--body", str(tmp_path / "body")]
        done = subprocess.run(
            [*command, *arguments], capture_output=True, check=False, timeout=120
        )
        assert done.returncode >= 0, f"ended by signal {-done.returncode}: {done.stderr!r}"
        assert not re.search(rb"Sanitizer|runtime error:", done.stderr), done.stderr.decode()
        head, _, rest = done.stdout.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        told = done.stderr.decode("utf-8", "replace").splitlines()
        return Outcome(
            code=done.returncode,
            head=tuple(
                (name, value) for name, _, value in (each.partition(": ") for each in lines)
            ),
            body=rest,
            log=tuple(line for line in told if not OF_AN_INTERPRETER.match(line)),
        )

    return run
