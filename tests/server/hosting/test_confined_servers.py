"""A server that may do less than root: by systemd, in a container, in another root directory.

docs/neighbours.md has a row for each. setpriv takes rights away as systemd and Docker do.
"""

import os
import pwd
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from command import Problem
from tests.conftest import SITES, Serve, fail_if_told
from tests.harness.accounts import ALICE, give
from tests.harness.cells import Cell
from tests.harness.errorlog import until
from tests.harness.serving import Workshop, running
from tests.harness.site import Site, parent_of

pytestmark = [pytest.mark.needs("processes"), pytest.mark.usefixtures("customers")]

CONFIG = """
<Directory "@{www}">
    AllowOverride FileInfo
    Options ExecCGI FollowSymLinks
</Directory>
<Location /server>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application versions
    SetEnv mod_wsgi.directory "@{apps}"
</Location>
"""
CODE = """
import json
import os

def application(environ, start_response):
    status = open("/proc/self/status").read()
    told = {"uid": os.getuid(), "privileged": "NoNewPrivs:\\t0" not in status}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(told).encode("ascii")]
"""
HTACCESS = """
SetHandler mod_wsgi
SetEnv mod_wsgi.application who
SetEnv mod_wsgi.directory {folder}
"""

# What a unit of systemd may leave a server: CapabilityBoundingSet=.
FEW = "-all,+setuid,+setgid,+kill,+net_bind_service"

Start = Callable[..., Site]


@pytest.fixture
def start(
    request: pytest.FixtureRequest, cell: Cell, module: Path, workshop: Workshop, tmp_path: Path
) -> Iterator[Start]:
    """Starts a server with fewer rights: the options are setpriv's."""
    if os.geteuid() != 0:
        pytest.skip("only root has rights to lose")
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed: util-linux 2.31 or later")
    sites: list[Site] = request.node.stash.setdefault(SITES, [])
    with ExitStack() as stack:

        def begin(*options: str) -> Site:
            wrapper = tmp_path / "httpd"
            words = " ".join(["setpriv", *options, str(cell.server.httpd)])
            wrapper.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
            wrapper.chmod(0o755)
            weaker = replace(cell, server=replace(cell.server, httpd=wrapper))
            site = stack.enter_context(running(weaker, module, workshop, CONFIG))
            site.watch.begin()
            sites.append(site)
            folder = site.root / "htdocs" / "alice"
            give(folder / "who.py", ALICE, CODE)
            give(folder / ".htaccess", ALICE, HTACCESS.format(folder=folder))
            return site

        yield begin
    for site in sites:
        fail_if_told(site)


@pytest.mark.parametrize("right", ["setuid", "setgid"])
def test_without_the_right_to_become_others_no_application_runs(start: Start, right: str) -> None:
    """The server itself can't become its own user, and ends. Without setgid, 2.4 stays root."""
    statuses: list[int] = []
    with suppress(AssertionError, Problem, OSError):
        site = start(f"--bounding-set -{right}")
        site.tolerates(".")
        statuses += [site.get(path).status_code for path in ("/server", "/alice/")]
    assert statuses in ([], [500, 500])


def test_few_rights_suffice(start: Start) -> None:
    site = start(f"--bounding-set {FEW}")
    assert site.get("/alice/").json()["uid"] == ALICE
    assert site.get("/server").status_code == 200


def test_no_new_privileges_are_needed(start: Start) -> None:
    """NoNewPrivileges= of systemd. It holds for applications, too."""
    site = start("--no-new-privs")
    assert site.get("/alice/").json() == {"uid": ALICE, "privileged": True}


def test_without_the_right_to_kill_the_log_warns(start: Start) -> None:
    site = start("--bounding-set -kill")
    site.tolerates("still did not exit, sending a SIGKILL")  # its own processes
    log = site.root / "error.log"
    assert until(lambda: "MW0637: the server may not end processes" in log.read_text())
    assert site.get("/alice/").json()["uid"] == ALICE


ENOUGH = 20.0  # seconds: the worker model of Apache 2.0 and 2.2 takes five


def test_a_signal_to_all_processes_at_once_ends_all(start: Start) -> None:
    """KillMode=control-group of systemd."""
    site = start("--no-new-privs")
    site.tolerates("MW0702: mod_wsgi-spawner has ended")  # before the server sees its own signal
    assert site.get("/alice/").json()["uid"] == ALICE
    everyone = [site.pid, *site.children(), *site.spawners(), *site.spawned()]
    for pid in everyone:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    assert until(lambda: not any(map(parent_of, everyone[1:])), ENOUGH)


@pytest.mark.needs("chroot")
def test_another_root_directory_is_refused(serve: Serve) -> None:
    """The same path would be another file for the application's process."""
    if os.geteuid() != 0:
        pytest.skip("only root can change the root directory")
    site = serve('ChrootDir "@{www}"' + CONFIG)
    site.expects(r"MW0636: mod_wsgi.process .* have another root directory \(ChrootDir\)")
    assert site.get("/server").status_code == 500
    assert site.spawned() == []


@pytest.mark.needs("suexec")
def test_the_user_of_suexec_is_that_of_programs_only(serve: Serve, cell: Cell) -> None:
    if os.geteuid() != 0:
        pytest.skip("suEXEC serves a server that root has started")
    if not (cell.server.modules / "mod_suexec.so").exists():
        pytest.skip("mod_suexec is not installed")
    directive = f'LoadModule suexec_module "{cell.server.modules / "mod_suexec.so"}"\n'
    user = pwd.getpwuid(ALICE).pw_name
    site = serve(f"{directive}SuexecUserGroup {user} {user}\n{CONFIG}")
    assert site.get("/server").json()["uid"] != ALICE
