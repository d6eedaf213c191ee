"""Processes: start, reload, restart, end, and the programs and copies they make."""
