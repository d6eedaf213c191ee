"""Bytes that an application makes and its client expects."""

import hashlib


def pattern(name, size):  # type: (str, int) -> bytes
    """So many, which are different for each name."""
    block = hashlib.sha256(name.encode("ascii")).hexdigest().encode("ascii")
    return (block * (size // len(block) + 1))[:size]
