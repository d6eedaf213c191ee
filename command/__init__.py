"""The command mod_wsgi, and what the build, the tests and the benchmarks share with it."""

from pathlib import Path

from .discovery import Problem as Problem

_HERE = Path(__file__).resolve().parent

# The folder of the checkout.
TOP = _HERE.parent

# The modules of an installed command, which cannot build them. A checkout has no such folder.
MODULES = _HERE / "modules"

# The folder with the files that the command reads: examples/ and docs/.
DATA = _HERE if MODULES.is_dir() else TOP
