"""Which tests failed, with the first line of why: read from the cases that pytest wrote."""

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

# A line that is longer than this does not help on a terminal or in a table.
_LONGEST = 200


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A test by its name for pytest, and the first line of why it failed."""

    test: str
    why: str


def of_cases(path: Path, cell: str) -> tuple[Failure, ...]:
    """The failed tests of a file of cases. cell is the name that the suite knows the cell by."""
    try:
        cases = ET.parse(path).iter("testcase")  # noqa: S314  pytest of our own container
    except (OSError, ET.ParseError):
        return ()
    found: dict[str, Failure] = {}
    for case in cases:
        fault = next((each for each in case if each.tag in ("failure", "error")), None)
        if fault is not None:
            test = test_of(str(case.get("classname")), str(case.get("name")), cell)
            found.setdefault(test, Failure(test=test, why=first_line(fault)))
    return tuple(found.values())


def test_of(classname: str, name: str, cell: str) -> str:
    """The name that pytest takes for a test, without the cell."""
    folders, _, rest = f"{classname}.".partition(".test_")
    module, *classes = f"test_{rest}".rstrip(".").split(".")
    parts = (f"{folders.replace('.', '/')}/{module}.py", *classes, without_cell(name, cell))
    return "::".join(parts)


def without_cell(test: str, cell: str) -> str:
    """A test's name without the parameter that is the cell: each cell has the same tests."""
    for part in (f"[{cell}]", f"{cell}-", f"-{cell}"):
        test = test.replace(part, "")
    return test


def first_line(fault: ET.Element) -> str:
    """The first line that says something."""
    said = f"{fault.get('message') or ''}\n{fault.text or ''}"
    line = next((line.strip() for line in said.splitlines() if line.strip()), "")
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."
