"""What the matrix's release archives are trusted for."""

import argparse
from collections.abc import Iterator, Mapping

from matrix import archives, data
from matrix.described import Archive
from matrix.verbs import place


def show_archives(arguments: argparse.Namespace) -> int:
    """Prints each archive, with what tells it from a forged one."""
    known = data.load(arguments.data)
    remembered = archives.read_lock(place.shelf(arguments).lock)
    for archive in known.archives():
        print("\n    ".join(described(archive, remembered)))
    return 0


def described(archive: Archive, remembered: Mapping[str, str]) -> Iterator[str]:
    yield archive.name
    if archive.sha256:
        yield f"SHA-256 {archive.sha256}"
    signers = archive.signers
    if signers:
        seen = remembered.get(archive.name)
        yield f"SHA-256 {seen}, of the first signed one" if seen else "not seen yet"
        yield from (f"signed by {fingerprint}" for fingerprint in signers.fingerprints)
    yield from (f"says {source}" for source in (signers.sources if signers else archive.sources))
