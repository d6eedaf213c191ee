"""The project's own tooling: what SConstruct, dev, the tests and the benchmarks share."""

from pathlib import Path

TOP = Path(__file__).resolve().parent.parent


class Problem(Exception):
    """Something that the user can mend; the text is one line that says how."""
