"""Which process an application is in: what may be set, and what a process of its own changes."""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.config import APPS
from tests.unit.conftest import Bare, Outcome

CUSTOMER, OTHER = 20001, 20002
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory of a customer's, which nobody but root could put another one in place of."""
    with tempfile.TemporaryDirectory(dir="/var") as name:
        top = Path(name)
        top.chmod(0o755)
        (top / "site").mkdir()
        os.chown(top / "site", CUSTOMER, CUSTOMER)
        yield top / "site"


def decided(bare: Bare, *arguments: str) -> str | None:
    """The process that was decided on; None: the server's."""
    outcome = bare("--decide", *arguments, "respond::one_block")
    found = re.search(r"\[info\] process (.*)", "\n".join(outcome.log))
    return found[1] if found else None


def as_customer(bare: Bare, home: Path, *settings: str) -> Outcome:
    words = [word for setting in settings for word in ("--env", setting)]
    return bare(
        *("--decide", "--htaccess", str(home), "--may-execute", *words),
        "respond::one_block",
    )


@pytest.mark.parametrize("off", ["", "off", "OFF"])
def test_an_application_is_in_the_servers_process_unless_set(bare: Bare, off: str) -> None:
    assert decided(bare, "--env", f"mod_wsgi.process={off}") is None


@pytest.mark.parametrize("name", ["shop", "a b", "AUTOMATIC"])
def test_a_process_is_named(bare: Bare, name: str) -> None:
    told = decided(bare, "--env", f"mod_wsgi.process={name}")
    assert told == f"{name}, user none, owner -1"


def test_a_process_has_a_user(bare: Bare) -> None:
    named = ("--env", "mod_wsgi.process=shop", "--env", "mod_wsgi.user=deploy")
    assert decided(bare, *named) == "shop, user deploy, owner -1"


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("process=" + "x" * 256, "is longer than 255 bytes"),
        ("process=a\nb", "has a control character"),
        ("user=#0", "write the name, not the number"),
        ("user=1000", "write the name, not the number"),
        ("python=3", "is not a version of Python"),
        ("python=3.13x", "is not a version of Python"),
        ("python=../3.13", "is not a version of Python"),
        ("python=3.13tt", "is not a version of Python"),
        ("processes=0", "is not a number from 1 to 64"),
        ("processes=65", "is not a number from 1 to 64"),
        ("threads=65", "is not a number from 1 to 64"),
    ],
)
def test_what_makes_no_sense_is_refused(bare: Bare, setting: str, reason: str) -> None:
    outcome = bare("--env", f"mod_wsgi.{setting}", "respond::one_block")
    assert outcome.status == "500 (error page)"
    assert reason in "".join(outcome.errors)


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.13", "3.13t"])
def test_a_version_of_python_is_understood(bare: Bare, version: str) -> None:
    told = decided(bare, "--env", "mod_wsgi.process=shop", "--env", f"mod_wsgi.python={version}")
    assert told == "shop, user none, owner -1"


# ---- Customers --------------------------------------------------------------


@only_root
@pytest.mark.parametrize(
    ("setting", "process"), [("process=", "auto"), ("process=shop", "shop"), ("gil=own", "auto")]
)
def test_a_customer_has_a_process_of_the_customers_own(
    bare: Bare, home: Path, setting: str, process: str
) -> None:
    outcome = as_customer(bare, home, f"mod_wsgi.{setting}")
    assert f"[info] process {process}, user none, owner {CUSTOMER}" in outcome.log


@only_root
def test_a_customer_may_have_the_main_interpreter_there(bare: Bare, home: Path) -> None:
    outcome = as_customer(bare, home, "mod_wsgi.interpreter=main_interpreter")
    assert f"[info] process auto, user none, owner {CUSTOMER}" in outcome.log


@pytest.mark.parametrize("setting", ["user=deploy", "python=3.13"])
def test_what_only_a_process_can_have_is_refused_without_one(bare: Bare, setting: str) -> None:
    """The application would run as the server's user, or in another Python."""
    name, value = setting.split("=")
    outcome = bare("--decide", "--env", f"mod_wsgi.{setting}", "respond::one_block")
    assert outcome.status == "500 (error page)"
    assert f"mod_wsgi.{name} '{value}' needs mod_wsgi.process" in outcome.errors[0]


