"""The command mod_wsgi, and what the build, the tests and the benchmarks share with it."""

from pathlib import Path

TOP = Path(__file__).resolve().parent.parent


class Problem(Exception):
    """Something that the user can mend. The text is one line that says how."""
