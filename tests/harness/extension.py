"""Builds the extension module of tests/apps/extension with a cell's own Python."""

import subprocess
from pathlib import Path

from tests.harness.cells import Cell
from tests.harness.config import APPS


def build(cell: Cell, folder: Path) -> Path:
    """The folder to import it from. The compiler is the system's, as for the module under test."""
    folder.mkdir(exist_ok=True)
    target = folder / "gilstate.so"
    command = [
        *("cc", "-shared", "-fPIC", "-O1", "-I", str(cell.python.include)),
        *("-o", str(target), str(APPS / "extension" / "gilstate.c")),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
    return folder
