"""The table of one soak, as text."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from tests.harness.cells import Cell
from tests.harness.grid import aligned
from tests.soak.soak import Outcome

MOST_SHOWN = 20


def render(cell: Cell, outcome: Outcome) -> str:
    total = sum(outcome.requests.values())
    head = [
        f"{title(cell)}: {outcome.seconds / 60:.1f} minutes",
        f"{total} requests: {named(outcome.requests)}",
        f"done to the server: {named(outcome.done)}",
        f"cut by a kill while they were under way: {told(asked.fault for asked in outcome.cut)}",
        f"lost or wrong: {told(asked.fault for asked in outcome.lost)}",
        "",
    ]
    faults = list(outcome.faults())
    end = [f"FAULT: {fault}" for fault in faults[:MOST_SHOWN]] or ["nothing is wrong"]
    return "\n".join([*head, *aligned(list(table(outcome))), *end, ""])


def title(cell: Cell) -> str:
    return f"{cell.name} (Apache {cell.server.version}, Python {cell.python.release})"


def table(outcome: Outcome) -> Iterator[list[str]]:
    yield ["", "", "processes", "descriptors of one", "resident KB of one"]
    for kind in outcome.warm.counts:
        for when, census in (("warm", outcome.warm), ("end", outcome.end)):
            count = census.counts[kind]
            numbers = count.processes, count.descriptors, count.most_memory
            yield [kind, when, *map(str, numbers)]


def named(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def told(faults: Iterable[str]) -> str:
    return named(Counter(faults)) or "none"
