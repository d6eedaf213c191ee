"""The core under ThreadSanitizer, in a Python whose threads run at the same time.

It runs where a free-threaded Python is found: with others the interpreter's lock hides what is to
be found here. tests/tsan.supp says what is not ours.
"""

import os
import subprocess
from pathlib import Path

import pytest

from command import TOP, pythons
from tests.harness.config import APPS
from tests.unit.conftest import build_bare

OPTIONS = f"suppressions={TOP / 'tests' / 'tsan.supp'} report_thread_leaks=0"
NONE = "no free-threaded Python on PATH or in pyenv: install python3.13t, or name it with --python"

THREADS = 4
REQUESTS = 20


@pytest.fixture(scope="module")
def racing(request: pytest.FixtureRequest) -> Path:
    """The bare host for the first free-threaded Python, with ThreadSanitizer."""
    found = pythons.find(request.config.getoption("python"))
    free = [python for python in found if python.abi == "t" and not pythons.fault(python)]
    if not free:
        pytest.skip(NONE)
    return build_bare(free[0], "tsan")


@pytest.mark.parametrize(
    "arguments",
    [
        ("hello::application",),
        ("environs::as_json",),
        ("bodies::lines",),
        ("failing::before_the_first_block",),
        ("threads::starts_and_writes",),
        ("threads::writes_from_many",),
        ("threads::reads_while_it_answers",),
        ("threads::logs_from_many",),
        ("threads::starts_from_many",),
        ("--env", "QUERY_STRING=1000", "pieces::many"),
        ("--send-time", "50", "--busy-for", "2", "pieces::written_then_yielded"),
        ("--close-after", "5000", "--env", "QUERY_STRING=1000", "pieces::many"),
        ("pieces::and_logs",),
        ("pieces::then_reads",),
        ("pieces::then_fails",),
        ("--env", "mod_wsgi.reload=on", "hello::application"),
        ("--env", "mod_wsgi.interpreters=3", "hello::application"),
        ("--env", "mod_wsgi.interpreters=2", "--env", "mod_wsgi.gil=own", "hello::application"),
        ("--env", "mod_wsgi.interpreter=main_interpreter", "threads::logs_from_many"),
    ],
    ids=" ".join,
)
def test_threads_do_not_race(racing: Path, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "body").write_bytes(b"a line\n" * 5000)
    command = [str(racing), "--directory", str(APPS), "--body", str(tmp_path / "body")]
    command += ["--env", f"tests.scratch={tmp_path}", "--chunk", "1000"]
    command += ["--threads", str(THREADS), "--requests", str(REQUESTS)]
    done = subprocess.run(
        [*command, *arguments],
        capture_output=True,
        check=False,
        timeout=300,
        env={**os.environ, "TSAN_OPTIONS": OPTIONS},
    )
    log = done.stderr.decode("utf-8", "replace")
    if "ThreadSanitizer" in log:
        pytest.fail(log[log.index("ThreadSanitizer") :][:6000], pytrace=False)
    assert done.returncode in (0, 1), log[-2000:]
    assert done.stdout.startswith(b"Status: "), log[-2000:]
