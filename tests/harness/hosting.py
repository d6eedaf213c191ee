"""Customers of one server. Each has directories of their own below its document root."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

from tests.harness.accounts import give
from tests.harness.site import Site

# What an administrator of a shared host writes. Customers do the rest, in .htaccess files.
CONFIG = """
DocumentRoot "@{www}"
<Directory "@{www}">
    AllowOverride FileInfo
    Options ExecCGI FollowSymLinks
</Directory>
"""


def need_root() -> None:
    """Leaves a test out where customers can have neither files nor processes of their own."""
    if os.geteuid() != 0:
        pytest.skip("only root can give files to other users, and become them")


def rules(application: str, directory: Path, more: str = "", /, **settings: object) -> str:
    """An .htaccess file: mod_wsgi.NAME is set as each setting says."""
    given = {"application": application, "directory": directory, **settings}
    lines = [f"SetEnv mod_wsgi.{name} {value}\n" for name, value in given.items()]
    return "SetHandler mod_wsgi\n" + "".join(lines) + more


@dataclass(frozen=True, kw_only=True)
class Hosting:
    """The customers' directories below the document root of one server, for a test to write to."""

    www: Path

    @classmethod
    def of(cls, site: Site) -> Self:
        return cls(www=site.root / "htdocs")

    def put(self, owner: int, path: str, text: str, mode: int = 0o644) -> Path:
        """A file of an owner below the document root; missing folders become the owner's, too."""
        give(self.www / path, owner, text, mode)
        return self.www / path

    def link(self, owner: int, path: str, goal: str) -> Path:
        target = self.www / path
        target.unlink(missing_ok=True)
        target.symlink_to(self.www / goal)
        os.chown(target, owner, owner, follow_symlinks=False)
        return target

    def application(self, owner: int, path: str, code: str, **settings: object) -> Path:
        """A folder with an .htaccess file and the code of its application."""
        folder = self.put(owner, f"{path}/application.py", code).parent
        self.put(owner, f"{path}/.htaccess", rules("application", folder, **settings))
        return folder
