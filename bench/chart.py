"""Draws bars in an SVG: requests for the same processor time, as multiples of one peer's.

Requests per second are not shown, since other work on the machine disturbs them more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from statistics import median

from bench.load import Series
from bench.peers import OURS, PEERS, PROCESSES
from bench.report import told
from bench.results import Results
from bench.workloads import WAYS, WORKLOADS
from command import Problem

MARK = "embedded"  # the peer whose bar is 1
COLOURS = {
    OURS: "#1b6ca8",
    PROCESSES: "#5aa2d6",
    "embedded": "#8d99ae",
    "daemon": "#b8c0cf",
    "uwsgi": "#e0a458",
    "gunicorn": "#9bbf85",
}
WIDTH, LABELS, BAR, GAP = 900, 190, 13, 14
TOP_SPACE, BOTTOM_SPACE = 62, 30


@dataclass(frozen=True, kw_only=True)
class Group:
    """One workload's bars."""

    title: str
    bars: tuple[tuple[str, float, str], ...]  # the peer, the length, the text beside the bar


def draw(results: Results, mpm: str = "event") -> str:
    """The whole picture: every workload measured, in the way that a quick run asks."""
    groups = chosen(results.series, mpm)
    if not groups:
        raise Problem(f"nothing to draw: measure {mpm}, {OURS} and {MARK} with --parts load")
    most = max(length for group in groups for _, length, _ in group.bars) * 1.08
    scale = (WIDTH - LABELS - 50) / most
    body = [legend()]
    y = TOP_SPACE
    for group in groups:
        body.append(drawn(group, y, scale))
        y += len(group.bars) * BAR + GAP
    x = LABELS + scale
    body.append(
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP_SPACE - 6}" y2="{y}" '
        'stroke="#333" stroke-dasharray="3 3"/>'
    )
    title = f"Requests for the same processor time, {mpm}, {WAYS[0].title} (embedded incumbent: 1)"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + BOTTOM_SPACE}"',
            f'  viewBox="0 0 {WIDTH} {y + BOTTOM_SPACE}" font-family="sans-serif" font-size="12">',
            f'<rect width="{WIDTH}" height="{y + BOTTOM_SPACE}" fill="white"/>',
            f'<text x="12" y="22" font-size="15">{escape(title)}</text>',
            *body,
            "</svg>",
            "",
        ]
    )


def chosen(series: Sequence[Series], mpm: str) -> list[Group]:
    found = {
        (each.workload, each.peer): each
        for each in series
        if each.mpm == mpm and each.way == WAYS[0].title
    }
    groups = []
    for workload in (each for each in WORKLOADS if not each.in_apache):
        mark = found.get((workload.name, MARK))
        if mark is None or (workload.name, OURS) not in found:
            continue
        bars = tuple(
            bar(found[workload.name, name], mark)
            for name in COLOURS
            if (workload.name, name) in found
        )
        groups.append(Group(title=workload.title, bars=bars))
    return groups


def bar(series: Series, mark: Series) -> tuple[str, float, str]:
    both = zip(series.samples, mark.samples, strict=True)
    times = [b.processor / a.processor for a, b in both if a.processor and b.processor]
    return series.peer, median(times) if times else 0.0, told(times)


def legend() -> str:
    places = range(12, WIDTH, 148)
    return "\n".join(
        f'<rect x="{x}" y="34" width="11" height="11" fill="{colour}"/>'
        f'<text x="{x + 16}" y="44">{escape(PEERS[name].title)}</text>'
        for x, (name, colour) in zip(places, COLOURS.items(), strict=False)
    )


def drawn(group: Group, y: int, scale: float) -> str:
    middle = y + len(group.bars) * BAR / 2 + 4
    lines = [f'<text x="12" y="{middle:.1f}">{escape(group.title)}</text>']
    for number, (name, length, text) in enumerate(group.bars):
        top = y + number * BAR
        lines.append(
            f'<rect x="{LABELS}" y="{top}" width="{length * scale:.1f}" height="{BAR - 2}" '
            f'fill="{COLOURS[name]}"/>'
            f'<text x="{LABELS + length * scale + 5:.1f}" y="{top + BAR - 3}" '
            f'font-size="10">{text}</text>'
        )
    return "\n".join(lines)
