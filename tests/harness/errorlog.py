"""Reads the error log from where a test began, and judges what it finds.

A server that crashed in one child goes on answering from the others, so a green test proves
nothing until its log is read too.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

Found = TypeVar("Found")

SEVERE = re.compile(
    r"\[(?:[\w.]+:)?(?:emerg|alert|crit|error)\]"
    r"|exit signal|Traceback|Fatal Python|Segmentation|core dump|double free|corruption"
    r"|AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:"
)

# What stands before a traceback, or before an exception that has none.
OPENS_TRACEBACK = re.compile(
    r"Traceback \(most recent call last\)|(?:raised(?: an exception)?:|close\(\) failed)$"
)

# The server's own part of a line: time, level, process, client.
PREFIX = re.compile(r"^(?:\[[^\]]*\] )+")

# A test may kill a process of an application. What the spawner kills it says.
CRASHED = re.compile(
    r"exit signal|process \d+ of \S+: signal (?!9 )|(?<!server does: )(?<!hangs: )it is killed"
    r"|Fatal Python|Segmentation|core dump|Sanitizer|double free"
)
DIED = re.compile(r"process \d+ of \S+(?:: signal| .*: it is killed)")

PATIENCE = 2.0

# Severe by their looks, harmless by their meaning: each with the reason.
HARMLESS = {
    r"AH00558|Could not reliably determine the server's fully qualified domain name":
        "the test servers have no host name, on purpose",
    r"AH00127: Cannot map .* to file":
        "the request tests' odd URLs; the server's own word on them",
    r"\[(?:core:)?error\].*AH00126: Invalid URI in request":
        "the request tests' odd URLs; the server's own word on them",
    r"child process \d+ still did not exit, sending a SIGTERM":
        "old threaded servers wait for threads that have ended (glibc 2.34+), then use force",
    r"could not make child process \d+ exit, attempting to continue anyway":
        "as above",
    r"server reached (MaxRequestWorkers|MaxClients) setting":
        "the test servers are small, on purpose",
    r"does not end, as the server does: it is killed":
        "a request is under way, or the machine is slow: a server is given no time to wait",
    r"AH02182|No HTTP AcceptFilter|\(92\)Protocol not available":
        "a container's kernel without accept filters",
}  # fmt: skip


@dataclass(kw_only=True)
class Watch:
    """The error logs of one server since a test began, and what that test announced.

    Not frozen: it moves on with every test.
    """

    folder: Path
    marks: dict[Path, int] = field(default_factory=dict)
    expected: list[str] = field(default_factory=list)
    tolerated: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)

    def begin(self) -> None:
        """From here on a new test is to blame."""
        self.marks = {path: path.stat().st_size for path in self.logs()}
        for announced in (self.expected, self.tolerated, self.tracebacks):
            announced.clear()

    def logs(self) -> list[Path]:
        return sorted(self.folder.glob("*error*"))

    def lines(self) -> list[str]:
        """Every line that the server has logged since the test began."""
        found: list[str] = []
        for path in self.logs():
            with path.open("rb") as stream:
                stream.seek(self.marks.get(path, 0))
                found.extend(stream.read().decode("utf-8", "replace").splitlines())
        return found

    def severe(self) -> list[str]:
        return [line for line in self.lines() if is_severe(line)]

    def wait_for(self, pattern: str) -> str:
        """The first line that matches; an AssertionError with the whole log if none comes."""
        found = until(lambda: [line for line in self.lines() if re.search(pattern, line)])
        assert found, f"no line of the error log matches {pattern!r}:\n" + "\n".join(self.lines())
        return found[0]

    def crashes(self, *, deaths: bool = False) -> str:
        """The lines that tell of a process's violent end, whatever a test has announced.

        With deaths=True those of applications' processes do not count.
        """
        return "\n".join(
            line
            for line in self.lines()
            if CRASHED.search(line) and not (deaths and DIED.search(line))
        )

    def verdict(self) -> str:
        """What is wrong with the log, as a text to fail with; empty if nothing is."""
        awaited = [*self.expected, *self.tracebacks]
        until(lambda: not unmatched(awaited, self.lines()))
        missing = unmatched(awaited, self.lines())
        surprising = list(self.surprises())
        told = [f"announced, but not in the error log: {pattern}" for pattern in missing]
        told += [f"in the error log, but not announced: {line}" for line in surprising]
        return "\n".join(told)

    def surprises(self) -> Iterator[str]:
        """Severe lines that nobody announced; an announced traceback ends with its last line."""
        announced = [re.compile(pattern) for pattern in (*self.expected, *self.tolerated)]
        ends = [re.compile(pattern) for pattern in self.tracebacks]
        inside = False
        for line in self.lines():
            if inside or (ends and OPENS_TRACEBACK.search(line)):
                inside = not any(end.match(PREFIX.sub("", line)) for end in ends)
            elif is_severe(line) and not any(each.search(line) for each in announced):
                yield line


def is_severe(line: str) -> bool:
    return bool(SEVERE.search(line)) and not any(re.search(each, line) for each in HARMLESS)


def unmatched(patterns: list[str], lines: list[str]) -> list[str]:
    return [each for each in patterns if not any(re.search(each, line) for line in lines)]


def until(look: Callable[[], Found], seconds: float = PATIENCE) -> Found:
    """What look gives as soon as it is true of it, or what it gives when time is up."""
    deadline = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return found
