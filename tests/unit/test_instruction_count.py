"""The price of a request in instructions: callgrind counts them, whatever else the machine does.

instructions.json holds what each case below costs, Python's part included, by what the count
depends on: the machine, the compiler's and Python's release. To accept another price, put the
number that the test says there, and say in the commit what it buys.

The applications come without .pyc files, as in a fresh clone. A first run makes them, and is not
counted: otherwise the shorter run would compile what the longer one only reads.
"""

import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from command.pythons import Python
from tests.harness.config import APPS
from tests.harness.instructions import cheapest

MOST_CHANGE = 0.03
KNOWN = Path(__file__).with_name("instructions.json")
HEADERS = (
    *("HTTP_HOST=localhost", "HTTP_USER_AGENT=test", "HTTP_ACCEPT=*/*"),
    *("HTTP_ACCEPT_LANGUAGE=en", "HTTP_COOKIE=session=0123456789abcdef"),
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is counted: the run with many requests, less the run with few."""

    name: str
    words: tuple[str, ...]
    option: str = "--requests"
    few: int = 300
    many: int = 600
    most_change: float = MOST_CHANGE

    def __str__(self) -> str:
        return self.name


CASES = (
    Case(name="hello", words=("hello::application",), few=1000, many=2000),
    # Threads that start at the same time disturb each other. So this price is not exact.
    Case(
        name="first hello of a thread",
        words=("hello::application",),
        option="--threads",
        few=1,
        many=21,
        most_change=0.1,
    ),
    Case(
        name="below the mount",
        words=(
            "--env",
            "QUERY_STRING=x=1",
            "--location",
            "/app",
            "hello::application",
            "/app/a/b",
        ),
    ),
    Case(
        name="post of 1,000 bytes",
        words=("--method", "POST", "--body", "@{body}", "bodies::read_all"),
    ),
    Case(
        name="generator of 20 pieces",
        words=("--env", "QUERY_STRING=20", "pieces::many"),
    ),
)


@pytest.fixture(scope="module")
def fresh() -> Iterator[Path]:
    """The applications' folder. Its name is as long everywhere: letters cost instructions."""
    with tempfile.TemporaryDirectory(prefix="mod_wsgi-", dir="/tmp") as name:
        for each in APPS.glob("*.py"):
            shutil.copy(each, name)
        (Path(name) / "body").write_bytes(b"b" * 1000)
        yield Path(name)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_request_needs_no_more_instructions_than_before(
    bare_host: Path, python: Python, fresh: Path, case: Case
) -> None:
    if shutil.which("valgrind") is None:
        pytest.fail("valgrind is missing: apt-get install valgrind", pytrace=False)
    conditions = f"{platform.machine()} {compiler(bare_host)} Python {python.release}"
    known = json.loads(KNOWN.read_text()).get(conditions, {}).get(case.name)
    run(bare_host, case, 1, fresh)
    for cost in costs(bare_host, case, fresh):
        if known is None:
            unknown(conditions, case, cost)
        change = cost / known - 1
        if abs(change) <= case.most_change:
            break
    assert change <= case.most_change, (
        f"{case} needs {cost} instructions, {change:.1%} more than {known} in {KNOWN.name} "
        f"for {conditions}: see where with callgrind_annotate, or accept it there"
    )
    assert change >= -case.most_change, (
        f"{case} needs {cost} instructions, {-change:.1%} less than {known} in {KNOWN.name} "
        f"for {conditions}: write that there, or later growth up to {known} is not seen"
    )


def costs(program: Path, case: Case, folder: Path) -> Iterator[int]:
    """The price of a request, three times, each more certain than the one before."""
    numbers = (case.few, case.many)
    runs = {number: partial(count, program, case, number, folder) for number in numbers}
    for least in cheapest(runs):
        yield round((least[case.many] - least[case.few]) / (case.many - case.few))


def count(program: Path, case: Case, number: int, folder: Path) -> int:
    """The instructions of a whole run, start and end included."""
    valgrind = ("valgrind", "--tool=callgrind", f"--callgrind-out-file={folder / 'profile'}")
    told = run(program, case, number, folder, valgrind)
    collected = re.search(r"Collected : (\d+)", told)
    assert collected, told[-2000:]
    return int(collected[1])


def run(program: Path, case: Case, number: int, folder: Path, before: tuple[str, ...] = ()) -> str:
    words = [str(folder / "body") if word == "@{body}" else word for word in case.words]
    done = subprocess.run(
        [
            *(*before, str(program), "--directory", str(folder), case.option, str(number)),
            *(word for header in HEADERS for word in ("--env", header)),
            *words,
        ],
        capture_output=True,
        text=True,
        errors="replace",
        env=environment(),
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stderr


def environment() -> dict[str, str]:
    """Ours without what steers Python, but for the seed: the order of sets costs instructions."""
    ours = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    return {**ours, "PYTHONHASHSEED": "0"}


def compiler(program: Path) -> str:
    """Which compiler made a program, as it says in its .comment: "GCC 12"."""
    match = re.search(rb"(GCC|clang)[^\0]*? (\d+)\.\d+\.\d+", program.read_bytes())
    assert match, f"{program} does not say which compiler made it"
    return f"{match[1].decode()} {match[2].decode()}"


def unknown(conditions: str, case: Case, cost: int) -> None:
    """A contributor's machine may be any; the one that guards every change may not."""
    wanted = f'nothing to compare with: add "{case}": {cost} for {conditions} to {KNOWN.name}'
    if os.environ.get("CI"):
        pytest.fail(wanted, pytrace=False)
    pytest.skip(wanted)
