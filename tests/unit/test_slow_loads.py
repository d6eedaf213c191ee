"""A load that is told of beside interpreters that run at the same time."""

from pathlib import Path

import pytest

from command.pythons import Python
from tests.unit.conftest import Bare

# The first to import it takes longer than the bound of core/application/loading.c; the other's
# application computes meanwhile.
APPLICATION = """
import os
import time

START = time.time()

def compute():
    while time.time() < START + 13:
        pass

def application(environ, start_response):
    compute()
    start_response("200 OK", [])
    return [b"computed"]

try:
    os.mkdir(@MARK@)
except OSError:
    pass
else:
    time.sleep(11.5)
"""


@pytest.mark.slow
def test_where_a_load_is_harms_no_interpreter_with_a_lock_of_its_own(
    bare: Bare, python: Python, tmp_path: Path
) -> None:
    major, minor = python.version.split(".")[:2]
    if (int(major), int(minor)) < (3, 12):
        pytest.skip("interpreters of this Python share a lock")
    source = APPLICATION.replace("@MARK@", repr(str(tmp_path / "mark")))
    (tmp_path / "slow_one.py").write_text(source)
    own = ("--env", "mod_wsgi.gil=own", "--env", "mod_wsgi.interpreters=2")
    outcome = bare(*own, "--threads", "2", "slow_one::application", directory=tmp_path)
    assert outcome.status == "200 OK"
    told = "\n".join(outcome.errors)
    assert told.count("is still being loaded after 10 s") == 1
    assert "time.sleep(11.5)" in told
