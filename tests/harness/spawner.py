"""The spawner, compiled alone: the tests that need it need no Python of applications."""

import subprocess
from pathlib import Path

from command import TOP

FLAGS = (
    "-std=c99",
    "-D_GNU_SOURCE",
    "-D_FILE_OFFSET_BITS=64",
    "-g",
    "-Wall",
    "-Wextra",
    "-Werror",
)


def compile_into(folder: Path, *more: str) -> Path:
    program = folder / "mod_wsgi-spawner"
    own, shared = (TOP / "spawner").glob("*.c"), TOP / "adapters" / "wire" / "ceilings.c"
    sources = sorted(map(str, [*own, shared]))
    subprocess.run(["gcc", *FLAGS, *more, *sources, "-o", str(program), "-pthread"], check=True)
    return program
