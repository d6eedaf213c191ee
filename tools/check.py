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

from command import TOP

DATABASE = "compile_commands.json"
C_FOLDERS = ("core", "adapters", "spawner", "bench", "tests")
TYPED_FOLDERS = ("command", "tools", "tests", "matrix", "bench")
DOCUMENTS = "tests/unit/test_documents.py"
SHELL_SCRIPTS = ("dev", "build.sh", ".ci/run", "matrix/tools.sh")
GITHUB_FILES = (
    ("github-workflows", "workflows/*.yml"),
    ("dependabot", "dependabot.yml"),
    ("github-issue-config", "ISSUE_TEMPLATE/config.yml"),
    ("github-issue-forms", "ISSUE_TEMPLATE/[!c]*.yml"),
)
LIMIT_SECONDS = 900


@dataclass(frozen=True, kw_only=True)
class Check:
    """Commands that must all succeed.

    They do not depend on each other, so they run in parallel.
    """

    name: str
    commands: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Compilation:
    """A file and the command that compiles it, without the name of the object."""

    file: str
    words: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a check ended. The complaint is empty if it passed."""

    complaint: str
    seconds: float


def main() -> int:
    """Runs the checks. Returns 0 if all passed. A check is made when those before it have run."""
    parser = argparse.ArgumentParser(prog="dev check", description=__doc__)
    parser.add_argument("--fix", action="store_true", help="format the sources instead")
    parser.add_argument("name", nargs="*", help="run only these, such as 'ruff check' codespell")
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
    """Commands that bring the sources into the project's format."""
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
    yield Check(name="site", commands=((str(TOP / "dev"), "docs"),))
    yield Check(name="zizmor", commands=(zizmor(),))
    yield Check(name="check-jsonschema", commands=tuple(check_jsonschema()))
    yield Check(name="shellcheck", commands=(("shellcheck", *SHELL_SCRIPTS),))
    yield Check(name="cppcheck", commands=(cppcheck(),))
    yield Check(name="mypy", commands=(python("mypy", *typed),))
    yield Check(name="compile commands", commands=(python("SCons", "-Q", "-s", DATABASE),))
    yield Check(name="compiler warnings", commands=tuple(strict_compilations()))
    yield Check(name="clang-tidy", commands=tuple(clang_tidy()))
    workers = str(os.cpu_count() or 1)
    # CI's machine has other guests, and many of these tests measure time.
    again = ("--reruns", "1") if os.environ.get("CI") else ()
    unit = python("pytest", "-q", "-n", workers, *again, "-m", "not server", "tests/unit")
    yield Check(name="tests without a server", commands=(unit,))
    core = ("tests/unit/test_bare_host.py", "tests/unit/test_mount_rules.py")
    sanitized = python("pytest", "-q", "--profile", "asan", *core)
    yield Check(name="the core under sanitizers", commands=(sanitized,))


def python(module: str, *words: str) -> tuple[str, ...]:
    """A command of the project's virtual environment, which also runs this program."""
    return sys.executable, "-m", module, *words


def c_files() -> list[str]:
    folders = (TOP / folder for folder in C_FOLDERS)
    files = (path for folder in folders for path in folder.rglob("*.[ch]"))
    return sorted(str(path.relative_to(TOP)) for path in files)


def zizmor() -> tuple[str, ...]:
    """Finds ways to misuse the workflows, without asking GitHub."""
    program = str(Path(sys.executable).with_name("zizmor"))
    return program, "--offline", "--no-progress", "--quiet", "--strict-collection", ".github"


def check_jsonschema() -> Iterator[tuple[str, ...]]:
    """Checks the files that GitHub reads, each by the tool's schema for its kind."""
    for schema, pattern in GITHUB_FILES:
        files = (str(path.relative_to(TOP)) for path in sorted((TOP / ".github").glob(pattern)))
        yield python("check_jsonschema", "--builtin-schema", f"vendor.{schema}", *files)


def cppcheck() -> tuple[str, ...]:
    """Without the descriptions of libraries, cppcheck raises false alarms.

    They mark readdir as unsafe, but POSIX says so only of one stream that threads share. What
    Python keeps for ever when it starts is not a leak.
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
            "spawner",
        ),
    )


def strict_compilations() -> Iterator[tuple[str, ...]]:
    """Compiles every file as scons does, but a warning is an error, and no object is written.

    Doing this by scons would rebuild every object, here and in the next build.
    """
    for entry in compilations():
        yield *entry.words, "-Werror", "-o", os.devnull


def clang_tidy() -> Iterator[tuple[str, ...]]:
    for entry in compilations():
        yield "clang-tidy", "--quiet", entry.file, "--", *entry.words[1:]


@cache
def compilations() -> tuple[Compilation, ...]:
    """The entries of compile_commands.json. If it is missing, its own check has failed.

    Read once, since another build may replace it by that of another Apache.
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
    """The output of a command that failed; "" if it succeeded."""
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
