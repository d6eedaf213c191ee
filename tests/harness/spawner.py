"""The spawner, compiled alone: the tests that need it need no Python of applications."""

import subprocess
from pathlib import Path

from command import TOP

FLAGS = ("-std=c99", "-D_GNU_SOURCE", "-g", "-Wall", "-Wextra", "-Werror")


def compile_into(folder: Path) -> Path:
    program = folder / "mod_wsgi-spawner"
    own, shared = (TOP / "spawner").glob("*.c"), TOP / "adapters" / "wire" / "ceilings.c"
    sources = sorted(map(str, [*own, shared]))
    subprocess.run(["gcc", *FLAGS, *sources, "-o", str(program), "-pthread"], check=True)
    return program
