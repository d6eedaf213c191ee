"""./dev, the way in, with programs of ours in the place of the system's.

What a machine lacks is different on each; here it is what a test wants it to be.
"""

import fcntl
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest

from bench.__main__ import parse as parse_bench
from command import TOP, serve
from tools import check

DEV = str(TOP / "dev")
LINES_OF_A_SCREEN = 50

# A tool of the environment that says what it was told.
ECHO = '#!/bin/sh\ntest "$1" = -I || printf "%s\\n" "$@"\n'

# What makes an environment: it ends when it is told to, and writes down when it began and ended.
SLOW = f"""#!/bin/sh
case "$*" in
    *"-m venv"*)
        for folder; do :; done
        echo begin >>"$LOG"
        until [ -e "$LOG.go" ]; do sleep 0.1; done
        mkdir -p "$folder/bin"
        touch "$folder/pyvenv.cfg"
        cp "$TOOL" "$folder/bin/python"
        echo end >>"$LOG"
        ;;
    *) exec {shlex.quote(sys.executable)} "$@" ;;
esac
"""

# A Python without venv, as Debian's is before its package is installed.
INCOMPLETE = f"""#!/bin/sh
case "$*" in
    *ensurepip*) exit 1 ;;
    *) exec {shlex.quote(sys.executable)} "$@" ;;
esac
"""


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@contextmanager
def dev(*words: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [DEV, *words],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


def said(process: subprocess.Popen[str]) -> tuple[str, str]:
    return process.communicate(timeout=120)


@pytest.fixture
def ready(tmp_path: Path) -> Path:
    """An environment that has everything, whose tools only say what they were told."""
    script(tmp_path / "venv" / "bin" / "python", ECHO)
    (tmp_path / "venv" / "requirements.txt").write_text((TOP / "requirements.txt").read_text())
    return tmp_path / "venv"


@pytest.mark.parametrize(
    "words",
    [
        ["--apache", "1.3", "--python", "3.13", "--mpm", "prefork", "install"],
        ["--apache=1.3", "--python=3.13", "--mpm=prefork", "install"],
        ["apache=1.3", "python=3.13", "mpm=prefork", "install"],
    ],
)
def test_build_has_the_options_of_the_other_verbs(ready: Path, words: list[str]) -> None:
    with dev("build", *words, MOD_WSGI_VENV=str(ready)) as process:
        told, complaint = said(process)
    assert complaint == ""
    assert told.split() == ["-m", "SCons", "apache=1.3", "python=3.13", "mpm=prefork", "install"]


def test_an_environment_that_has_more_packages_is_kept(ready: Path) -> None:
    """Two checkouts of different commits may share one."""
    with (ready / "requirements.txt").open("a") as listed:
        listed.write("another==1.0\n")
    with dev("build", MOD_WSGI_VENV=str(ready)) as process:
        told, complaint = said(process)
    assert (told.split(), complaint) == (["-m", "SCons"], "")


def test_an_environment_that_lacks_a_package_is_made_anew(ready: Path) -> None:
    script(ready / "bin" / "python", "#!/bin/sh\nexit 0\n")
    (ready / "pyvenv.cfg").write_text("")
    listed = (TOP / "requirements.txt").read_text().splitlines(keepends=True)
    (ready / "requirements.txt").write_text("".join(listed[:-1]))
    with dev("build", MOD_WSGI_VENV=str(ready), PIP_NO_INDEX="1") as process:
        _, complaint = said(process)
    assert complaint.startswith(f"dev: making {ready} from requirements.txt\n")


def test_an_option_of_build_without_its_value_is_an_error(ready: Path) -> None:
    with dev("build", "--apache", MOD_WSGI_VENV=str(ready)) as process:
        _, complaint = said(process)
    assert (process.returncode, complaint) == (2, "dev: --apache needs a value\n")


@pytest.mark.parametrize("verb", ["serve", "test", "build", "bench", "soak"])
def test_each_verb_tells_of_the_options_that_choose(verb: str) -> None:
    with dev(verb, "-h", MOD_WSGI_VENV=sys.prefix) as process:
        told, _ = said(process)
    assert all(option in told for option in ("--apache", "--python", "--mpm"))


def test_the_help_of_test_is_about_the_options_of_this_project() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--help"],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    told = done.stdout
    assert all(option in told for option in ("--apache", "--mpm", "--all", "--slow", "-k WORDS"))
    assert len(told.splitlines()) < LINES_OF_A_SCREEN


def test_serve_and_bench_take_the_options_that_choose() -> None:
    words = ["--apache", "2.4", "--python", "3.11", "--mpm", "event"]
    serving, measuring = serve.parse(words), parse_bench([*words, "--mpm", "prefork"])
    assert (serving.apache, serving.python, serving.mpm) == ("2.4", "3.11", "event")
    assert (measuring.apache, measuring.python, measuring.mpm) == (
        *("2.4", "3.11"),
        ["event", "prefork"],
    )


def test_the_hooks_of_pre_commit_call_checks_that_exist() -> None:
    hooks = (TOP / ".pre-commit-config.yaml").read_text()
    called = [shlex.split(words) for words in re.findall(r"entry: \./dev check (.*)", hooks)]
    assert called
    assert {name for names in called for name in names} <= {each.name for each in check.checks()}


def test_check_says_which_checks_there_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["check", "spelling"])
    with pytest.raises(SystemExit):
        check.main()
    assert (
        "no such check: spelling. There are: clang-format, ruff format" in capsys.readouterr().err
    )


