"""What the back end hatchling asks when it makes a wheel: builds the module with scons.

The wheel has the command as the package mod_wsgi_command. In its folder modules/ is the module for
one server and the Python that builds. Variables of the environment:

    APXS=/path/of/apxs     the server; by default the newest one that is found
    PYTHONS=3.13,2.7       more Pythons that applications' processes may have
"""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Hook(BuildHookInterface):
    """hatchling finds the class by what it extends."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Adds the files. The wheel's name says for which Python and which system it is."""
        if version == "editable":
            raise RuntimeError("in a checkout, ./dev serve and python3 -m command do the same")
        sys.path.insert(0, self.root)
        from tools import installed  # noqa: PLC0415  the tree is known from here on

        included = {str(source): name for source, name in installed.files().items()}
        modules = Path(self.root, "build", "wheel")
        shutil.rmtree(modules, ignore_errors=True)
        make(modules)
        for path in modules.rglob("*"):
            if path.is_file():
                included[str(path)] = f"modules/{path.relative_to(modules)}"
        for source, name in included.items():
            build_data["force_include"][source] = f"{installed.PACKAGE}/{name}"
        build_data["pure_python"] = False
        build_data["infer_tag"] = True


def make(modules: Path) -> None:
    """Installs the module into a folder that is named after its server and its Python."""
    from command import build, pythons, servers  # noqa: PLC0415  as above

    given = os.environ.get("APXS")
    apxs = servers.choose_apxs(apxs=Path(given) if given else None)
    python = pythons.choose(sys.executable)
    others = [name for name in os.environ.get("PYTHONS", "").split(",") if name]
    line = servers.line_of(apxs)
    build.scons(
        f"apxs={apxs}",
        f"python={','.join([str(python.executable), *others])}",
        f"moduledir={modules / build.folder(line, python)}",
        "install",
    )
