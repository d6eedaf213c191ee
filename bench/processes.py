"""What Linux says about a server's processes: who they are, their memory, their processor time."""

import os
import re
from pathlib import Path

_PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)
_TICKS = os.sysconf("SC_CLK_TCK")
_PARENT, _USER, _SYSTEM = 1, 11, 12  # places in /proc/PID/stat behind the program's name


def families() -> dict[int, list[int]]:
    """The children of every process."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        facts = stat(int(folder.name))
        if facts:
            children.setdefault(int(facts[_PARENT]), []).append(int(folder.name))
    return children


def family(pid: int, children: dict[int, list[int]]) -> list[int]:
    """A process and all that come from it."""
    return [pid, *(each for child in children.get(pid, []) for each in family(child, children))]


def pss(pid: int) -> int:
    """Kilobytes, in which a page that n processes share counts a n-th."""
    match = _PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_text())
    return int(match[1]) if match else 0


def processor_seconds(pids: list[int]) -> float:
    """What these processes have used so far, in Python, Apache and the kernel."""
    facts = (stat(pid) for pid in pids)
    return sum(int(each[_USER]) + int(each[_SYSTEM]) for each in facts if each) / _TICKS


def stat(pid: int) -> list[str]:
    """The words behind the program's name; none when the process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
