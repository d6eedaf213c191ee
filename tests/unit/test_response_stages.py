"""A response goes through its stages as the table in core/wsgi/wsgi.h says.

The bare host is a debug build: it aborts where a stage follows another one that it may not follow.
"""

from pathlib import Path

import pytest

from command.pythons import Python
from tests.unit.conftest import Bare, build_bare, make_bare


@pytest.fixture
def asserting(python: Python, tmp_path: Path) -> Bare:
    return make_bare(build_bare(python, "debug"), tmp_path)


@pytest.mark.parametrize(
    ("name", "status", "body"),
    [
        ("stored_then_complete", "200 OK", b"whole"),
        ("refused_then_stored", "201 Created", b"whole"),
        ("stored_then_replaced", "201 Created", b"whole"),
        ("begun_then_complete", "200 OK", b"one two "),
    ],
)
def test_a_response_with_an_accepted_head_is_sent(
    asserting: Bare, name: str, status: str, body: bytes
) -> None:
    outcome = asserting(f"stages::{name}")
    assert (outcome.status, outcome.body, outcome.errors) == (status, body, [])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("never_started", "the application did not call start_response()"),
        ("stored_then_refused", "start_response() failed, and was not called again"),
    ],
)
def test_a_body_without_a_head_is_an_error_page(asserting: Bare, name: str, reason: str) -> None:
    outcome = asserting(f"stages::{name}")
    assert outcome.status == "500 (error page)"
    assert reason in "".join(outcome.errors)


@pytest.mark.parametrize("name", ["raised_at_once", "refused_then_raised", "stored_then_raised"])
def test_what_follows_an_exception_does_not_reach_the_client(asserting: Bare, name: str) -> None:
    """A destructor calls start_response() with exc_info, and write(): neither raises."""
    outcome = asserting("--count-calls", f"stages::{name}")
    assert outcome.status == "500 (error page)"
    assert "its head is accepted." in "".join(outcome.log)
    assert "send_body 0" in "".join(outcome.log)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (
            "raised_then_started_again",
            "start_response() was called a second time without exc_info",
        ),
        (
            "raised_then_written_without_head",
            "start_response() failed, and was not called again",
        ),
    ],
)
def test_misuse_raises_after_the_application_has_failed(
    asserting: Bare, name: str, reason: str
) -> None:
    outcome = asserting("--count-calls", f"stages::{name}")
    assert outcome.status == "500 (error page)"
    assert f"its end raised: {reason}." in "".join(outcome.log)
    assert "send_body 0" in "".join(outcome.log)


def test_a_head_that_was_sent_stays_when_the_response_is_broken_off(asserting: Bare) -> None:
    outcome = asserting("stages::begun_then_raised")
    assert (outcome.status, outcome.body) == ("200 OK", b"one \n(broken off)\n")
    assert "its head comes too late." in "".join(outcome.log)


def test_write_raises_when_the_client_is_gone(asserting: Bare) -> None:
    outcome = asserting("--close-after", "5000", "stages::begun_then_broken")
    assert "write() raised: the client went away." in "".join(outcome.log)


def test_a_head_is_not_sent_when_another_thread_has_spoilt_it(asserting: Bare) -> None:
    slowly = ("--count-calls", "--read-time", "300000")
    outcome = asserting(*slowly, "stages::refused_while_it_waits", body=b"x")
    reason = "start_response() failed, and was not called again"
    assert f"write() raised: {reason}." in "".join(outcome.log)
    assert outcome.status == "500 (error page)"
    assert reason in "".join(outcome.errors)
    assert "went away" not in "".join(outcome.log)
    assert "send_body 0" in "".join(outcome.log)
