"""The log's streams on the bare host, and what an application's own code can do to our objects."""

import re

import pytest

from tests.unit.conftest import Bare

NO_TEXTS = ["numbers", "none", "nothing", "text"]
NAMES = ["plain", "wide", "bad", "backslashes"]
SHOWN = {
    "plain": ("x", 50000),
    "wide": ("\N{EURO SIGN}", 20000),
    "bad": (r"\x01", 20000),
    "backslashes": ("\\", 30000),
}


def said(bare: Bare, *arguments: str) -> list[str]:
    """What the application's streams have written, line by line."""
    outcome = bare(*arguments)
    assert (outcome.code, outcome.status) == (0, "200 OK")
    return [line.removeprefix("[error] ") for line in outcome.log]


@pytest.mark.parametrize("threads", ["1", "4"])
@pytest.mark.parametrize("name", ["stdout", "stderr", "binary", "errors"])
def test_an_unfinished_line_ends_with_its_request(bare: Bare, name: str, threads: str) -> None:
    """Also where the stream lives on."""
    requests = ("--requests", "5", "--threads", threads, "--env", "QUERY_STRING=half a line")
    assert said(bare, *requests, f"halves::{name}") == ["half a line"] * 5 * int(threads)


def test_threads_of_a_request_have_lines_of_their_own(bare: Bare) -> None:
    assert sorted(said(bare, "halves::of_threads")) == ["ABCDEFGH"] * 2 + ["abcdefgh"] * 2


def test_an_unfinished_line_ends_with_its_thread(bare: Bare) -> None:
    lines = said(bare, "halves::of_a_thread_that_ends")
    assert sorted(lines) == ["of the first thread", "of the second"]  # join() does not wait for it


def test_a_line_that_never_ends_is_written_in_parts(bare: Bare) -> None:
    """As soon as there is enough for one. Nothing of it is lost."""
    lines = said(bare, "halves::without_end")
    place = lines.index("all was written")
    assert len("".join(lines[place + 1 :])) <= 7168
    assert "".join(lines).count("y") == 100 * 99000


@pytest.mark.parametrize("name", NAMES)
def test_a_line_longer_than_the_logs_is_several(bare: Bare, name: str) -> None:
    """Nothing of it is lost, and no character is cut."""
    lines = said(bare, "--env", f"QUERY_STRING={name}", "halves::long_line")
    text, count = SHOWN[name]
    assert len(lines) > 1
    assert all(re.fullmatch(f"({re.escape(text)})+", line) for line in lines)
    assert "".join(lines) == text * count


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("writes_lines", "RuntimeError"),
        ("reads", "RuntimeError"),
        ("reads_into", "(RuntimeError|TypeError)"),
        ("writes_bytes", "(RuntimeError|TypeError)"),
        ("starts_with_status", "ValueError"),
        ("starts_with_value", "ValueError"),
        ("starts_with_name", "ValueError"),
        ("starts_with_length", "ValueError"),
        ("starts_with_wide_text", "(ValueError|TypeError)"),
        ("starts_with_exception", "Slow"),
        ("writes_what_cannot_be_shown", "(RuntimeError|returned)"),
    ],
)
def test_an_applications_code_does_not_hold_up_the_end_of_its_request(
    bare: Bare, name: str, told: str
) -> None:
    """What a method of ours calls runs outside of the use of the request."""
    outcome = bare("--requests", "2", f"foreign::{name}")
    assert re.fullmatch(told, outcome.body.decode()), outcome


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        *((kind, ["ValueError (the module traceback had no text for it)"]) for kind in NO_TEXTS),
        ("mixed", ["good", "also good"]),
    ],
)
def test_a_replaced_format_exception_is_not_trusted(
    bare: Bare, kind: str, shown: list[str]
) -> None:
    outcome = bare("--env", f"QUERY_STRING={kind}", "foreign::replaced_traceback")
    assert outcome.status == "500 (error page)"
    lines = [
        re.sub(r"^\[error\] (mod_wsgi: MW0420: )?(exceptions\.)?", "", line)
        for line in outcome.errors
    ]
    assert lines[1:] == shown
