"""The project's own tools, shared by SConstruct, dev, the tests and the benchmarks."""

from pathlib import Path

TOP = Path(__file__).resolve().parent.parent


class Problem(Exception):
    """Something that the user can mend. The text is one line that says how."""
