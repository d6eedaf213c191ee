"""Counts of instructions that other work on the machine has no part in."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import TypeVar

Run = TypeVar("Run", bound=Hashable)


def cheapest(runs: Mapping[Run, Callable[[], int]]) -> Iterator[dict[Run, int]]:
    """Counts each run three times. Yields the cheapest counts after each time.

    A process that starts on a busy machine may need more instructions than another, never fewer.
    So the counts get more certain. A caller that is content takes no more of them.
    """
    counts: dict[Run, list[int]] = {run: [] for run in runs}
    for _ in range(3):
        for run, count in runs.items():
            counts[run].append(count())
        yield {run: min(each) for run, each in counts.items()}
