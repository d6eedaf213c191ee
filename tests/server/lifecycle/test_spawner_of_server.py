"""The spawner that a server's parent starts: it stays over restarts, is replaced, and ends.

Nobody asks it for a process here: what it does then is in tests/unit/test_spawner.py.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from bench.processes import program_of
from command import httpd
from tests.harness.cells import Cell
from tests.harness.errorlog import until
from tests.harness.serving import Workshop, running
from tests.harness.site import Site, parent_of, running_processes
from tests.harness.spawner import compile_into

pytestmark = pytest.mark.any_python

CONFIG = """
@{base}
@{applications}
<Location /apart>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application respond::one_block
    SetEnv mod_wsgi.directory "@{apps}"
    SetEnv mod_wsgi.process apart
</Location>
<Location /foreign>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application respond::one_block
    SetEnv mod_wsgi.directory "@{apps}"
    SetEnv mod_wsgi.process foreign
    SetEnv mod_wsgi.user daemon
</Location>
"""

PATIENCE = 10.0

Stopped = tuple[Site, list[str]]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_into(tmp_path_factory.mktemp("built"))


@pytest.fixture
def installed(module: Path, built: Path, workshop: Workshop) -> Iterator[Path]:
    """A module that has the spawner beside it."""
    folder = workshop.folder / "with-spawner"
    (folder / "mod_wsgi").mkdir(parents=True)
    for program in (built, *module.parent.glob("mod_wsgi/mod_wsgi-py*")):
        shutil.copy(program, folder / "mod_wsgi")
    shutil.copy(module, folder / "mod_wsgi.so")
    yield folder / "mod_wsgi.so"
    left = until(lambda: not spawners(folder), PATIENCE)
    shutil.rmtree(folder)
    assert left, "a spawner is left over"


@pytest.fixture
def site(cell: Cell, installed: Path, workshop: Workshop) -> Iterator[Site]:
    with running(cell, installed, workshop, CONFIG) as started:
        started.watch.begin()
        yield started
        verdict = started.watch.verdict()
    assert not verdict, verdict


def spawners(place: Path) -> list[int]:
    """The spawners that were started from a folder, or of a module.

    A process that one has just made is none. It does not run its program yet.
    """
    folder = place if place.is_dir() else place.parent
    program = str(folder / "mod_wsgi" / "mod_wsgi-spawner")
    found = [pid for pid in running_processes() if program_of(pid) == program]
    return [pid for pid in found if parent_of(pid) not in found]


def the_spawner(place: Path) -> int:
    assert until(lambda: len(spawners(place)) == 1, PATIENCE), spawners(place)
    return spawners(place)[0]


def descriptors(pid: int) -> dict[int, str]:
    found = {}
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            found[int(path.name)] = str(path.readlink())
    return found


def restart(site: Site, number: int) -> None:
    """Waits until the server has begun again, so that it is not told to do so twice at once."""
    before = (site.root / "error.log").read_text().count("resuming normal")
    os.kill(site.pid, number)
    assert until(
        lambda: (site.root / "error.log").read_text().count("resuming normal") > before, PATIENCE
    )


def test_a_server_has_one_spawner(site: Site, installed: Path) -> None:
    assert parent_of(the_spawner(installed)) == site.pid


def test_the_spawner_leads_a_session_of_its_own(site: Site, installed: Path) -> None:
    assert os.getsid(the_spawner(installed)) != os.getsid(site.pid)


def test_the_spawner_has_the_ask_socket_and_the_log_only(site: Site, installed: Path) -> None:
    names = descriptors(the_spawner(installed))
    assert names[0] == names[1] == "/dev/null"
    assert names[2] == str(site.root / "error.log")
    assert names[3].startswith("socket:")
    assert [name for fd, name in names.items() if fd > 3 and not name.startswith("pipe:")] == []


@pytest.mark.parametrize("how", [signal.SIGUSR1, signal.SIGHUP], ids=["graceful", "hard"])
def test_the_spawner_stays_over_three_restarts(
    site: Site, installed: Path, how: signal.Signals
) -> None:
    before = the_spawner(installed)
    for _ in range(3):
        restart(site, how)
        assert site.get("/respond/a_generator").status_code == 200
        assert spawners(installed) == [before]


def test_children_do_not_keep_what_is_the_parents(site: Site, installed: Path) -> None:
    """With the spawner's end of the ask socket they could read what others ask for."""
    end = descriptors(the_spawner(installed))[3]
    children = [pid for pid in site.children() if pid not in spawners(installed)]
    assert end in descriptors(site.pid).values()
    assert until(lambda: not [pid for pid in children if end in descriptors(pid).values()])


