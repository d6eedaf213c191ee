"""Runs every check that needs no server. "scons lint" and CI run this program, too.

Each check is one line with its time, followed by the complaints of a failed check. A missing tool
is a failure, too, because a check that did not run must not look green.
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tools import TOP

DATABASE = "compile_commands.json"
C_FOLDERS = ("core", "adapters", "bench", "tests")
TYPED_FOLDERS = ("tools", "tests", "matrix", "bench")
DOCUMENTS = "tests/unit/test_documents.py"
SHELL_SCRIPTS = ("dev", ".ci/run", "matrix/tools.sh")
GITHUB_FILES = (
    ("github-workflows", "workflows/*.yml"),
    ("dependabot", "dependabot.yml"),
    ("github-issue-config", "ISSUE_TEMPLATE/config.yml"),
    ("github-issue-forms", "ISSUE_TEMPLATE/[!c]*.yml"),
)
LIMIT_SECONDS = 900


@dataclass(frozen=True, kw_only=True)
class Check:
    """Commands that must all succeed; in parallel, since each stands for itself."""

    name: str
    commands: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Compilation:
    """A file and the words that compile it, but for where the object goes."""

    file: str
    words: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a check ended: what it said is empty where it passed."""

    complaint: str
    seconds: float


def main() -> int:
    """Runs the checks; 0 if every one passed. A check is made when the ones before it have run."""
    parser = argparse.ArgumentParser(prog="dev check", description=__doc__)
    parser.add_argument("--fix", action="store_true", help="format the sources instead")
    parser.add_argument("name", nargs="*", help="only these checks: 'ruff check' codespell")
    arguments = parser.parse_args()
    failed, left = False, set(arguments.name)
    for check in formatting() if arguments.fix else checks():
        if not arguments.name or check.name in arguments.name:
            failed |= not passes(check)
        left.discard(check.name)
    if left:
        names = ", ".join(check.name for check in checks())
        parser.error(f"no such check: {', '.join(sorted(left))}. There are: {names}")
    return int(failed)


def formatting() -> Iterator[Check]:
    """What brings the sources into the project's format."""
    yield Check(name="clang-format", commands=(("clang-format", "-i", *c_files()),))
    yield Check(name="ruff check", commands=(python("ruff", "check", "--fix", "--quiet"),))
    yield Check(name="ruff format", commands=(python("ruff", "format", "--quiet"),))


def checks() -> Iterator[Check]:
    """The checks, the quickest first."""
    typed = [folder for folder in TYPED_FOLDERS if (TOP / folder).is_dir()]
    yield Check(
        name="clang-format", commands=(("clang-format", "--dry-run", "-Werror", *c_files()),)
    )
    yield Check(name="ruff format", commands=(python("ruff", "format", "--check"),))
    yield Check(name="ruff check", commands=(python("ruff", "check"),))
    yield Check(name="codespell", commands=(python("codespell_lib"),))
    yield Check(name="documents", commands=(python("pytest", "-q", DOCUMENTS),))
    yield Check(name="zizmor", commands=(zizmor(),))
    yield Check(name="check-jsonschema", commands=tuple(check_jsonschema()))
    yield Check(name="shellcheck", commands=(("shellcheck", *SHELL_SCRIPTS),))
    yield Check(name="cppcheck", commands=(cppcheck(),))
    yield Check(name="mypy", commands=(python("mypy", *typed),))
    yield Check(name="compile commands", commands=(python("SCons", "-Q", "-s", DATABASE),))
    yield Check(name="compiler warnings", commands=tuple(strict_compilations()))
    yield Check(name="clang-tidy", commands=tuple(clang_tidy()))
    unit = python("pytest", "-q", "-m", "not server", "tests/unit")
    yield Check(name="tests without a server", commands=(unit,))
    core = ("tests/unit/test_bare_host.py", "tests/unit/test_mount_rules.py")
    sanitized = python("pytest", "-q", "--profile", "asan", *core)
    yield Check(name="the core under sanitizers", commands=(sanitized,))


