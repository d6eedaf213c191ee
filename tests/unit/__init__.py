"""Tests that need no server: the core through the bare host, the tools, the architecture."""
