"""What a server run by root cannot read as somebody else, and what is said of it."""

import pwd
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from command import TOP, Problem, access, serve
from command.serve import Application

NOBODY = pwd.getpwnam("nobody")


@pytest.fixture
def closed() -> Iterator[Path]:
    """A home as umask 077 makes it, below a folder that everybody can enter."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        top = Path(name)
        top.chmod(0o755)
        (top / "home" / "site" / "deep").mkdir(parents=True)
        (top / "home" / "tools").mkdir()
        for path in (top / "home" / "site" / "app.py", top / "home" / "site" / "deep" / "more.py"):
            path.touch()
        for path in (top / "home").rglob("*"):
            path.chmod(0o700 if path.is_dir() else 0o600)
        (top / "home").chmod(0o700)
        yield top / "home"


def test_every_closed_folder_is_named_at_once(closed: Path) -> None:
    file, folder = closed / "site" / "app.py", closed / "tools"
    with pytest.raises(Problem) as told:
        access.require([file, folder], NOBODY)
    assert str(told.value) == (
        f"nobody cannot read {file}, {folder}: chmod o+x {closed} {closed / 'site'}"
        f" && chmod o+r {file} && chmod -R o+rX {folder}"
    )


def test_what_is_said_opens_everything(closed: Path) -> None:
    paths = [closed / "site", closed / "site" / "app.py", closed / "tools"]
    with pytest.raises(Problem) as told:
        access.require(paths, NOBODY)
    _, _, commands = str(told.value).partition(": ")
    subprocess.run(["sh", "-euc", commands], check=True)
    access.require([*paths, closed / "site" / "deep" / "more.py"], NOBODY)


def test_what_is_open_is_no_problem(closed: Path) -> None:
    access.require([Path("/usr"), closed.parent], NOBODY)
    access.require([closed], None)


def test_serve_names_the_closed_parts_of_the_python_and_of_the_application_at_once(
    closed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("command.httpd.unprivileged_user", lambda: NOBODY)
    monkeypatch.setattr("command.access.parts", lambda _: [closed / "tools"])
    application = Application(setting="app", directories=(closed / "site",))
    with pytest.raises(Problem) as told:
        serve.require_readable(None, application, ())  # type: ignore[arg-type]
    assert str(told.value).endswith(
        f"chmod o+x {closed} && chmod -R o+rX {closed / 'tools'} {closed / 'site'}"
    )


def test_the_example_can_be_read_whatever_the_mode_of_the_checkout_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = tmp_path / "checkout.py"
    example.touch(mode=0o600)
    (tmp_path / "root").mkdir()
    monkeypatch.setattr("command.serve.EXAMPLE", example)
    found = serve.find_application(None, [], tmp_path / "root")
    assert found.file
    assert found.file.stat().st_mode & 0o777 == 0o644


def test_a_file_in_a_package_is_served_as_a_module_of_the_package(tmp_path: Path) -> None:
    """As Django's wsgi.py, which imports the settings of its package."""
    package = tmp_path / "shop" / "web"
    package.mkdir(parents=True)
    for path in (package, package.parent):
        (path / "__init__.py").touch()
    (package / "wsgi.py").touch()
    found = serve.find_application(str(package / "wsgi.py"), [], tmp_path)
    assert found.setting == "shop.web.wsgi::application"
    assert found.directories == (tmp_path,)


def test_what_tests_make_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


def test_what_tests_make_can_be_read_whatever_the_umask_is() -> None:
    test = f"{__file__}::test_what_tests_make_can_be_read"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", test],
        cwd=TOP,
        umask=0o077,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("host", "warned"),
    [("127.0.0.1", False), ("::1", False), ("0.0.0.0", True), ("192.0.2.7", True)],
)
def test_who_serves_to_others_is_warned(host: str, *, warned: bool) -> None:
    told = serve.exposure(host, 8080)
    assert bool(told) == warned
    assert not told or "port 8080. Whoever reaches that over the network" in told
