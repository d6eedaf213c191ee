"""In a virtual environment everything is as its own python has it.

`tests/apps/facts.py` is asked twice: as an application in the environment, and as a program that
the environment's own command runs.
"""

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from command.pythons import Python
from tests.harness import venvs
from tests.harness.config import APPS
from tests.unit.conftest import Bare

Make = Callable[[Python, Path], None]


def system_site(python: Python, target: Path) -> None:
    venvs.create_empty(python, target, "--system-site-packages")


def old_system_site(python: Python, target: Path) -> None:
    venvs.create_old(python, target, "--system-site-packages")


def of_uv(python: Python, target: Path) -> None:
    """What uv writes: the same environment, other words in pyvenv.cfg."""
    venvs.create_empty(python, target)
    config = target / "pyvenv.cfg"
    home = re.search(r"(?m)^home = .*$", config.read_text())
    assert home is not None
    config.write_text(
        f"{home[0]}\nimplementation = CPython\nuv = 0.5.11\nversion_info = {python.release}\n"
        "include-system-site-packages = false\nprompt = env\n"
    )


KINDS: dict[str, Make] = {
    "plain": venvs.create_empty,
    "system-site": system_site,
    "uv": of_uv,
    "virtualenv-16": venvs.create_old,
    "virtualenv-16-system-site": old_system_site,
}

# easy-install.pth of setuptools: what it names goes before everything else.
IN_FRONT = (
    "import sys; sys.__plen = len(sys.path)\n./egg\n"
    "import sys; new=sys.path[sys.__plen:]; del sys.path[sys.__plen:];"
    " p=getattr(sys,'__egginsert',0); sys.path[p:p]=new; sys.__egginsert = p+len(new)\n"
)


def furnish(python: Python, env: Path) -> None:
    """Gives an environment what site.py runs, and looks for in an order of its own."""
    packages = env / "lib" / f"python{python.version}{python.abi}" / "site-packages"
    (packages / "egg").mkdir()
    (packages / "by_pth_alone.py").write_text("")
    (packages / "a.pth").write_text("import by_pth_alone\n../../../more\n")
    (packages / "easy-install.pth").write_text(IN_FRONT)
    (packages / "sitecustomize.py").write_text("")
    (env / "more").mkdir()


def make(python: Python, kind: str, folder: Path) -> Path:
    if kind.startswith("virtualenv-16") and python.version not in venvs.OLD_VIRTUALENV_KNOWS:
        pytest.skip("virtualenv 16 makes no environments of this Python")
    if kind == "uv" and python.version == "2.7":
        pytest.skip("uv makes no environments of Python 2")
    env = folder / "env"
    KINDS[kind](python, env)
    furnish(python, env)
    return env