def test_applications_do_not_see_the_variable_of_the_parent(site: Site) -> None:
    shown = site.get("/surroundings/shown").text
    assert "TESTS_SETTINGS" in shown
    assert "MOD_WSGI_SPAWNER" not in shown


def test_a_spawner_that_was_killed_is_replaced(site: Site, installed: Path) -> None:
    site.expects("mod_wsgi-spawner has ended: another one begins")
    before = the_spawner(installed)
    os.kill(before, signal.SIGKILL)
    assert until(lambda: spawners(installed) not in ([], [before]), PATIENCE)
    assert parent_of(the_spawner(installed)) == site.pid


def test_a_spawner_that_was_killed_after_a_restart_is_replaced(
    site: Site, installed: Path
) -> None:
    site.expects("mod_wsgi-spawner has ended: another one begins")
    before = the_spawner(installed)
    restart(site, signal.SIGUSR1)
    os.kill(before, signal.SIGKILL)
    assert until(lambda: spawners(installed) not in ([], [before]), PATIENCE)
    restart(site, signal.SIGHUP)
    assert len(spawners(installed)) == 1


def test_a_server_that_stops_has_ended_its_spawner(
    cell: Cell, installed: Path, workshop: Workshop
) -> None:
    with running(cell, installed, workshop, CONFIG):
        the_spawner(installed)
    ended = time.monotonic()
    assert until(lambda: not spawners(installed), PATIENCE)
    assert time.monotonic() - ended < 2


def test_a_server_that_was_killed_has_no_spawner_for_long(
    cell: Cell, installed: Path, workshop: Workshop
) -> None:
    with running(cell, installed, workshop, CONFIG) as site:
        the_spawner(installed)
        children = site.children()
        os.kill(site.pid, signal.SIGKILL)
        for child in children:
            if child not in spawners(installed):
                os.kill(child, signal.SIGKILL)
        assert until(lambda: not spawners(installed), PATIENCE)


def test_a_check_of_the_configuration_starts_nothing(
    cell: Cell, installed: Path, site: Site
) -> None:
    before = the_spawner(installed)
    words = [str(cell.server.httpd), "-d", str(site.root), "-f", str(site.root / "httpd.conf")]
    for option in ("-t", "-S"):
        subprocess.run([*words, option], capture_output=True, check=False, cwd="/")
    assert spawners(installed) == [before]


def test_a_spawner_that_everybody_could_change_is_not_started(
    cell: Cell, installed: Path, workshop: Workshop
) -> None:
    (installed.parent / "mod_wsgi" / "mod_wsgi-spawner").chmod(0o777)
    with running(cell, installed, workshop, CONFIG) as site:
        expected = 200 if cell.mode == "embedded" else 503
        assert site.get("/respond/a_generator").status_code == expected
        assert spawners(installed) == []


@pytest.fixture
def stopped(cell: Cell, installed: Path, workshop: Workshop) -> Stopped:
    """A server that has been stopped, and the command that starts it again."""
    with running(cell, installed, workshop, CONFIG) as site:
        the_spawner(installed)
    assert until(lambda: not spawners(installed), PATIENCE)
    root = str(site.root)
    return site, [str(cell.server.httpd), "-d", root, "-f", f"{root}/httpd.conf"]


