"""Files of this machine that several runs share."""

import os
import tempfile
from pathlib import Path


def write(path: Path, content: bytes) -> None:
    """Writes a whole file or none, so that nobody reads a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