def test_bench_says_why_it_measures_one_apache_only(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_bench(["--apache", "1.3"])
    assert "is only 2.4: its peers need that one" in capsys.readouterr().err


def test_two_at_once_make_a_new_environment_once(tmp_path: Path) -> None:
    log, tool = tmp_path / "log", script(tmp_path / "tool", ECHO)
    script(tmp_path / "bin" / "python3", SLOW)
    environment = {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "MOD_WSGI_VENV": str(tmp_path / "venv"),
        "LOG": str(log),
        "TOOL": str(tool),
    }
    with dev("matrix", "list", **environment) as first:
        while not log.exists():
            time.sleep(0.01)
            assert first.poll() is None
        with dev("matrix", "list", **environment) as second:
            assert second.stderr
            told = second.stderr.readline()
            (tmp_path / "log.go").touch()
            outcomes = [said(first), said(second)]
    assert [first.returncode, second.returncode] == [0, 0], outcomes
    assert log.read_text().split() == ["begin", "end"]
    assert told.startswith("dev: waiting for another ./dev")


def scons(*words: str) -> subprocess.Popen[str]:
    """A build that makes nothing, as it is asked for."""
    return subprocess.Popen(
        [sys.executable, "-m", "SCons", "-n", "-Q", "-s", *words],
        cwd=TOP,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def another_build() -> Iterator[TextIO]:
    """Holds the lock of builds until it is closed."""
    lock = TOP / "build" / ".scons.lock"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield held


def test_two_builds_of_a_checkout_take_turns() -> None:
    with another_build() as other, scons("apache=none") as process:
        assert process.stderr
        told = process.stderr.readline()
        other.close()
        said(process)
    assert told == "scons: waiting for another build of this folder\n"
    assert process.returncode == 0


def test_tests_that_scons_starts_may_build() -> None:
    with another_build(), scons("apache=none", "test") as process:
        assert said(process)[1] == ""
    assert process.returncode == 0


def test_pip_that_finds_no_packages_leaves_a_word_on_what_to_set(tmp_path: Path) -> None:
    empty = tmp_path / "wheels"
    empty.mkdir()
    environment = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(empty)}
    with dev("matrix", "list", MOD_WSGI_VENV=str(tmp_path / "venv"), **environment) as process:
        _, complaint = said(process)
    assert process.returncode == 2
    assert f"pip cannot install {TOP}/requirements.txt" in complaint
    assert all(name in complaint for name in ("PIP_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"))


@pytest.mark.parametrize(("status", "outcome"), [(0, 0), (100, 2)])
def test_packages_are_named_with_the_time_they_take_before_they_are_installed(
    tmp_path: Path, ready: Path, status: int, outcome: int
) -> None:
    script(tmp_path / "bin" / "python3", INCOMPLETE)
    script(tmp_path / "bin" / "apt-get", f"#!/bin/sh\nexit {status}\n")
    script(tmp_path / "bin" / "sudo", '#!/bin/sh\nshift\nexec "$@"\n')
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    with dev("matrix", "list", PATH=path, MOD_WSGI_VENV=str(ready)) as process:
        _, complaint = said(process)
    first, *rest = complaint.splitlines()
    assert first == (
        "dev: installing with apt-get, which takes a minute or two: python3 python3-venv"
    )
    assert (process.returncode, bool(rest)) == (outcome, bool(status))
