"""The results of a run: written as JSON, and read again to be shown."""

import json
import os
import platform
import re
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench import BENCH
from bench.footprint import Growth, Memory
from bench.load import Sample, Series
from command import TOP
from command.pythons import Python
from command.servers import Server


@dataclass(frozen=True, kw_only=True)
class Results:
    """What was measured. A part that was not asked for is empty."""

    machine: dict[str, str]
    instructions: dict[str, dict[str, float]] = field(default_factory=dict)
    series: list[Series] = field(default_factory=list)
    memory: list[Memory] = field(default_factory=list)
    idle: dict[str, float] = field(default_factory=dict)
    starts: dict[str, list[float]] = field(default_factory=dict)
    growth: list[Growth] = field(default_factory=list)


def describe_machine(server: Server, python: Python) -> dict[str, str]:
    """The machine that the numbers depend on."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    pins = re.findall(r"^(\S+)==(\S+)", (BENCH / "requirements.txt").read_text(), re.MULTILINE)
    commit = subprocess.run(
        ["git", "-C", str(TOP), "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return {
        "processor": f"{os.cpu_count()} x {model[1] if model else platform.machine()}",
        "kernel": f"{platform.system()} {platform.release()}",
        "Apache": server.version,
        "Python": python.release,
        "other work": f"load average {os.getloadavg()[0]:.1f} when this began",
        "peers": ", ".join(f"{name} {version}" for name, version in pins),
        "commit": commit or "unknown",
    }


def write(results: Results, path: Path) -> None:
    path.write_text(json.dumps(asdict(results), indent=1) + "\n")


def read(path: Path) -> Results:
    facts = json.loads(path.read_text())
    return Results(
        machine=facts["machine"],
        instructions=facts["instructions"],
        series=[
            Series(
                **{**series, "samples": tuple(Sample(**sample) for sample in series["samples"])}
            )
            for series in facts["series"]
        ],
        memory=[Memory(**each) for each in facts["memory"]],
        idle=facts["idle"],
        starts=facts["starts"],
        growth=[Growth(**each) for each in facts["growth"]],
    )
