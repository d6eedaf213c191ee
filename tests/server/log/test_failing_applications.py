"""An application that raises: the client is told, the log tells why, the process lives on."""

import pytest

from tests.harness.site import Site, message


@pytest.mark.parametrize(
    ("name", "last_line"),
    [
        ("at_the_call", "ValueError: raised at the call"),
        ("before_the_first_block", "ValueError: raised before the first block"),
        ("in_the_generator", "ValueError: raised in the generator"),
        ("leaves", "SystemExit: an application said exit"),
        ("interrupts", "KeyboardInterrupt: an application said interrupt"),
        ("recursive", "(RecursionError|RuntimeError): maximum recursion depth exceeded"),
    ],
)
def test_an_error_before_the_head_is_a_500_and_a_traceback(
    site: Site, name: str, last_line: str
) -> None:
    site.expects_traceback(last_line)
    assert site.get(f"/failing/{name}").status_code == 500


def test_the_500_page_shows_nothing_of_the_application(site: Site) -> None:
    site.expects_traceback("ValueError: raised at the call")
    page = site.get("/failing/at_the_call").text
    assert "raised at the call" not in page
    assert "Traceback" not in page


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_an_error_after_the_first_block_breaks_the_answer_visibly(
    site: Site, version: str
) -> None:
    """A client of HTTP/1.1 misses the last chunk; one of 1.0 has only the closed connection."""
    site.expects_traceback("ValueError: raised after the first block")
    answer = site.raw(message("/failing/after_the_first_block", version=version))
    assert b"the first block" in answer
    assert not answer.endswith(b"0\r\n\r\n")


def test_an_error_short_of_the_promised_length_closes_the_connection(site: Site) -> None:
    site.expects_traceback("ValueError: raised short of the promise")
    site.tolerates("Content-Length")
    stay = {"Connection": "keep-alive"}
    name = "after_the_first_block_of_a_promised_length"
    answer = site.raw(message(f"/failing/{name}", headers=stay))
    assert answer.endswith(b"the first block")


def test_a_traceback_is_logged_line_by_line(site: Site) -> None:
    """A line of the log each, with the server's own prefix, so that none can be mistaken."""
    site.expects_traceback("of two lines")
    site.get("/failing/deep")
    site.watch.wait_for(r"\] of two lines$")
    for wanted in (
        r"Traceback \(most recent call last\):",
        r'File ".*failing\.py", line \d+, in deep',
        r'raise ValueError\("an outer error',
        r"ValueError: an outer error",
    ):
        assert site.watch.wait_for(wanted).startswith("["), wanted


def test_an_error_with_any_text_is_logged(site: Site) -> None:
    site.expects_traceback("ValueError: ")
    assert site.get("/failing/outside_ascii").status_code == 500
    assert "\x1b" not in "".join(site.watch.lines())


def test_the_process_lives_on_after_errors(site: Site) -> None:
    site.expects_traceback("SystemExit")
    before = set(site.children())
    for _ in range(5):
        site.get("/failing/leaves")
    site.tolerates("SystemExit|Traceback|File ")
    assert site.get("/hello/named").text == "hello from named"
    assert before <= set(site.children())
