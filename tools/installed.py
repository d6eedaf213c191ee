"""What an installed command consists of. Packages and wheels take the list from here.

    python -m tools.installed FOLDER

copies it into a folder, whose name is the package's: mod_wsgi_command.
"""

import shutil
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent

PACKAGE = "mod_wsgi_command"

# What command/ reads of the rest of the tree.
DATA = ("VERSION", "docs/messages.md", "examples/environ.py")


def files() -> dict[Path, str]:
    """The files that an installed command has, each with its name within the package."""
    command = TOP / "command"
    found = {path: str(path.relative_to(command)) for path in sorted(command.rglob("*.py"))}
    return {**found, **{TOP / name: name for name in DATA}}


def copy(folder: Path) -> None:
    for source, name in files().items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


if __name__ == "__main__":
    copy(Path(sys.argv[1]))