@pytest.fixture(scope="module", params=KINDS)
def env(
    request: pytest.FixtureRequest, python: Python, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return make(python, request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def plain(python: Python, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(python, "plain", tmp_path_factory.mktemp("plain"))


def told_by(env: Path) -> Any:
    """What the environment's own python says of itself."""
    command = [env / "bin" / "python", APPS / "facts.py"]
    return json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)


def using(env: Path) -> tuple[str, str]:
    return ("--env", f"mod_wsgi.virtualenv={env}")


def test_an_application_finds_what_the_environments_python_finds(bare: Bare, env: Path) -> None:
    assert bare(*using(env), "facts").json() == told_by(env)


def test_a_child_that_the_application_starts_is_of_the_same_environment(
    bare: Bare, env: Path
) -> None:
    assert bare(*using(env), "facts::of_a_child").json() == told_by(env)


@pytest.mark.parametrize("interpreter", ["main_interpreter", "named"])
def test_every_interpreter_can_be_of_an_environment(
    bare: Bare, plain: Path, interpreter: str
) -> None:
    named = ("--env", f"mod_wsgi.interpreter={interpreter}")
    assert bare(*using(plain), *named, "facts").json() == told_by(plain)


@pytest.mark.parametrize("interpreter", ["main_interpreter", "named"])
def test_a_home_that_is_an_environment_is_the_whole_processs(
    bare: Bare, env: Path, interpreter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = told_by(env)
    monkeypatch.setenv("MOD_WSGI_PYTHON_HOME", str(env))
    assert bare("--env", f"mod_wsgi.interpreter={interpreter}", "facts").json() == expected


def test_the_settings_environment_comes_before_that_of_the_process(
    bare: Bare, plain: Path, python: Python, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = told_by(plain)
    venvs.create_empty(python, tmp_path / "other")
    monkeypatch.setenv("MOD_WSGI_PYTHON_HOME", str(tmp_path / "other"))
    assert bare(*using(plain), "facts").json() == expected


def test_without_an_environment_it_is_the_system_s_own_python(bare: Bare, python: Python) -> None:
    told = bare("facts").json()
    assert told["flags"]["no_site"] == 0
    assert told["flags"]["no_user_site"] == 1
    assert told["user site"] is False
    assert told["executable"] == str(python.executable)
    assert Path(told["prefix"]) == python.stdlib.parent.parent
    assert "-s" in told["options for children"]
    assert "-S" not in told["options for children"]


@pytest.mark.parametrize("spelt", ["{}/", "{}/../env", "{}/./", "{}//"])
def test_an_environments_path_is_made_plain(bare: Bare, plain: Path, spelt: str) -> None:
    told = bare("--env", f"mod_wsgi.virtualenv={spelt.format(plain)}", "facts").json()
    assert told == told_by(plain)


def test_a_link_to_an_environment_is_its_name(bare: Bare, plain: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(plain)
    told = bare(*using(tmp_path / "linked"), "facts").json()
    assert told["prefix"] == str(tmp_path / "linked")
    assert told == told_by(tmp_path / "linked")


# ---- what is refused, and what is said


def test_a_python_of_its_own_is_no_environment(bare: Bare, python: Python, tmp_path: Path) -> None:
    """Conda's are: a library and no pyvenv.cfg."""
    library = tmp_path / "conda" / "lib" / f"python{python.version}{python.abi}"
    (library / "site-packages").mkdir(parents=True)
    (library / "os.py").write_text("")
    outcome = bare(*using(tmp_path / "conda"), "facts")
    assert outcome.status == "500 (error page)"
    assert "is not a virtual environment but a Python of its own" in "".join(outcome.errors)


def test_packages_alone_are_no_environment(bare: Bare, python: Python, tmp_path: Path) -> None:
    name = f"python{python.version}{python.abi}"
    (tmp_path / "some" / "lib" / name / "site-packages").mkdir(parents=True)
    outcome = bare(*using(tmp_path / "some"), "facts")
    assert outcome.status == "500 (error page)"
    assert f'(it has no pyvenv.cfg): make one with "{name} -m venv"' in "".join(outcome.errors)


@pytest.mark.parametrize("key", ["version = 3.2.1", "version_info = 3.2.1.final.0"])
def test_an_environment_of_another_version_is_refused_by_its_word(
    bare: Bare, python: Python, tmp_path: Path, key: str
) -> None:
    """Its site-packages may be a link that fits."""
    name = f"python{python.version}{python.abi}"
    (tmp_path / "env" / "lib" / name / "site-packages").mkdir(parents=True)
    (tmp_path / "env" / "pyvenv.cfg").write_text(f"home = /usr/bin\n{key}\n")
    outcome = bare(*using(tmp_path / "env"), "facts")
    assert "was made for Python 3.2.1" in "".join(outcome.errors)
    assert f"this server runs {name}" in "".join(outcome.errors)


def test_a_home_that_is_an_environment_of_another_version_is_said(
    bare: Bare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "env" / "lib" / "python3.2" / "site-packages").mkdir(parents=True)
    (tmp_path / "env" / "pyvenv.cfg").write_text("home = /usr/bin\n")
    monkeypatch.setenv("MOD_WSGI_PYTHON_HOME", str(tmp_path / "env"))
    outcome = bare("facts")
    assert outcome.status == "500 (error page)"
    assert re.search("MOD_WSGI_PYTHON_HOME '.*env' was made for python3.2", outcome.errors[0])


def test_an_environment_of_another_installation_is_said(
    bare: Bare, plain: Path, python: Python, tmp_path: Path
) -> None:
    env = tmp_path / "moved"
    venvs.create_empty(python, env)
    config = env / "pyvenv.cfg"
    config.write_text(re.sub("(?m)^home = .*$", "home = /opt/elsewhere/bin", config.read_text()))
    outcome = bare(*using(env), "states::path")
    assert outcome.status == "200 OK"
    said = "".join(outcome.log)
    assert "was made with the Python in '/opt/elsewhere/bin'" in said
    assert "made with" not in "".join(bare(*using(plain), "states::path").log)


def test_an_environment_without_its_command_is_said(
    bare: Bare, python: Python, tmp_path: Path
) -> None:
    env = tmp_path / "env"
    venvs.create_empty(python, env)
    (env / "bin" / "python").unlink()
    outcome = bare(*using(env), "states::path")
    assert outcome.status == "200 OK"
    assert "has no bin/python, which is sys.executable" in "".join(outcome.log)


def test_a_pipe_for_a_configuration_holds_up_nobody(
    bare: Bare, python: Python, tmp_path: Path
) -> None:
    """All who want an interpreter made would wait with the customer who has put it there."""
    name = f"python{python.version}{python.abi}"
    (tmp_path / "env" / "lib" / name / "site-packages").mkdir(parents=True)
    os.mkfifo(tmp_path / "env" / "pyvenv.cfg")
    assert bare(*using(tmp_path / "env"), "states::path").code == 0


def test_a_start_that_leaves_ends_no_process(bare: Bare, python: Python, tmp_path: Path) -> None:
    env = tmp_path / "env"
    venvs.create_empty(python, env)
    packages = env / "lib" / f"python{python.version}{python.abi}" / "site-packages"
    (packages / "leaves.pth").write_text("import sys; sys.exit(3)\n")
    outcome = bare(*using(env), "--requests", "3", "facts")
    assert outcome.status == "500 (error page)"
    assert sum("can't be made, because site raised" in line for line in outcome.log) == 3


# ---- what site starts

# What a .pth file of an environment finds.
NOTED = """
import os, subprocess, sys, threading

def output(command, **options):
    pipe = subprocess.Popen(command, stdout=subprocess.PIPE, **options)
    return pipe.communicate()[0].decode("ascii").split()[-1]

def look():
    with open("/proc/thread-self/status") as status:
        NOTED["thread"] = [line for line in status if line.startswith("SigBlk")][0].split()[-1]

NOTED = {
    "environ": os.environ["TESTS_NAME"],
    "shell": output("echo $TESTS_NAME", shell=True),
    "program": output(["grep", "SigBlk", "/proc/self/status"]),
}
thread = threading.Thread(target=look)
thread.start()
thread.join()
sys.stderr.write("site wrote this, ")
print("and that")
"""

TELLS = """
import json, sys

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(sys.modules["noted"].NOTED).encode("ascii")]
"""

WithSite = Callable[..., tuple[str, ...]]


@pytest.fixture(params=["mod_wsgi.virtualenv", "MOD_WSGI_PYTHON_HOME"])
def with_site(
    request: pytest.FixtureRequest,
    python: Python,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> WithSite:
    """Makes an environment whose site runs a line, and chooses it in one of the ways."""

    def create(line: str, **modules: str) -> tuple[str, ...]:
        env = tmp_path / "env"
        venvs.create_empty(python, env)
        packages = env / "lib" / f"python{python.version}{python.abi}" / "site-packages"
        (packages / "tests.pth").write_text(line + "\n")
        for name, source in modules.items():
            (packages / f"{name}.py").write_text(source)
        if request.param == "mod_wsgi.virtualenv":
            return using(env)
        monkeypatch.setenv(request.param, str(env))
        return ()

    return create


@pytest.mark.parametrize("interpreter", ["main_interpreter", "named"])
def test_what_site_starts_is_an_applications(
    bare: Bare, with_site: WithSite, tmp_path: Path, interpreter: str
) -> None:
    """Its os.environ, its programs, its threads and its log."""
    (tmp_path / "tells.py").write_text(TELLS)
    outcome = bare(
        *with_site("import noted", noted=NOTED),
        *("--env", f"mod_wsgi.interpreter={interpreter}"),
        *("--env", "mod_wsgi.environ.TESTS_NAME=value"),
        "tells",
        directory=tmp_path,
    )
    told = outcome.json()
    assert (told["environ"], told["shell"]) == ("value", "value")
    assert told["program"] == "0000000000000000"
    assert int(told["thread"], 16) & 1 << signal.SIGTERM - 1
    assert [line for line in outcome.log if "that" in line] == ["[error] and that"]
    assert [line for line in outcome.log if "this" in line] == ["[error] site wrote this, "]


@pytest.mark.parametrize("line", ["os.fork()", "os.fork() or sys.exit(3)", "os.fork() or 1 / 0"])
def test_a_copy_that_site_has_forked_ends_with_site(
    bare: Bare, with_site: WithSite, line: str
) -> None:
    """Else it waits for ever or answers the request, and holds standard output open."""
    main = ("--env", "mod_wsgi.interpreter=main_interpreter")
    outcome = bare(*with_site(f"import os, sys; {line}"), *main, "states::path")
    assert outcome.status == "200 OK"
    assert outcome.body.count(b"Status") == 0