@contextmanager
def started(stopped: Stopped, option: str, **options: Any) -> Iterator[int]:
    """Starts it again. It takes signals when it answers."""
    site, command = stopped
    with (site.root / "error.log").open("ab") as log:
        server = subprocess.Popen([*command, option], stdout=log, stderr=log, cwd="/", **options)
    try:
        assert until(lambda: answers(site), PATIENCE)
        yield server.pid
    finally:
        server.terminate()
        server.wait(PATIENCE)


def answers(site: Site) -> bool:
    with suppress(OSError):
        return site.get("/respond/a_generator").status_code == 200
    return False


def test_a_server_with_one_process_has_a_spawner(stopped: Stopped, installed: Path) -> None:
    """The option -X, for debuggers."""
    with started(stopped, "-X") as server:
        assert parent_of(the_spawner(installed)) == server
    assert until(lambda: not spawners(installed), PATIENCE)


def test_a_server_in_the_background_has_a_spawner(stopped: Stopped, installed: Path) -> None:
    site, command = stopped
    root = site.root
    (root / "httpd.pid").unlink(missing_ok=True)
    subprocess.run(command, check=True, cwd="/", capture_output=True)
    assert until((root / "httpd.pid").exists, PATIENCE)
    server = int((root / "httpd.pid").read_text())
    try:
        before = the_spawner(installed)
        assert parent_of(before) == server
        os.kill(server, signal.SIGUSR1)
        time.sleep(1)
        assert spawners(installed) == [before]
    finally:
        os.kill(server, signal.SIGTERM)
    assert until(lambda: not spawners(installed), PATIENCE)


@pytest.mark.skipif(os.geteuid() != 0, reason="root starts a server as another user here")
def test_a_server_that_root_did_not_start_has_a_spawner(stopped: Stopped, installed: Path) -> None:
    user = httpd.unprivileged_user()
    assert user
    root = stopped[0].root
    for path in (root, *root.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid)
    with started(stopped, "-X", user=user.pw_uid, group=user.pw_gid):
        assert Path(f"/proc/{the_spawner(installed)}").stat().st_uid == user.pw_uid
    assert until(lambda: not spawners(installed), PATIENCE)


@pytest.mark.skipif(os.geteuid() != 0, reason="root starts a server as another user here")
def test_a_server_that_root_did_not_start_has_no_process_of_another_user(
    stopped: Stopped, installed: Path
) -> None:
    site, _ = stopped
    user = httpd.unprivileged_user()
    assert user
    for path in (site.root, *site.root.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid)
    with started(stopped, "-X", user=user.pw_uid, group=user.pw_gid):
        assert site.get("/foreign").status_code == 500
    assert (
        "so it can't start a process of the user daemon" in (site.root / "error.log").read_text()
    )
    assert until(lambda: not spawners(installed), PATIENCE)


def test_a_spawner_that_cannot_be_started_again_is_told(site: Site, installed: Path) -> None:
    """Requests are refused at once then, for nobody would read what they ask for."""
    site.expects("mod_wsgi-spawner has ended: another one begins")
    site.expects("no mod_wsgi-spawner could be started: .*: No such file or directory")
    spawner = installed.parent / "mod_wsgi" / "mod_wsgi-spawner"
    pid = the_spawner(installed)
    spawner.rename(spawner.with_name("away"))
    os.kill(pid, signal.SIGKILL)
    site.watch.wait_for("no mod_wsgi-spawner could be started")
    site.expects("can't be had, since mod_wsgi-spawner does not answer")
    started = time.monotonic()
    assert site.get("/apart").status_code == 503
    assert time.monotonic() - started < 5
    spawner.with_name("away").rename(spawner)
    restart(site, signal.SIGUSR1)
    assert the_spawner(installed) != pid
