"""The tests: against real servers (tests/server) and without any (tests/unit)."""
