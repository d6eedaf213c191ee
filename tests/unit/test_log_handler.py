"""What the module logging writes to wsgi.errors, and by mod_wsgi_log.Handler."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.conftest import Bare

APPLICATION = """
# -*- coding: utf-8 -*-
import logging
import logging.config
import threading

WORDS = u"caf\\u00e9 \\u20ac"
LEVELS = ("debug", "info", "warning", "error", "critical")

def answer(start_response):
    start_response("200 OK", [])
    return [b"logged"]

def made(handler):
    logger = logging.Logger("made")
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    logger.addHandler(handler)
    return logger

def say_all(logger):
    for level in LEVELS:
        getattr(logger, level)("%s at %s", WORDS, level)
    try:
        {}["key"]
    except KeyError:
        logger.exception("failed")

def by_stream(environ, start_response):
    say_all(made(logging.StreamHandler(environ["wsgi.errors"])))
    return answer(start_response)

def by_handler(environ, start_response):
    from mod_wsgi_log import Handler
    say_all(made(Handler()))
    return answer(start_response)

def in_a_thread(environ, start_response):
    import mod_wsgi_log
    logger = made(mod_wsgi_log.Handler())
    thread = threading.Thread(target=logger.warning, args=("of no request",))
    thread.start()
    thread.join()
    return answer(start_response)

def configured(environ, start_response):
    logging.config.dictConfig({
        "version": 1,
        "handlers": {"apache": {"class": "mod_wsgi_log.Handler", "level": "INFO"}},
        "root": {"handlers": ["apache"], "level": "DEBUG"},
    })
    logging.getLogger("shop").debug("hidden")
    logging.getLogger("shop").info("shown")
    logging.log(35, "between")
    return answer(start_response)

def wrong(environ, start_response):
    import mod_wsgi_log
    write = mod_wsgi_log.Handler.emit.__globals__["write"]
    for arguments in ((), ("x", "y"), (10, 11)):
        try:
            write(*arguments)
        except TypeError:
            pass
        else:
            raise ValueError(arguments)
    assert not hasattr(mod_wsgi_log, "Other")
    return answer(start_response)
"""

LEVELS = ("debug", "info", "warning", "error", "critical")

# Requests an application of that name. Returns the lines of the log.
Logged = Callable[[str], list[str]]


@pytest.fixture
def logged(bare: Bare, tmp_path: Path) -> Logged:
    (tmp_path / "journal.py").write_text(APPLICATION)

    def run(name: str) -> list[str]:
        outcome = bare(f"journal::{name}", "/shop/cart", directory=tmp_path)
        assert (outcome.status, outcome.body) == ("200 OK", b"logged"), outcome
        return list(outcome.log)

    return run


def test_a_stream_handler_keeps_its_text(logged: Logged) -> None:
    lines = logged("by_stream")
    said = [f"[error] {level.upper()}: caf\u00e9 \u20ac at {level}" for level in LEVELS]
    assert lines[:5] == said
    assert lines[5:7] == ["[error] ERROR: failed", "[error] Traceback (most recent call last):"]
    assert lines[-1] == "[error] KeyError: 'key'"


def test_the_handler_passes_on_level_and_request(logged: Logged) -> None:
    lines = logged("by_handler")
    said = [
        f"[{level}] [/shop/cart] {level.upper()}: caf\u00e9 \u20ac at {level}" for level in LEVELS
    ]
    assert lines[:5] == said
    assert lines[5:7] == [
        "[error] [/shop/cart] ERROR: failed",
        "[error] Traceback (most recent call last):",
    ]
    assert lines[-1] == "[error] KeyError: 'key'"


def test_a_thread_logs_without_a_request(logged: Logged) -> None:
    assert logged("in_a_thread") == ["[warning] WARNING: of no request"]


def test_the_handler_is_configured_by_its_name(logged: Logged) -> None:
    assert logged("configured") == ["[info] [/shop/cart] shown", "[warning] [/shop/cart] between"]


def test_what_is_no_record_is_refused(logged: Logged) -> None:
    assert logged("wrong") == []
