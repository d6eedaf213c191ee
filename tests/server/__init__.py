"""Tests against real servers; each runs on every combination of Apache and Python found."""
