"""Shows results as tables of ratios: on a terminal, and in docs/performance.md.

A ratio is taken within each round, and the median of the rounds is shown. "~" means that the
rounds disagree much, "!" that requests failed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from bench.load import Sample, Series
from bench.peers import BEFORE, FLOOR, OURS, PEERS, PROCESSES
from bench.results import Results
from bench.workloads import BELOW, MPMS, WAYS, WORKLOADS, applications

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
BEGIN_OVERHEAD = "<!-- bench: begin overhead -->"
MANY = (BELOW.name, *(applications(number).name for number in (10, 50)))
NOISY = 0.3  # how far the middle half of the rounds may spread, as part of the median
ENOUGH = 5  # fewer rounds have no middle half


@dataclass(frozen=True, kw_only=True)
class Table:
    """Text in rows; the first column names the row."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def tables(results: Results) -> Iterator[Table]:
    if results.instructions:
        yield from (
            instructions(workload.title, results.instructions[workload.name])
            for workload in WORKLOADS
            if workload.name in results.instructions
        )
    for mpm in MPMS:
        series = [each for each in results.series if each.mpm == mpm]
        if series:
            yield rates(mpm, series)
            yield processor(mpm, series)
            yield latencies(mpm, series)
        if {*MANY[:2]} <= {each.workload for each in series}:
            yield kept(mpm, series)
    if results.memory:
        yield memory(results)
    if results.starts:
        yield starts(results.starts)
    if results.growth:
        yield growth(results)


def instructions(title: str, counts: dict[str, float]) -> Table:
    """Compares each peer with its own floor.

    Apache's variables cost, so they are counted apart.
    """
    plain_floor = counts["plain floor"]
    floors = {
        name: floor
        for name, floor in (
            (OURS, counts[FLOOR]),
            (PROCESSES, counts.get("process floor", 0.0)),
            (BEFORE, counts[FLOOR]),
            (FLOOR, plain_floor),
            ("embedded", plain_floor),
        )
        if name in counts
    }
    ours = counts[OURS] - floors[OURS]
    return Table(
        title=f"Instructions for one request on prefork (callgrind): {title}",
        columns=["", "in all", "floor", "added", "times ours"],
        rows=[
            [
                PEERS[name].title,
                f"{counts[name]:,.0f}",
                f"{floor:,.0f}",
                f"{counts[name] - floor:,.0f}",
                f"{(counts[name] - floor) / ours:.1f}" if ours > 0 else "",
            ]
            for name, floor in floors.items()
        ],
    )


def rates(mpm: str, series: Sequence[Series]) -> Table:
    return compare(
        f"{mpm}: our requests per second, as a multiple of each peer's (more is better for us)",
        series,
        lambda ours, theirs: told(
            [a.rate / b.rate for a, b in pairs(ours, theirs) if a.rate and b.rate]
        ),
    )


def processor(mpm: str, series: Sequence[Series]) -> Table:
    """Processor time per request, which a busy machine hardly disturbs."""

    def cell(ours: Series, theirs: Series) -> str:
        return told(
            [
                b.processor / a.processor
                for a, b in pairs(ours, theirs)
                if a.processor and b.processor
            ]
        )

    kept = [each for each in series if each.way.startswith("keep-alive")]
    return compare(
        f"{mpm}: processor time of a request, each peer's as a multiple of ours", kept, cell
    )


def latencies(mpm: str, series: Sequence[Series]) -> Table:
    def cell(ours: Series, theirs: Series) -> str:
        both = pairs(ours, theirs)
        middle = told([b.p50 / a.p50 for a, b in both if a.p50 and b.p50])
        worst = told([b.p99 / a.p99 for a, b in both if a.p99 and b.p99])
        return f"{middle} / {worst}"

    kept = [each for each in series if each.way.startswith("keep-alive")]
    return compare(
        f"{mpm}: latency, median / 99th percentile, each peer's as a multiple of ours", kept, cell
    )


def compare(title: str, series: Sequence[Series], cell: Callable[[Series, Series], str]) -> Table:
    """A row for each workload and way, a column for each peer."""
    found = {(each.workload, each.way, each.peer): each for each in series}
    names = [name for name in PEERS if name != OURS and any(name == key[2] for key in found)]
    rows = []
    for workload in WORKLOADS:
        for way in WAYS:
            ours = found.get((workload.name, way.title, OURS))
            if ours is None:
                continue
            cells = []
            for name in names:
                theirs = found.get((workload.name, way.title, name))
                failed = theirs and any(sample.errors for sample in theirs.samples + ours.samples)
                cells.append(cell(ours, theirs) + ("!" if failed else "") if theirs else "")
            rows.append([f"{workload.title}; {way.title}", *cells])
    return Table(title=title, columns=["", *(PEERS[name].title for name in names)], rows=rows)


