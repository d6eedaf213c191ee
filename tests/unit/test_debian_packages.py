"""The Debian packages, in a bare Debian: install, enable, ask, purge.

The system is made by debootstrap, which takes a minute. MOD_WSGI_DEBIAN may name the folder of one
that is there already: the test works in a copy.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from command import TOP, httpd
from tests.harness import programs

pytestmark = pytest.mark.slow

PROGRAMS = ("apt-get", "debootstrap", "dpkg-buildpackage", "lintian", "unshare")
SUITE = "bookworm"
MODULE = "libapache2-mod-wsgi-variables"

PUT_AT = "/root/"

# What APT and dpkg write about all packages, also about those that have gone. /run is Apache's.
OF_OTHERS = ("/var/lib/apt/", "/var/lib/dpkg/", "/var/cache/", "/var/log/", "/run/", PUT_AT)

APPLICATION = """
import os, pwd

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["user {}\\n".format(pwd.getpwuid(os.geteuid())[0]).encode()]
"""

# The end of the first process ends all others, and with them the server.
ENTER = """
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
exec chroot "$@"
"""


@dataclass(frozen=True, kw_only=True)
class Debian:
    """A Debian in a folder."""

    root: Path

    def command(self, *words: str) -> list[str]:
        away = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        return [*away, "sh", "-ec", ENTER, "sh", str(self.root), *words]

    def run(self, *words: str) -> str:
        environment = {
            "PATH": os.defpath + ":/usr/sbin:/sbin",
            "DEBIAN_FRONTEND": "noninteractive",
        }
        return programs.run(*self.command(*words), environment=environment)

    def install(self, *names: str) -> None:
        self.run("apt-get", "install", "-y", "--no-install-recommends", *names)

    def files(self) -> set[str]:
        """The files, and folders of ours. Apache keeps empty folders of what a2enmod did."""
        found = self.root.rglob("*")
        paths = [path for path in found if not path.is_dir() or "wsgi" in path.name]
        names = {f"/{path.relative_to(self.root)}" for path in paths}
        return {name for name in names if not name.startswith(OF_OTHERS)}


@pytest.fixture(scope="module")
def debian() -> Iterator[Debian]:
    """A bare Debian in which a service does not start by itself."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs root, and here is no {', '.join(missing) or 'root'}")
    with tempfile.TemporaryDirectory(prefix="mod_wsgi-debian-") as folder:
        root = Path(folder, "root")
        bare = os.environ.get("MOD_WSGI_DEBIAN")
        make = ["cp", "-a", bare] if bare else ["debootstrap", "--variant=minbase", SUITE]
        try:
            programs.run(*make, root)
        except programs.ProgramFailed as failed:
            pytest.skip(f"no bare Debian: {str(failed)[-1000:]}")
        for name in ("hosts", "resolv.conf"):
            shutil.copy(f"/etc/{name}", root / "etc" / name)
        policy = root / "usr" / "sbin" / "policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        made_debian = Debian(root=root)
        made_debian.run("apt-get", "update")
        yield made_debian


@pytest.fixture(scope="module")
def packages(debian: Debian) -> list[str]:
    """The packages, as apt-get in that Debian calls them. lintian has no complaint."""
    command = (sys.executable, "-P", "-m", "tools.deb")
    programs.run(*command, environment={**os.environ, "PYTHONPATH": str(TOP)})
    found = [path for path in (TOP / "build" / "deb").glob("*.deb") if "-dbgsym_" not in path.name]
    return [f"{PUT_AT}{Path(shutil.copy(path, debian.root / 'root')).name}" for path in found]


@contextmanager
def serving(debian: Debian, url: str, *words: str) -> Iterator[str]:
    """The answer of a server while it runs."""
    with subprocess.Popen(debian.command(*words), stdout=subprocess.DEVNULL) as server:
        try:
            yield programs.first_answer(url, server)
        finally:
            for child in (
                Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
            ):
                os.kill(int(child), signal.SIGTERM)  # unshare would not give it on
            with suppress(subprocess.TimeoutExpired):
                server.wait(10)
            server.kill()


def test_packages_serve_and_leave_no_trace(debian: Debian, packages: list[str]) -> None:
    debian.install("apache2")
    debian.run("useradd", "--uid", "1500", "shop")
    before = debian.files()
    debian.install(*packages)
    debian.run("a2enmod", "wsgi")

    port = httpd.free_port()
    url = f"http://127.0.0.1:{port}/"
    put(debian, "srv/shop.py", APPLICATION)
    assert "user www-data" in served_by_the_command(debian, url, port)

    put(debian, "etc/apache2/ports.conf", f"Listen 127.0.0.1:{port}\n")
    for user in ("", "shop"):
        own = ["--user", user] if user else []
        site = debian.run("mod_wsgi", "config", "/srv/shop.py", "--port", str(port), *own)
        put(debian, "etc/apache2/sites-available/000-default.conf", site)
        with serving(debian, url, "apachectl", "-DFOREGROUND") as text:
            assert text == f"user {user or 'www-data'}\n"

    debian.run("apt-get", "purge", "-y", "--autoremove", MODULE, "mod-wsgi-*")
    debian.run("rm", "-r", "/srv/shop.py")
    assert debian.files() - before == set()


def served_by_the_command(debian: Debian, url: str, port: int) -> str:
    """The answer of mod_wsgi serve, for which no header of a server nor of Python is there."""
    words = ("mod_wsgi", "serve", "/srv/shop.py", f"--port={port}")
    with serving(debian, url, *words) as text:
        return text


def put(debian: Debian, name: str, text: str) -> None:
    (debian.root / name).write_text(text)
