"""What the module adds to a request in a real Apache: callgrind counts it against a C handler.

The C handler is the bench's: it has the same configuration, and answers the same bytes. Apache 2.4
runs in one process, without threads. test_instruction_count.py counts the core alone.
"""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from bench import BUILD, instructions
from bench.kit import Kit, build_floor
from bench.peers import FLOOR, OURS, PEERS, PROCESSES, Peer, Task
from bench.workloads import BELOW, HELLO, Workload
from command import Problem, build, servers
from command.httpd import Load
from command.pythons import Python
from tests.harness.instructions import cheapest

MOST_ADDED = 8000
MOST_WITH_PROCESSES = 24000  # Apache's part, and all of the application's process


@pytest.fixture(scope="module")
def task(python: Python) -> Task:
    """What the bench serves under prefork; without the peers that it would install."""
    if shutil.which("valgrind") is None:
        pytest.fail("valgrind is missing: apt-get install valgrind", pytrace=False)
    try:
        server = servers.choose("2.4", mpm="prefork")
    except Problem as problem:
        pytest.skip(f"no Apache 2.4 with prefork: {problem}")
    BUILD.mkdir(parents=True, exist_ok=True)
    kit = Kit(
        python=python,
        ours=build.module(server, python),
        before=None,
        floor=build_floor(server),
        least=Path(),
        incumbent=Path(),
        venv=Path(),
        file=Path(),
    )
    return Task(server=server, kit=kit, load=Load(processes=1, threads=1), workload=HELLO)


def added(
    task: Task, workload: Workload, peer: Peer = PEERS[OURS], floor: Peer = PEERS[FLOOR]
) -> Iterator[int]:
    """The instructions that a request adds, three times, each more certain than the one before."""
    asked = replace(task, workload=workload)
    few, many = numbers = (instructions.REQUESTS, 2 * instructions.REQUESTS)
    runs = {
        (each.name, number): partial(instructions.serve, asked, each, number)
        for each in (floor, peer)
        for number in numbers
    }
    for least in cheapest(runs):
        ours, theirs = (least[name, many] - least[name, few] for name in (peer.name, floor.name))
        yield round((ours - theirs) / (many - few))


def test_a_hello_costs_little_more_than_a_handler_that_calls_no_python(task: Task) -> None:
    for more in added(task, HELLO):
        if more <= MOST_ADDED:
            break
    assert more <= MOST_ADDED, f"a hello adds {more} instructions to those of a C handler"


def test_a_url_below_the_mount_costs_less_than_in_a_c_handler(task: Task) -> None:
    """Other handlers have Apache make a sub-request for PATH_TRANSLATED."""
    for more in added(task, BELOW):
        if more <= 0:
            break
    assert more <= 0, f"a URL below the mount adds {more} instructions to those of a C handler"


def test_a_hello_of_an_applications_process_costs_no_more_than_before(task: Task) -> None:
    for more in added(task, HELLO, PEERS[PROCESSES], instructions.PROCESS_FLOOR):
        if more <= MOST_WITH_PROCESSES:
            break
    assert more <= MOST_WITH_PROCESSES, f"a hello with processes adds {more} instructions"
