"""What an application writes to wsgi.errors, sys.stdout and sys.stderr is in the error log."""

import re
import socket

import pytest

from tests.harness.errorlog import until
from tests.harness.site import Site, message, read_reply

CONFIG = """
@{base}
@{applications}
Listen 127.0.0.2:@{port}
<VirtualHost 127.0.0.2:@{port}>
    ServerName second.test
    ErrorLog "@{logs}/second_error.log"
</VirtualHost>
"""


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("by_errors", "by wsgi.errors$"),
        ("without_line_end", "no line end$"),
        ("in_pieces", "in several pieces$"),
        ("in_pieces", "and another$"),
        ("by_writelines", "first of writelines$"),
        ("by_writelines", "second of writelines$"),
        ("percent_signs", r"100%s %n %d of percent signs$"),
        ("by_stdout", "by sys.stdout$"),
        ("by_print", "by print$"),
        pytest.param(
            "by_print_statement", "by a statement$", marks=pytest.mark.pythons("2.*"), id="print"
        ),
        ("by_stderr", "by sys.stderr$"),
        ("by_logging", "by the logging module$"),
        ("by_warnings", "by the warnings module"),
    ],
)
def test_an_applications_words_are_a_line_of_the_error_log(
    site: Site, name: str, line: str
) -> None:
    site.tolerates("")
    assert site.get(f"/logs/{name}").text == "logged"
    assert site.watch.wait_for(line).startswith("[")


def test_a_record_of_logging_has_its_level_and_its_request(site: Site) -> None:
    site.tolerates("by the handler")
    site.get("/logs/by_handler")
    for level, shown in {"info": "info", "warning": "warn", "error": "error"}.items():
        line = site.watch.wait_for(rf"\[/logs/by_handler\] {level} by the handler")
        assert re.search(rf"\[(?:\w+:)?{shown}\] ", line), line
    line = site.watch.wait_for("critical by the handler")
    assert re.search(r"\[(?:\w+:)?crit\] ", line), line
    assert not [each for each in site.watch.lines() if "debug by the handler" in each]


@pytest.mark.parametrize("name", ["by_errors", "by_print", "by_stderr", "by_logging"])
def test_words_go_to_the_log_of_the_virtual_host(site: Site, name: str) -> None:
    """Also from sys.stderr, of which an interpreter has one for all of its virtual hosts."""
    site.tolerates("")
    first, second = site.root / "error.log", site.root / "second_error.log"
    before = first.read_text(errors="replace")
    site.at("127.0.0.2").get(f"/logs/{name}")
    assert until(lambda: "by " in second.read_text(errors="replace"))
    assert "by " not in first.read_text(errors="replace").removeprefix(before)


def test_a_traceback_goes_to_the_log_of_the_virtual_host(site: Site) -> None:
    site.expects_traceback("ValueError: raised at the call")
    site.at("127.0.0.2").get("/failing/at_the_call")
    second = site.root / "second_error.log"
    assert until(lambda: "raised at the call" in second.read_text(errors="replace"))


def test_text_outside_ascii_is_accepted(site: Site) -> None:
    site.tolerates("")
    assert site.get("/logs/outside_ascii").text == "logged"
    assert site.watch.wait_for("or so")


def test_text_that_no_encoding_knows_is_accepted(site: Site) -> None:
    site.tolerates("")
    assert site.get("/logs/lone_surrogate").text == "logged"
    assert site.watch.wait_for("alone")


def test_control_characters_cannot_forge_a_line(site: Site) -> None:
    site.tolerates("")
    site.get("/logs/control_characters")
    line = site.watch.wait_for("escape .* and return .*forged")
    assert "\x1b" not in line
    assert not any(each.startswith("[forged]") for each in site.watch.lines())


@pytest.mark.parametrize(
    ("name", "character", "count"),
    [
        ("plain", "x", 50000),
        ("wide", r"\N{EURO SIGN}|\\xe2\\x82\\xac", 20000),
        ("bad", r"\\{1,2}x01", 20000),
    ],
)
def test_a_very_long_line_is_logged_in_parts(
    site: Site, name: str, character: str, count: int
) -> None:
    """Each as long as the server takes a line to be: nothing is lost, and no character is cut."""
    site.tolerates("")
    before = (site.root / "error.log").stat().st_size
    assert site.get(f"/halves/long_line?{name}").text == "written"

    def logged() -> str:
        return (site.root / "error.log").read_bytes()[before:].decode()

    assert until(lambda: len(re.findall(character, logged())) == count)


def test_the_end_of_a_very_long_line_is_logged(site: Site) -> None:
    site.tolerates("")
    assert site.get("/logs/a_very_long_line").text == "logged"
    assert site.watch.wait_for("x end$")


@pytest.mark.parametrize(
    "name",
    [
        "stdout",
        "stderr",
        "errors",
        pytest.param("binary", marks=pytest.mark.pythons("3.*")),
        pytest.param("by_statement", marks=pytest.mark.pythons("2.*")),
    ],
)
def test_half_a_line_is_in_the_log_of_its_own_virtual_host(site: Site, name: str) -> None:
    """And in no other's: both hosts are in one interpreter, and may be in one thread."""
    site.tolerates("")
    logs = [site.root / "error.log", site.root / "second_error.log"]
    before = [log.stat().st_size for log in logs]

    def logged(number: int) -> list[str]:
        text = logs[number].read_bytes()[before[number] :].decode()
        return [re.sub(r"^(\[[^]]*\] )+", "", line) for line in text.splitlines()]

    for _ in range(5):
        assert site.get(f"/halves/{name}?SECRET").text == "begun"
        assert site.at("127.0.0.2").get("/halves/whole?of-the-second").text == "written"
    assert until(lambda: [line.strip() for line in logged(0)] == ["SECRET"] * 5)
    assert until(lambda: logged(1) == ["whole of-the-second line"] * 15)


@pytest.mark.pythons("2.*")
def test_a_space_that_is_due_is_due_in_the_same_request(site: Site) -> None:
    site.tolerates("")
    for _ in range(5):
        site.get("/halves/by_statement?SECRET")
        site.at("127.0.0.2").get("/halves/whole_by_statement?in-the-second")
    assert site.watch.wait_for(r"\] (mod_wsgi: )?stated in-the-second$")
    assert not [line for line in site.watch.lines() if "  stated" in line]


def test_what_is_no_string_is_refused(site: Site) -> None:
    assert site.get("/logs/wrong_type").text == "TypeError"


def test_an_error_page_shows_nothing_of_what_was_logged(site: Site) -> None:
    """Apache 1.3 would make the first warning of a request a part of the page."""
    site.tolerates("for the log alone")
    with site.connect() as connection:
        cut_short = message("/logs/before_it_reads", "POST", {"Content-Length": "10"}) + b"half"
        connection.sendall(cut_short)
        connection.shutdown(socket.SHUT_WR)
        page = read_reply(connection)
    assert page.status == 400
    assert "for the log alone" not in page.text
    assert site.watch.wait_for("for the log alone")
