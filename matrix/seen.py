"""A C header as one Python sees it: without the branches of the preprocessor for other Pythons.

Two versions of core/python/python.h that look alike to a Python make the same objects for it.
"""

import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_DIRECTIVE = re.compile(r"\s*#\s*(\w+)\s*(.*)")

# A comparison with a series. One with a micro release stays: the matrix does not know the release.
_VERSION = re.compile(r"PY_VERSION_HEX\s*(>=|<=|==|!=|<|>)\s*0x([0-9A-Fa-f]{4})0000\b")
_COMPARE: dict[str, Callable[[int, int], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}

# What an expression of ones and zeros comes to, the tightest operator first.
_STEPS = (
    (re.compile(r"\(\s*([01])\s*\)"), lambda found: found[1]),
    (re.compile(r"!\s*([01])\b"), lambda found: str(1 - int(found[1]))),
    (re.compile(r"\b([01])\s*&&\s*([01])\b"), lambda found: str(int(found[1]) & int(found[2]))),
    (re.compile(r"\b([01])\s*\|\|\s*([01])\b"), lambda found: str(int(found[1]) | int(found[2]))),
)


@dataclass(kw_only=True)
class Reader:
    """Reads lines for one Python. Not frozen: it learns constants, and which branch it is in."""

    series: int  # 0x030E for 3.14
    free_threaded: bool
    constants: dict[str, str] = field(default_factory=dict)
    branches: list[str] = field(default_factory=list)  # taken, past, not yet, unknown

    def lines(self, text: str) -> Iterator[str]:
        """The lines that this Python sees. A branch whose condition is unknown counts as seen."""
        for line in _COMMENT.sub(" ", text.replace("\\\n", " ")).splitlines():
            directive, argument = _directive(line)
            if directive in ("if", "ifdef", "ifndef", "elif", "else", "endif"):
                told = self.reduced(argument)
                if self.branch(directive, told) == "unknown" and self.is_seen():
                    yield f"#{directive} {told}"
            elif self.is_seen():
                yield self.definition(argument) if directive == "define" else line

    def is_seen(self) -> bool:
        return not {"past", "not yet"} & set(self.branches)

    def definition(self, argument: str) -> str:
        """A line that defines something. What is 1 or 0 is remembered for later conditions."""
        name, _, value = argument.partition(" ")
        told = self.reduced(value)
        if told in ("0", "1"):
            self.constants[name] = told
        return f"#define {name} {told}"

    def branch(self, keyword: str, condition: str) -> str:
        """Enters, changes or leaves a branch. Returns what the branch was or is."""
        if keyword == "endif":
            return self.branches.pop()
        if keyword in ("else", "elif"):
            before = self.branches.pop()
            after = _after(before, "1" if keyword == "else" else condition)
        else:
            if keyword != "if":
                condition = self.reduced(f"defined({condition})")
                condition = self.reduced(f"!{condition}") if keyword == "ifndef" else condition
            after = _after("not yet", condition)
        self.branches.append(after)
        return after

    def reduced(self, text: str) -> str:
        """An expression with all that is known of this Python put in."""
        told = _VERSION.sub(self._compared, text)
        told = re.sub(
            r"\bdefined\s*(?:\(\s*Py_GIL_DISABLED\s*\)|Py_GIL_DISABLED\b)",
            str(int(self.free_threaded)),
            told,
        )
        told = re.sub(r"\b\w+\b", lambda word: self.constants.get(word[0], word[0]), told)
        return _folded(" ".join(told.split()))

    def _compared(self, found: re.Match[str]) -> str:
        return str(int(_COMPARE[found[1]](self.series, int(found[2], 16))))


def _directive(line: str) -> tuple[str, str]:
    found = _DIRECTIVE.match(line)
    return (found[1], found[2]) if found else ("", "")


def _after(before: str, condition: str) -> str:
    """What the next branch is, if before was the one before it, and if nothing but this counts."""
    if before == "unknown":
        return "unknown"
    if before in ("taken", "past"):
        return "past"
    return {"1": "taken", "0": "not yet"}.get(condition, "unknown")


def _folded(text: str) -> str:
    before = ""
    while text != before:
        before = text
        for pattern, value in _STEPS:
            folded = pattern.sub(value, text)
            if folded != text:
                text = folded
                break
    return text


def by_python(text: str, version: str) -> tuple[str, ...]:
    """The lines of a header that the Python of this version sees: "3.14", or "3.14t"."""
    major, _, minor = version.removesuffix("t").partition(".")
    series = int(major) << 8 | int(minor)
    reader = Reader(series=series, free_threaded=version.endswith("t"))
    told = (" ".join(line.split()) for line in reader.lines(text))
    return tuple(line for line in told if line)
