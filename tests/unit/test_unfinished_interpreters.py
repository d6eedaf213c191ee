"""An interpreter that can't be prepared at first: the next attempt goes on from there."""

from pathlib import Path

import pytest

from command.pythons import Python
from tests.unit.conftest import Bare

ATTEMPTS = 3

# The core imports threading when it prepares an interpreter. Later it replaces functions of
# faulthandler, which this one does not let it do at first.
THREADING = """
import sys

class Faulthandler(object):
    attempts = 0

    def __getattr__(self, name):
        return lambda *args, **keywords: None

    def __setattr__(self, name, value):
        Faulthandler.attempts += 1
        if Faulthandler.attempts <= {attempts}:
            raise RuntimeError("not at the attempt %d" % Faulthandler.attempts)

sys.modules["faulthandler"] = Faulthandler()
with open({original!r}) as source:
    exec(compile(source.read(), {original!r}, "exec"))
"""

# Each replacement of a function of Python's has that one as its __self__.
APPLICATION = """
import _thread
import json

def application(environ, start_response):
    function, wrappers = _thread.start_new_thread, 0
    while isinstance(function.__self__, type(function)):
        function, wrappers = function.__self__, wrappers + 1
    start_response("200 OK", [])
    return [json.dumps(wrappers).encode()]
"""


def make_home(python: Python, home: Path) -> None:
    """A prefix with the standard library, but for one module."""
    copy = home / "lib" / python.stdlib.name
    copy.mkdir(parents=True)
    for entry in python.stdlib.iterdir():
        (copy / entry.name).symlink_to(entry)
    (copy / "threading.py").unlink()
    original = str(python.stdlib / "threading.py")
    (copy / "threading.py").write_text(THREADING.format(attempts=ATTEMPTS, original=original))


def test_what_was_replaced_is_not_replaced_again(
    bare: Bare, python: Python, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if python.version.startswith("2"):
        pytest.skip("faulthandler came with Python 3.3")
    home, site = tmp_path / "home", tmp_path / "site"
    make_home(python, home)
    site.mkdir()
    (site / "counting.py").write_text(APPLICATION)
    monkeypatch.setenv("MOD_WSGI_PYTHON_HOME", str(home))
    in_main = ("--env", "mod_wsgi.interpreter=main_interpreter")
    outcome = bare(
        *in_main, "--requests", str(ATTEMPTS + 1), "counting::application", directory=site
    )
    failed = [line for line in outcome.errors if "can't be prepared" in line]
    assert len(failed) == ATTEMPTS, outcome.log
    assert outcome.json() == 1