@only_root
@pytest.mark.parametrize("setting", ["process=off", "user=root", "user=deploy"])
def test_a_customer_does_not_choose_the_user(bare: Bare, home: Path, setting: str) -> None:
    outcome = as_customer(bare, home, f"mod_wsgi.{setting}")
    assert outcome.status == "403 (error page)"
    assert f"mod_wsgi.{setting.partition('=')[0]}" in outcome.errors[0]
    assert "administrator's" in outcome.errors[0]


@only_root
@pytest.mark.parametrize("setting", ["process=", "process=off", "process=shop"])
def test_without_users_customers_are_in_the_servers_process(
    bare: Bare, home: Path, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    monkeypatch.setenv("MOD_WSGI_USERS", "none")
    outcome = as_customer(bare, home, f"mod_wsgi.{setting}")
    assert "[info] decided" in "".join(outcome.log)
    assert "[info] process" not in "".join(outcome.log)


@only_root
def test_without_users_the_main_interpreter_is_the_administrators(
    bare: Bare, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOD_WSGI_USERS", "none")
    outcome = as_customer(bare, home, "mod_wsgi.interpreter=main_interpreter")
    assert outcome.status == "403 (error page)"
    assert "main_interpreter is the administrator's" in outcome.errors[0]


@only_root
@pytest.mark.parametrize(
    ("setting", "process"), [("process=", None), ("process=off", None), ("process=shop", "shop")]
)
def test_a_file_of_roots_is_as_the_administrators(
    bare: Bare, setting: str, process: str | None
) -> None:
    outcome = as_customer(bare, Path("/"), f"mod_wsgi.{setting}")
    told = [line for line in outcome.log if "[info] process" in line]
    assert told == ([f"[info] process {process}, user none, owner 0"] if process else [])


# ---- In a process of its own ------------------------------------------------


def made(bare_host: Path, *arguments: str) -> list[str]:
    """The interpreters that a run makes, by its log."""
    command = [str(bare_host), "--directory", str(APPS), *arguments, "respond::one_block"]
    told = subprocess.run(command, capture_output=True, check=True, text=True, timeout=60).stderr
    return re.findall("has made the interpreter '([^']*)'", told)


def test_the_first_application_of_a_process_has_the_main_interpreter(bare_host: Path) -> None:
    assert made(bare_host, "--owned-by", "-1") == ["main_interpreter"]
    assert made(bare_host) == [f"localhost:80|{APPS}"]


@pytest.mark.parametrize(
    ("setting", "names"),
    [
        ("interpreter=shop", ["shop"]),
        ("reload=on", [f"localhost:80|{APPS}"]),
        ("interpreters=2", [f"localhost:80|{APPS}"]),
    ],
)
def test_what_the_main_interpreter_cannot_do_has_another(
    bare_host: Path, setting: str, names: list[str]
) -> None:
    assert made(bare_host, "--owned-by", "-1", "--env", f"mod_wsgi.{setting}") == names


def test_a_name_has_no_owner_in_front_in_the_owners_process(bare_host: Path) -> None:
    named = ("--env", "mod_wsgi.interpreter=shop")
    assert made(bare_host, "--owned-by", str(APPS.stat().st_uid), *named) == ["shop"]


def test_where_it_runs_is_not_asked_again_in_a_process(bare: Bare) -> None:
    """The settings that brought it there are among those of the request."""
    named = ("--env", "mod_wsgi.process=off", "--env", "mod_wsgi.user=root")
    outcome = bare("--owned-by", str(CUSTOMER), "--decide", *named, "respond::one_block")
    assert "[info] process" not in "".join(outcome.log)


@only_root
def test_a_customers_process_uses_the_customers_directories_only(bare: Bare, home: Path) -> None:
    (home / "app.py").write_bytes((APPS / "hello.py").read_bytes())
    served = ("--owned-by", str(CUSTOMER), "app::application")
    refused = bare(*served, directory=home.parent)
    assert refused.status == "403 (error page)"
    assert f"this process is the user {CUSTOMER}'s" in refused.errors[0]


@only_root
def test_a_customers_process_imports_what_is_the_customers_only(bare: Bare, home: Path) -> None:
    file = home / "app.py"
    file.write_text(
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [b'hello']\n"
    )
    os.chown(file, OTHER, OTHER)
    served = ("--owned-by", str(CUSTOMER), "app::application")
    assert f"belongs to the user {OTHER}" in "".join(bare(*served, directory=home).errors)
    os.chown(file, CUSTOMER, CUSTOMER)
    assert bare(*served, directory=home).status == "200 OK"
