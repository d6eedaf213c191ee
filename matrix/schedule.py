"""Takes the selected cells through building and testing, several at a time."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Any

from command import Problem
from matrix import CellFailed, Ended, Unavailable, files
from matrix.cells import Cell, matches
from matrix.progress import Progress
from matrix.results import Result
from matrix.verdict import Verdict
from matrix.work import INTERRUPTED, Interrupted

# Functions that build a cell and test it. The test gets the build's result.
Build = Callable[[Cell, Callable[[str], None]], Any]
Test = Callable[[Cell, Any, Callable[[str], None]], Verdict]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to do with each cell, and when to stop."""

    build: Build
    test: Test | None
    jobs: int
    keep_going: bool
    allowed: Sequence[str]
    stop: Callable[[], None]  # ends what runs in cells, when the user interrupts


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The results in the cells' order, and what stopped the run, if anything did."""

    results: tuple[Result, ...]
    trouble: str


def carry_out(plan: Plan, cells: Sequence[Cell], progress: Progress) -> Outcome:
    """Runs the cells. A fault of the machine (no daemon, no space) stops the run.

    So does the user. Then results are kept, and what still runs is ended, not waited for.
    """
    stopping = threading.Event()
    results: dict[str, Result] = {}
    trouble = ""
    waiting = [cell for cell in cells if cell.excluded is None]
    running: set[Future[Result]] = set()
    with ThreadPoolExecutor(plan.jobs) as pool:
        try:
            while running or waiting:
                while waiting and len(running) < plan.jobs:
                    running.add(pool.submit(one, plan, waiting.pop(0), progress, stopping))
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    try:
                        result = future.result()
                    except (Problem, OSError) as fault:
                        trouble = trouble or told(fault)
                        waiting.clear()
                        continue
                    results[result.cell] = result
                    if result.state == "failed" and not plan.keep_going:
                        waiting.clear()
        except KeyboardInterrupt:
            trouble = INTERRUPTED
            stopping.set()
            plan.stop()
    why = trouble or "another cell failed before (--keep-going runs all)"
    return Outcome(
        results=tuple(results.get(cell.name) or _not_begun(cell, why) for cell in cells),
        trouble=trouble,
    )


def told(fault: Problem | OSError) -> str:
    """A fault of the machine on one line."""
    return files.complaint(fault) if isinstance(fault, OSError) else str(fault)


def one(plan: Plan, cell: Cell, progress: Progress, stopping: threading.Event) -> Result:
    """Builds and tests one cell. After an interrupt, the next phase does not begin."""
    started = built_at = time.monotonic()
    fresh = Result(cell=cell.name, row=cell.row, column=cell.column, state="built")
    fresh = replace(fresh, log=f"{cell.name}.log")

    def say(phase: str) -> None:
        if stopping.is_set():
            raise Interrupted(INTERRUPTED)
        progress.phase(cell.name, phase)

    try:
        built = plan.build(cell, say)
        built_at = time.monotonic()
        result = _judged(fresh, plan.test(cell, built, say)) if plan.test else fresh
    except Unavailable as reason:
        allowed = matches(cell.name, plan.allowed)
        result = replace(_ended(fresh, reason), state="unavailable", allowed=allowed)
    except CellFailed as reason:
        result = replace(_ended(fresh, reason), state="failed")
    ended = time.monotonic()
    built_at = built_at if built_at > started else ended
    result = replace(
        result,
        build_seconds=round(built_at - started, 1),
        test_seconds=round(ended - built_at, 1),
    )
    if not stopping.is_set():
        progress.ended(result)
    return result


def _ended(fresh: Result, reason: Ended) -> Result:
    return replace(fresh, reason=str(reason), log=reason.log or fresh.log)


def _judged(fresh: Result, verdict: Verdict) -> Result:
    return replace(
        fresh,
        state="failed" if verdict.reason else "passed",
        reason=verdict.reason,
        passed=verdict.passed,
        failed=verdict.failed,
        left_out=verdict.left_out,
        left_out_reasons=verdict.left_out_reasons,
        server=verdict.server,
        python=verdict.python,
        failures=verdict.failures,
        again=verdict.again,
    )


def _not_begun(cell: Cell, why: str) -> Result:
    state = "excluded" if cell.excluded else "not run"
    reason = cell.excluded or why
    return Result(cell=cell.name, row=cell.row, column=cell.column, state=state, reason=reason)
