"""Compares mod_wsgi with other servers: ./dev bench. docs/performance.md shows results.

Everything is measured in one run on one machine. Results are ratios, since a bare number says more
about the machine than about the server.
"""

from command import TOP

BENCH = TOP / "bench"
APPS = BENCH / "apps"
BUILD = TOP / "build" / "bench"
VENV = TOP / "build" / "bench-venv"
