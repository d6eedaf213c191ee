"""Lets every container take objects that another one has made.

SCons reads this before SConstruct, because --site-dir points here. Its cache knows an object by
what went into it: the source, the command line, and the compiler's program. That is why the
servers of archives are compiled for through a wrapper that is the same in every image: an
adapter's objects, made once on its server's base, fit each Python, and a core's each server.
"""

# ruff: noqa: INP001  SCons runs this file by itself; it is in no package

import os

from SCons.Script import CacheDir  # type: ignore[import-untyped]

CacheDir(os.environ["MATRIX_OBJECTS"])
