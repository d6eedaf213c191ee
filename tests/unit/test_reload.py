"""mod_wsgi.reload on the bare host: several threads, and a file that is edited all the time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from command.pythons import Python
from tests.harness.limits import NO_OWN_LOCK
from tests.unit.conftest import Bare

MODULE = """
import time

time.sleep(0.3)


def application(environ, start_response):
    sum(range(20000))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"edit {0}"]
"""

LOADED_ANEW = "the application has changed and was loaded anew"


def write(path: Path, text: str) -> None:
    """Appears at once, as an editor's or a deployment's rename makes it."""
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    part.rename(path)


@contextmanager
def edited_all_the_time(path: Path, text: str) -> Iterator[None]:
    """A module whose file changes four times a second."""
    ended = threading.Event()
    write(path, text.format(0))

    def edit() -> None:
        number = 0
        while not ended.wait(0.25):
            number += 1
            write(path, text.format(number))

    editor = threading.Thread(target=edit)
    editor.start()
    try:
        yield
    finally:
        ended.set()
        editor.join()


LINGERING = """
import os
import threading
import time


def work():
    while not os.path.exists({go!r}):
        time.sleep(0.05)


thread = threading.Thread(target=work)
thread.daemon = True
thread.start()


def application(environ, start_response):
    time.sleep(0.02)
    with open({count!r}, "ab") as count:
        count.write(b".")
        if count.tell() == 200:
            open({go!r}, "w").close()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"edit {{0}}"]
"""

TOO_MANY = "is not loaded again until another interpreter has ended"


def test_interpreters_that_were_replaced_count_until_they_have_ended(
    bare: Bare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread of the application keeps each in memory until there were two hundred requests."""
    monkeypatch.setenv("MOD_WSGI_MAX_INTERPRETERS", "2")
    text = LINGERING.format(go=str(tmp_path / "go"), count=str(tmp_path / "count"))
    with edited_all_the_time(tmp_path / "edited.py", text):
        outcome = bare(
            *("--env", "mod_wsgi.reload=on", "--requests", "350"),
            "edited::application",
            directory=tmp_path,
        )
    told = [word for line in outcome.log for word in (LOADED_ANEW, TOO_MANY) if word in line]
    assert (outcome.code, told[:3]) == (0, [LOADED_ANEW, TOO_MANY, LOADED_ANEW])


@pytest.mark.parametrize(
    "settings",
    [(), ("mod_wsgi.interpreters=3",), ("mod_wsgi.gil=own",)],
    ids=["one", "pool", "own-lock"],
)
def test_edits_under_load_end_no_process(
    bare: Bare, python: Python, tmp_path: Path, settings: tuple[str, ...]
) -> None:
    """A request may wait for Python's lock in an interpreter that another one replaces."""
    if "mod_wsgi.gil=own" in settings and tuple(map(int, python.version.split("."))) < (3, 12):
        pytest.skip(NO_OWN_LOCK)
    arguments = ["--threads", "6", "--requests", "700"]
    for setting in ("mod_wsgi.reload=on", *settings):
        arguments += ["--env", setting]
    with edited_all_the_time(tmp_path / "edited.py", MODULE):
        outcome = bare(*arguments, "edited::application", directory=tmp_path)
    assert (outcome.code, outcome.errors) == (0, [])
    assert any(LOADED_ANEW in line for line in outcome.log)