def python(module: str, *words: str) -> tuple[str, ...]:
    """A tool of the project's virtual environment, which runs this program too."""
    return sys.executable, "-m", module, *words


def c_files() -> list[str]:
    folders = (TOP / folder for folder in C_FOLDERS)
    files = (path for folder in folders for path in folder.rglob("*.[ch]"))
    return sorted(str(path.relative_to(TOP)) for path in files)


def zizmor() -> tuple[str, ...]:
    """Finds how the workflows could be misused, without asking GitHub."""
    program = str(Path(sys.executable).with_name("zizmor"))
    return program, "--offline", "--no-progress", "--quiet", "--strict-collection", ".github"


def check_jsonschema() -> Iterator[tuple[str, ...]]:
    """The files that GitHub reads, each by the schema of its kind, as the tool has it."""
    for schema, pattern in GITHUB_FILES:
        files = (str(path.relative_to(TOP)) for path in sorted((TOP / ".github").glob(pattern)))
        yield python("check_jsonschema", "--builtin-schema", f"vendor.{schema}", *files)


def cppcheck() -> tuple[str, ...]:
    """Without the libraries' descriptions it raises false alarms.

    readdir is marked as unsafe there, which POSIX says of one stream shared by threads only; and
    what Python keeps for ever when it starts is no leak.
    """
    return (
        *("cppcheck", "--quiet", "--error-exitcode=1", "--inline-suppr", "--std=c99"),
        *("--library=python", "--library=posix", "--enable=warning,performance,portability"),
        *(
            "--suppress=readdirCalled",
            "--suppress=leakNoVarFunctionCall:core/python/python.h",
            "-Icore",
            "core",
            "adapters",
        ),
    )


def strict_compilations() -> Iterator[tuple[str, ...]]:
    """Every file compiled as scons does, but a warning is an error, and into nothing.

    The same through scons would make every object anew, here and at the next build.
    """
    for entry in compilations():
        yield *entry.words, "-Werror", "-o", os.devnull


def clang_tidy() -> Iterator[tuple[str, ...]]:
    for entry in compilations():
        yield "clang-tidy", "--quiet", entry.file, "--", *entry.words[1:]


@cache
def compilations() -> tuple[Compilation, ...]:
    """What compile_commands.json lists; its own check has failed where it is missing.

    Read once, since any other build may write it anew for another Apache.
    """
    path = TOP / DATABASE
    entries = json.loads(path.read_text()) if path.is_file() else []
    return tuple(
        Compilation(file=entry["file"], words=without_output(shlex.split(entry["command"])))
        for entry in entries
    )


def without_output(words: list[str]) -> tuple[str, ...]:
    place = words.index("-o")
    return *words[:place], *words[place + 2 :]


def passes(check: Check) -> bool:
    """Runs one check and prints how it went."""
    outcome = run(check)
    print(f"{'FAILED' if outcome.complaint else 'ok':8}{check.name:24}{outcome.seconds:6.1f} s")
    if outcome.complaint:
        print(textwrap.indent(outcome.complaint, "    "))
    sys.stdout.flush()
    return not outcome.complaint


def run(check: Check) -> Outcome:
    started = time.monotonic()
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        complaints = list(pool.map(complaint, check.commands))
    if not check.commands:
        complaints = ["nothing to check was found"]
    return Outcome(
        complaint="\n".join(text for text in complaints if text),
        seconds=time.monotonic() - started,
    )


def complaint(command: Sequence[str]) -> str:
    """What a command that failed said; nothing if it succeeded."""
    if shutil.which(command[0]) is None:
        return f"{command[0]} is not installed: ./dev check installs what it needs"
    try:
        done = subprocess.run(
            command,
            cwd=TOP,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            timeout=LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{shlex.join(command)} took longer than {LIMIT_SECONDS} s"
    said = done.stdout.strip() or f"{shlex.join(command)} exited with {done.returncode}"
    return said if done.returncode else ""


if __name__ == "__main__":
    sys.exit(main())
