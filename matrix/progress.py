"""Shows progress: a live table on a terminal, else one plain line for each event."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live
from rich.table import Table

from matrix.results import Result, how_many, missing

_STYLES = {"passed": "green", "built": "green", "failed": "bold red", "unavailable": "yellow"}


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The interface that the schedule reports to."""

    phase: Callable[[str, str], None]
    ended: Callable[[Result], None]


@contextmanager
def shown(
    console: Console, total: int, explain: Callable[[Result], Iterable[str]]
) -> Iterator[Progress]:
    """The kind of progress that suits the console. explain says more of a cell that failed."""
    board = Board(console=console, total=total, explain=explain)
    if not console.is_terminal:
        yield Progress(phase=board.plain_phase, ended=board.ended)
        return
    with Live(console=console, get_renderable=board.table, refresh_per_second=4, transient=True):
        yield Progress(phase=board.live_phase, ended=board.ended)


@dataclass(frozen=True, kw_only=True)
class Board:
    """The cells under way. Several threads write to it."""

    console: Console
    total: int
    explain: Callable[[Result], Iterable[str]]
    running: dict[str, tuple[str, float]] = field(default_factory=dict)
    finished: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def live_phase(self, cell: str, phase: str) -> None:
        with self.lock:
            started = self.running.get(cell, ("", time.monotonic()))[1]
            self.running[cell] = (phase, started)

    def plain_phase(self, cell: str, phase: str) -> None:
        self.console.print(f"{cell}: {phase}", markup=False, highlight=False, soft_wrap=True)

    def ended(self, result: Result) -> None:
        with self.lock:
            self.running.pop(result.cell, None)
            self.finished.append(result.cell)
            number = len(self.finished)
        lines = [f"[{number}/{self.total}] {line(result)}"]
        lines += self.explain(result) if result.state == "failed" else []
        self.console.print(
            "\n".join(lines),
            style=_STYLES.get(result.state, ""),
            markup=False,
            highlight=False,
            soft_wrap=True,
        )

    def table(self) -> Table:
        """The cells under way, each with its phase and its time."""
        table = Table.grid(padding=(0, 2))
        with self.lock:
            for cell, (phase, started) in self.running.items():
                table.add_row(cell, phase, f"{time.monotonic() - started:.0f} s")
        return table


def line(result: Result) -> str:
    """A cell's result on one line."""
    seconds = result.build_seconds + result.test_seconds
    told = result.reason or tests_told(result)
    return f"{result.cell}: {result.state}{f' - {told}' if told else ''} ({seconds:.0f} s)"


def tests_told(result: Result) -> str:
    if result.state != "passed":
        return ""
    lacking = how_many(missing(result.left_out_reasons))
    others = result.left_out - lacking
    told = [f"{result.passed} tests"]
    told += [f"{others} not for this cell"] if others > 0 else []
    told += [f"{lacking} not run, as something is not installed"] if lacking else []
    return ", ".join(told)
