"""The Pythons of this machine, with types. The folder discovery/ finds them and asks each."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import Problem
from .discovery import pythons as _plain

INSTALL = _plain.INSTALL

# Says why a Python can't be used and how to mend that, or None.
Refuse = Callable[["Python"], str | None]


@dataclass(frozen=True, kw_only=True)
class Python:
    """One Python, as a program that embeds it sees it."""

    version: str
    release: str
    abi: str
    executable: Path
    include: Path
    libdir: Path
    library: str
    libs: tuple[str, ...]
    shared: bool
    stdlib: Path
    system_library: bool
    # Modules that its .pth files import into every interpreter, and that a plain Python does not
    # import. They hide faults that show only in an interpreter without them.
    crowd: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"py{self.version}{self.abi}"

    @property
    def shared_library(self) -> Path:
        return self.libdir / f"lib{self.library}.so"


def find(wanted: Sequence[str] = ()) -> list[Python]:
    """The Pythons wanted, in that order. If none is named, one for each version found.

    A Python that can be embedded is preferred, then one without a crowd. Otherwise the first found
    is taken: PATH comes first, then pyenv.
    """
    if wanted:
        return [_find_one(want) for want in wanted]
    found: dict[str, Python] = {}
    for python in _candidates(""):
        known = found.get(python.name)
        if known is None or _rank(python) < _rank(known):
            found[python.name] = python
    return sorted(found.values(), key=lambda python: _plain.numbers(python.version + python.abi))


def choose(wanted: str = "", refuse: Refuse | None = None) -> Python:
    """The Python to build for: the first that is not refused, of those wanted or of all.

    By default fault() decides what is refused. refuse may be stricter.
    """
    judge = refuse or fault
    return _typed(_plain.choose(wanted, lambda found: judge(_typed(found))))


def fault(python: Python) -> str | None:
    """Why this Python cannot be embedded, and how to mend that. None if it can."""
    return _plain.fault(python)


def _find_one(want: str) -> Python:
    matches = list(_candidates(want))
    if not matches:
        raise Problem(_plain.missing(want))
    return min(matches, key=_rank)


def _rank(python: Python) -> tuple[bool, bool]:
    """Decides between two Pythons of a version: the lower rank is better."""
    return fault(python) is not None, python.crowd != ()


def _candidates(want: str) -> Iterator[Python]:
    return (_typed(found) for found in _plain.candidates(want))


def _typed(found: _plain.Python) -> Python:
    return Python(
        version=found.version,
        release=found.release,
        abi=found.abi,
        executable=Path(found.executable),
        include=Path(found.include),
        libdir=Path(found.libdir),
        library=found.library,
        libs=found.libs,
        shared=found.shared,
        stdlib=Path(found.stdlib),
        system_library=found.system_library,
        crowd=found.crowd,
    )
