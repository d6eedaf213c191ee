"""Asks Linux about a server's processes: which there are, their memory and processor time."""

import os
import re
from pathlib import Path

_PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)
_TICKS = os.sysconf("SC_CLK_TCK")
_PARENT, _USER, _SYSTEM = 1, 11, 12  # indexes in /proc/PID/stat, counted after the program's name


def families() -> dict[int, list[int]]:
    """The children of every process."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        facts = stat(int(folder.name))
        if facts:
            children.setdefault(int(facts[_PARENT]), []).append(int(folder.name))
    return children


def family(pid: int, children: dict[int, list[int]]) -> list[int]:
    """A process and all its descendants."""
    return [pid, *(each for child in children.get(pid, []) for each in family(child, children))]


def copies(pid: int) -> list[int]:
    """The children that run the same program: not others that the process has started."""
    program = program_of(pid)
    return [child for child in families().get(pid, []) if program_of(child) == program]


def program_of(pid: int) -> str:
    """The path of its program. Empty if the process has ended."""
    try:
        return str(Path(f"/proc/{pid}/exe").readlink())
    except OSError:
        return ""


def pss(pid: int) -> int:
    """Memory in kilobytes. A page that n processes share counts 1/n."""
    match = _PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_text())
    return int(match[1]) if match else 0


def processor_seconds(pids: list[int]) -> float:
    """The processor time that these processes have used, in Python, Apache and the kernel."""
    facts = (stat(pid) for pid in pids)
    return sum(int(each[_USER]) + int(each[_SYSTEM]) for each in facts if each) / _TICKS


def stat(pid: int) -> list[str]:
    """The fields after the program's name. None if the process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
