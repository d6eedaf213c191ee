"""Headers of other systems: zig's own, and this machine's Python and servers made to fit.

Zig brings the headers of the systems' C libraries. Python's and a server's are those of this
machine. The sizes of their types are the same on the targets, which are 64-bit systems, too. What
they say of the system itself is replaced.
"""

import importlib.util
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from command import servers
from command.pythons import Python
from command.servers import Server

# What pip installs: the package ziglang.
VERSION = "0.17.1"

# What Apache 1.3 is told of a system by its own configure.
NAMES_13 = {"macos": ["-DDARWIN"]}

# Lines of Apache 1.3's configuration that hold on Linux only.
LINUX_13 = re.compile(r"^#define (?:LINUX|HAVE_CRYPT_H)\b.*$", re.MULTILINE)


def zig() -> Path | None:
    """The compiler of the package ziglang, if that is installed."""
    found = importlib.util.find_spec("ziglang")
    folders = found.submodule_search_locations if found else None
    return Path(folders[0], "zig") if folders else None


def python_flags(python: Python, folder: Path) -> list[str]:
    """The headers of a Python, with a pyconfig.h that does not ask which machine this is."""
    copy = _linked(python.include, folder, "pyconfig.h")
    of_machine = Path("/usr/include", _multiarch(), python.include.name, "pyconfig.h")  # Debian
    config = of_machine if of_machine.is_file() else python.include / "pyconfig.h"
    (copy / "pyconfig.h").write_text(config.read_text())
    return ["-isystem", str(copy)]


def server_flags(server: Server, system: str, folder: Path) -> list[str]:
    """The headers of a server, which is configured for the system where that matters."""
    folders = servers.includes(server.apxs)
    if server.line != "1.3":
        return _system(folders)
    copy = _linked(folders[0], folder, "ap_config_auto.h")
    text = (folders[0] / "ap_config_auto.h").read_text()
    (copy / "ap_config_auto.h").write_text(LINUX_13.sub("", text))
    # Zig puts the system's headers first, and only the server's fnmatch.h has ap_fnmatch.
    first = folder / "first"
    first.mkdir()
    (first / "fnmatch.h").symlink_to(folders[0] / "fnmatch.h")
    return [*NAMES_13.get(system, []), f"-I{first}", *_system([copy])]


def extra_flags(system: str, folder: Path) -> list[str]:
    """Headers that Apple's SDK has and zig leaves out."""
    if system != "macos":
        return []
    (folder / "extra" / "sys").mkdir(parents=True)
    (folder / "extra" / "sys" / "syscall.h").touch()
    return _system([folder / "extra"])


def _multiarch() -> str:
    asked = subprocess.run(["gcc", "-print-multiarch"], capture_output=True, text=True, check=True)
    return asked.stdout.strip()


def _system(folders: Sequence[Path]) -> list[str]:
    return [word for folder in folders for word in ("-isystem", str(folder))]


def _linked(source: Path, folder: Path, without: str) -> Path:
    """A folder of links to the headers, without one of them."""
    copy = folder / source.name
    copy.mkdir()
    for entry in source.iterdir():
        if entry.name != without:
            (copy / entry.name).symlink_to(entry)
    return copy