def kept(mpm: str, series: Sequence[Series]) -> Table:
    """Compares medians, since no round asks both one application and ten."""
    found = {(each.workload, each.peer): each for each in series if each.way == WAYS[0].title}
    one, *more = MANY
    rows = []
    for name, peer in PEERS.items():
        first = found.get((one, name))
        several = [found.get((each, name)) for each in more]
        if first and any(several):
            rows.append([peer.title, *(share(first, each) if each else "" for each in several)])
    return Table(
        title=f"{mpm}: many applications, asked in turn: requests per second / processor time of "
        "a request, as a multiple of the same server's with one application",
        columns=["", "10", "50"],
        rows=rows,
    )


def share(one: Series, several: Series) -> str:
    parts = []
    for name in ("rate", "processor"):
        first, more = (
            median(getattr(sample, name) for sample in series.samples) for series in (one, several)
        )
        parts.append(f"{more / first:.2f}" if first else "-")
    return " / ".join(parts)


def pairs(ours: Series, theirs: Series) -> list[tuple[Sample, Sample]]:
    return list(zip(ours.samples, theirs.samples, strict=True))


def told(ratios: Sequence[float]) -> str:
    """The median, and whether to trust it. Of only a few rounds, all must agree."""
    if not ratios:
        return "-"
    middle = median(ratios)
    low, high = min(ratios), max(ratios)
    if len(ratios) >= ENOUGH:
        low, _, high = quantiles(ratios, n=4)
    return f"{'~' if high - low > NOISY * middle else ''}{middle:.2f}"


def memory(results: Results) -> Table:
    ours = next(each for each in results.memory if each.peer == OURS)
    rows = [
        [
            PEERS[each.peer].title,
            f"{each.total / ours.total:.2f}",
            f"{each.total / 1024:.1f}",
            f"{each.child / 1024:.1f}" if each.child else "",
            f"{results.idle[each.peer] / 1024:.1f}" if each.peer in results.idle else "",
        ]
        for each in results.memory
    ]
    return Table(
        title="Memory (Pss) of prefork with 4 processes, and 4 behind it where there are any",
        columns=["", "all, times ours", "all, MB", "Apache child, MB", "idle child, MB"],
        rows=rows,
    )


def starts(seconds: dict[str, list[float]]) -> Table:
    rows = [
        [
            PEERS[name].title,
            told([theirs / ours for theirs, ours in zip(times, seconds[OURS], strict=True)]),
        ]
        for name, times in seconds.items()
    ]
    return Table(
        title="Time from the command to the first answer", columns=["", "times ours"], rows=rows
    )


def growth(results: Results) -> Table:
    """Multiples of ours with as many applications. Ours are multiples of ours with one."""
    found = {(each.peer, each.applications): each for each in results.growth}
    counts = sorted({number for _, number in found})
    rows = []
    for name in dict.fromkeys(each.peer for each in results.growth):
        cells = []
        for number in counts:
            each = found[name, number]
            mark = found[OURS, counts[0] if name == OURS else number]
            cells.append(
                f"{each.total / mark.total:.2f} / {each.start / mark.start:.2f} "
                f"/ {each.rate / mark.rate:.2f}"
            )
        first, last = found[name, counts[0]], found[name, counts[-1]]
        added = (last.total - first.total) / max(1, counts[-1] - counts[0]) / 1024
        rows.append([PEERS[name].title, *cells, f"{added:.1f}"])
    title = (
        "One event process, n applications: memory / start / requests per second over all, as a "
        "multiple of ours with n (our own row: of ours with one); and MB for each one more"
    )
    return Table(
        title=title,
        columns=["", *(f"n = {number}" for number in counts), "MB each"],
        rows=rows,
    )


def plain(table: Table) -> str:
    rows = [table.columns, *table.rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            text.rjust(width) if number else text.ljust(width)
            for number, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([table.title, "", *lines, ""])


def markdown(table: Table) -> str:
    rule = "|".join(["---", *("--:" for _ in table.columns[1:])])
    rows = ["| " + " | ".join(row) + " |" for row in [table.columns, *table.rows]]
    return "\n".join([f"**{table.title}**", "", rows[0], f"|{rule}|", *rows[1:], ""])


def markdown_report(results: Results) -> str:
    machine = "\n".join(f"- {name}: {text}" for name, text in results.machine.items())
    return "\n".join([machine, "", *(markdown(table) for table in tables(results))])


def put_into(path: Path, text: str, begin: str = BEGIN) -> None:
    """Writes between two marks, if the file has them. Text around them stays."""
    old = path.read_text() if path.is_file() else ""
    before, found, rest = old.partition(begin)
    _, end, after = rest.partition(END)
    whole = f"{before}{begin}\n\n{text}\n{END}{after}" if found and end else text
    path.write_text(whole)
