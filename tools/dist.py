"""Makes the archive of a release, for hosts that build it: build/dist/mod_wsgi-X.Y.Z.tar.gz.

It has the files that git knows, as they are in this checkout. Names are sorted, and owners and
times do not depend on who makes it, so the same commit makes the same archive. "scons dist" runs
this program.
"""

import gzip
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

from command import TOP, Problem
from tools.deb import changed, version

NAME = "mod_wsgi"


def main() -> int:
    """Returns 0, or 2 if there can be no archive."""
    try:
        made = make(TOP / "build" / "dist")
    except Problem as problem:
        print(f"scons dist: {problem}", file=sys.stderr)
        return 2
    print(made.relative_to(TOP))
    return 0


def make(folder: Path) -> Path:
    """Writes the archive into the folder. Older ones stay there."""
    top = f"{NAME}-{version()}"
    packed = io.BytesIO()
    moment = int(changed())
    with (
        gzip.GzipFile(filename="", fileobj=packed, mode="wb", mtime=moment) as stream,
        # The oldest of tar's formats: every tar reads it.
        tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name in names():
            path = TOP / name
            entry = tarfile.TarInfo(f"{top}/{name}")
            entry.size = path.stat().st_size
            entry.mtime = moment
            entry.mode = 0o755 if os.access(path, os.X_OK) else 0o644
            with path.open("rb") as content:
                archive.addfile(entry, content)
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / f"{top}.tar.gz"
    made.write_bytes(packed.getvalue())
    return made


def names() -> list[str]:
    """The files that git knows, without those that were removed here."""
    command = ["git", "-C", str(TOP), "ls-files", "-z", "--cached"]
    if not (TOP / ".git").exists():
        raise Problem(
            "this tree is no checkout of git, whose list of files an archive is made from"
        )
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    if listed.returncode:
        raise Problem(f"git does not list the files: {listed.stderr.strip()}")
    return sorted(name for name in listed.stdout.split("\0") if name and (TOP / name).is_file())


if __name__ == "__main__":
    sys.exit(main())
