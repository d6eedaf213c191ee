"""The price of a request in instructions: callgrind counts them, whatever else the machine does.

instructions.json holds what a hello request costs, Python's part included, by what the count
depends on: the machine, the compiler's and Python's release. To accept another price, put the
number that the test says there, and say in the commit what it buys.

The application comes without .pyc files, as in a fresh clone. A first run makes them, and is not
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
from pathlib import Path

import pytest

from tests.harness.config import APPS
from tools.pythons import Python

REQUESTS = 1000
MOST_CHANGE = 0.03
KNOWN = Path(__file__).with_name("instructions.json")
HEADERS = (
    *("HTTP_HOST=localhost", "HTTP_USER_AGENT=test", "HTTP_ACCEPT=*/*"),
    *("HTTP_ACCEPT_LANGUAGE=en", "HTTP_COOKIE=session=0123456789abcdef"),
)


@pytest.fixture
def fresh() -> Iterator[Path]:
    """The application's folder. Its name is as long everywhere: each letter costs instructions."""
    with tempfile.TemporaryDirectory(prefix="mod_wsgi-", dir="/tmp") as name:
        for each in ("hello.py", "answers.py"):
            shutil.copy(APPS / each, name)
        yield Path(name)


def test_a_request_needs_no_more_instructions_than_before(
    bare_host: Path, python: Python, fresh: Path
) -> None:
    if shutil.which("valgrind") is None:
        pytest.fail("valgrind is missing: apt-get install valgrind", pytrace=False)
    conditions = f"{platform.machine()} {compiler(bare_host)} Python {python.release}"
    known = json.loads(KNOWN.read_text()).get(conditions)
    count(bare_host, 1, fresh)
    few, many = (count(bare_host, number, fresh) for number in (REQUESTS, 2 * REQUESTS))
    cost = round((many - few) / REQUESTS)
    if known is None:
        unknown(conditions, cost)
    change = cost / known - 1
    assert change <= MOST_CHANGE, (
        f"a request needs {cost} instructions, {change:.1%} more than {known} in {KNOWN.name} "
        f"for {conditions}: see where with callgrind_annotate, or accept it there"
    )
    assert change >= -MOST_CHANGE, (
        f"a request needs {cost} instructions, {-change:.1%} less than {known} in {KNOWN.name} "
        f"for {conditions}: write that there, or later growth up to {known} is not seen"
    )


def count(program: Path, requests: int, folder: Path) -> int:
    """The instructions of a whole run, start and end included."""
    done = subprocess.run(
        [
            *("valgrind", "--tool=callgrind", f"--callgrind-out-file={folder / 'profile'}"),
            *(str(program), "--directory", str(folder), "--requests", str(requests)),
            *(word for header in HEADERS for word in ("--env", header)),
            "hello::application",
        ],
        capture_output=True,
        text=True,
        errors="replace",
        env=environment(),
        check=False,
        timeout=300,
    )
    collected = re.search(r"Collected : (\d+)", done.stderr)
    assert done.returncode == 0, done.stderr[-2000:]
    assert collected, done.stderr[-2000:]
    return int(collected[1])


def environment() -> dict[str, str]:
    """Ours without what steers Python, but for the seed: the order of sets costs instructions."""
    ours = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    return {**ours, "PYTHONHASHSEED": "0"}


def compiler(program: Path) -> str:
    """Which compiler made a program, as it says in its .comment: "GCC 12"."""
    match = re.search(rb"(GCC|clang)[^\0]*? (\d+)\.\d+\.\d+", program.read_bytes())
    assert match, f"{program} does not say which compiler made it"
    return f"{match[1].decode()} {match[2].decode()}"


def unknown(conditions: str, cost: int) -> None:
    """A contributor's machine may be any; the one that guards every change may not."""
    wanted = f'nothing to compare with: add "{conditions}": {cost} to {KNOWN.name}'
    if os.environ.get("CI"):
        pytest.fail(wanted, pytrace=False)
    pytest.skip(wanted)
