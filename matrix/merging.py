"""Makes one report of several: of the parts of a matrix that several machines ran."""

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from command import Problem
from matrix import reports, results
from matrix.results import STARTED, Report, Result


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part's report, and the folder that has its logs."""

    name: str
    folder: Path
    report: Report


def read(folders: Sequence[Path], *, planned: bool) -> tuple[list[Part], list[Path]]:
    """The parts, and the folders that have no report. With a plan, these are no mistake."""
    parts, empty = list[Part](), list[Path]()
    for folder in folders:
        if planned and not (folder / reports.JSON).is_file():
            empty.append(folder)
            continue
        report = results.load(report_in(folder))
        name = report.shard.replace("/", "-of-") or folder.name
        taken = [each.name for each in parts]
        name = name if name not in taken else f"{name}-{len(parts) + 1}"
        parts.append(Part(name=name, folder=folder, report=report))
    return parts, empty


def report_in(folder: Path) -> Path:
    """A part's report. Says what is wrong with a folder that has none."""
    path = folder / reports.JSON
    if not folder.is_dir():
        raise Problem(f"there is no folder {folder}: merge takes the --output of several runs")
    if not path.is_file():
        raise Problem(
            f"{folder} has no {reports.JSON}, so it is the --output of no run: "
            "leave it out, or give --plan to have its cells told as not run"
        )
    return path


def read_plan(path: Path) -> dict[str, str]:
    """The part of each cell, from what list --shards printed."""
    try:
        plan: list[dict[str, Any]] = json.loads(path.read_text())
        return {str(cell): str(part["shard"]) for part in plan for cell in part["cells"]}
    except OSError as error:
        raise Problem(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise Problem(f"{path} is not a plan: ./dev matrix list --shards 6 prints one") from error


def merge(parts: Sequence[Part], plan: Mapping[str, str], order: Sequence[str]) -> Report:
    """One report. A cell of the plan that is in no part was not run. order has cells' names."""
    found = results.latest([placed(part) for part in parts])
    told = {part.report.shard for part in parts}
    for cell, shard in plan.items():
        if cell not in found:
            why = "did not come to this cell" if shard in told else "left no report"
            found[cell] = not_run(cell, f"the part {shard} {why}: see its job")
    places = {name: at for at, name in enumerate(order)}
    each = sorted(found.values(), key=lambda result: places.get(result.cell, len(places)))
    begun = min((part.report.started for part in parts), default=f"{datetime.now(UTC):{STARTED}}")
    return Report(
        started=begun,
        seconds=elapsed([part.report for part in parts]),
        where="; ".join(dict.fromkeys(part.report.where for part in parts)),
        revision=", ".join(revisions(parts)),
        verb=next((part.report.verb for part in parts), "run"),
        results=tuple(each),
        trouble="; ".join(troubles(parts)),
        pytest=next((part.report.pytest for part in parts if part.report.pytest), ()),
        bases=tuple(dict.fromkeys(base for part in parts for base in part.report.bases)),
    )


def placed(part: Part) -> Report:
    """A part's report with its logs where copy_logs puts them."""
    moved = (
        replace(each, log=f"{part.name}/{each.log}") if each.log else each
        for each in part.report.results
    )
    return replace(part.report, results=tuple(moved))


def copy_logs(parts: Sequence[Part], target: Path) -> None:
    """Copies what a report links to: each part's files into a folder of their own."""
    for part in parts:
        folder = target / part.name
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(part.folder.iterdir()):
            new = folder / path.name
            if path.suffix in (".log", ".xml") and not (new.exists() and new.samefile(path)):
                shutil.copyfile(path, new)


def not_run(cell: str, reason: str) -> Result:
    server, python, rest = re.fullmatch(r"(.*?)-(py[\d.]+t?)(.*)", cell).groups()  # type: ignore[union-attr]
    return Result(cell=cell, row=server + rest, column=python, state="not run", reason=reason)


def revisions(parts: Sequence[Part]) -> list[str]:
    return list(dict.fromkeys(part.report.revision for part in parts))


def troubles(parts: Sequence[Part]) -> list[str]:
    """What stopped parts, and whether they are parts of the same thing."""
    told = [f"{part.name}: {part.report.trouble}" for part in parts if part.report.trouble]
    if len(revisions(parts)) > 1:
        told.append(f"the parts are of several revisions: {', '.join(revisions(parts))}")
    return told


def elapsed(merged: Sequence[Report]) -> float:
    """From the beginning of the first to the end of the last, to the minute."""
    begun = [datetime.strptime(each.started, STARTED).replace(tzinfo=UTC) for each in merged]
    ended = [
        start + timedelta(seconds=each.seconds) for start, each in zip(begun, merged, strict=True)
    ]
    return (max(ended) - min(begun)).total_seconds() if merged else 0.0
