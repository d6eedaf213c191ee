"""The core on the bare host: what a network does to a request, without a network."""

import hashlib
import os
import re
import subprocess
from pathlib import Path

import pytest

from command.pythons import Python
from tests.apps.numbered import piece
from tests.harness.config import APPS
from tests.unit.conftest import Bare

MANY_LINES = b"123456789\n" * 1_000_000
LINES = b"first\nsecond line\n\nlast without end"


def test_a_response_has_status_headers_and_body(bare: Bare) -> None:
    outcome = bare("respond::repeated_headers", "/")
    assert (outcome.code, outcome.status, outcome.body) == (0, "200 OK", b"cookies")
    assert outcome.all("Set-Cookie") == ["a=1; Path=/", "b=2; Path=/", "c=3, with a comma"]


def test_what_was_decided_is_run_by_a_call_of_its_own(bare: Bare) -> None:
    named = ("--env", "mod_wsgi.interpreter=shop", "--location", "/shop")
    outcome = bare("--decide", *named, "environs::mount", "/shop/basket/1")
    environ = outcome.json()
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/shop", "/basket/1")
    assert (
        "[info] decided: application environs::mount, interpreter shop, SCRIPT_NAME '/shop', "
        "PATH_INFO '/basket/1'" in outcome.log
    )


def test_what_this_python_cannot_do_is_found_where_it_is_run(bare: Bare) -> None:
    contradicts = ("mod_wsgi.interpreter=main_interpreter", "mod_wsgi.interpreters=2")
    settings = [word for setting in contradicts for word in ("--env", setting)]
    outcome = bare("--decide", *settings, "respond::repeated_headers")
    assert "decided: application respond::repeated_headers" in "".join(outcome.log)
    assert outcome.status == "500 (error page)"
    assert "is not possible for main_interpreter" in "".join(outcome.errors)


def test_a_request_that_is_refused_is_not_run(bare: Bare) -> None:
    outcome = bare("--decide", "--htaccess", "/", "respond::repeated_headers")
    assert "[info] refused with 403" in outcome.log
    assert outcome.status == "403 (error page)"


def test_a_file_that_is_gone_is_named_in_the_log(bare: Bare, tmp_path: Path) -> None:
    """The server has seen the file a moment ago; by now it may be deleted."""
    outcome = bare("--filename", f"{tmp_path}/gone.wsgi", "--is-file", "--uri", "/gone.wsgi")
    assert outcome.status == "500 (error page)"
    assert "gone.wsgi" in "".join(outcome.errors)


@pytest.mark.parametrize("chunk", ["1", "2", "3", "7", "1000"])
@pytest.mark.parametrize("form", [(), ("--chunked",)], ids=["length", "chunked"])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lines", ["first\n", "second line\n", "\n", "last without end"]),
        ("iterated", ["first\n", "second line\n", "\n", "last without end"]),
        ("all_lines", ["first\n", "second line\n", "\n", "last without end"]),
        ("mixed", ["first\n", "sec", "ond line\n\nlast without end"]),
    ],
)
def test_lines_survive_short_reads(
    bare: Bare, name: str, expected: list[str], form: tuple[str, ...], chunk: str
) -> None:
    outcome = bare("--chunk", chunk, *form, f"bodies::{name}", body=LINES)
    assert outcome.json() == expected


@pytest.mark.parametrize("form", [(), ("--chunked",)], ids=["length", "chunked"])
@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("sources::count_lines", len(MANY_LINES) // 16384 + 2),
        ("bodies::read_outside", 30),
        ("bodies::digest", len(MANY_LINES) // 16384 + 2),
    ],
)
def test_many_lines_cost_few_calls_of_the_host(
    bare: Bare, name: str, most: int, form: tuple[str, ...]
) -> None:
    """Ten megabytes of short lines: a call for each buffer, none for a line."""
    outcome = bare("--count-calls", *form, name, body=MANY_LINES)
    counted = re.search(r"read_body was called (\d+) times", "".join(outcome.log))
    assert outcome.status == "200 OK"
    assert counted
    assert 0 < int(counted[1]) <= most


SLOWLY = [
    (),
    ("--send-time", "300"),
    ("--busy-for", "2"),
    ("--send-time", "300", "--busy-for", "2"),
]


@pytest.mark.parametrize("slowly", SLOWLY, ids=" ".join)
@pytest.mark.parametrize("name", ["many", "written", "written_then_yielded"])
def test_small_pieces_cost_few_calls_of_the_host(
    bare: Bare, name: str, slowly: tuple[str, ...]
) -> None:
    """Whole and in order. A host that costs nothing may be quicker than they are made."""
    outcome = bare("--count-calls", "--env", "QUERY_STRING=1000", *slowly, f"pieces::{name}")
    counted = re.search(r"send_body (\d+)", "".join(outcome.log))
    assert outcome.body == b"".join(piece(number) for number in range(1000))
    assert counted
    assert 0 < int(counted[1]) <= (500 if slowly else 1000)


@pytest.mark.parametrize("slowly", SLOWLY, ids=" ".join)
def test_pieces_go_before_the_body_of_the_request_is_read(
    bare: Bare, slowly: tuple[str, ...]
) -> None:
    """The host stops where two of its functions are called for one request at once."""
    outcome = bare(*slowly, "pieces::then_reads", body=b"hello")
    assert (outcome.code, outcome.body) == (0, b"first;second;third;hello")


@pytest.mark.parametrize("slowly", SLOWLY, ids=" ".join)
def test_pieces_go_before_what_breaks_off(bare: Bare, slowly: tuple[str, ...]) -> None:
    outcome = bare(*slowly, "pieces::then_fails")
    assert outcome.body == b"first;second;third;\n(broken off)\n"


@pytest.mark.parametrize("slowly", SLOWLY, ids=" ".join)
@pytest.mark.parametrize("after", ["2000", "20000"])
def test_a_client_that_leaves_ends_a_stream_of_pieces(
    bare: Bare, tmp_path: Path, after: str, slowly: tuple[str, ...]
) -> None:
    scratch = ("--env", f"tests.scratch={tmp_path}", "--env", "QUERY_STRING=gone")
    outcome = bare("--close-after", after, *scratch, *slowly, "pieces::endless")
    assert int((tmp_path / "gone.told").read_text()) < 1000000
    assert outcome.errors == []
    assert "the client went away" in "".join(outcome.log)


def test_a_copy_of_the_process_sends_nothing(bare: Bare) -> None:
    """It has none of the threads, and the one that sends pieces is busy when it is made."""
    main = ("--env", "mod_wsgi.interpreter=main_interpreter", "--send-time", "100000")
    outcome = bare(*main, "pieces::forks")
    assert outcome.body == b"first;second;third;" + b"x" * 20000 + b"0"


def test_what_is_written_behind_a_failure_reaches_nobody(bare: Bare) -> None:
    outcome = bare("--requests", "2", "--send-time", "20000", "pieces::writes_when_dropped")
    assert "raised before the first piece" in "".join(outcome.errors)
    assert outcome.body == b"one two three"


def test_the_end_is_sent_once(bare: Bare) -> None:
    outcome = bare("--count-calls", "--send-time", "300000", "pieces::written_by_two")
    assert outcome.body == b"firstother"
    assert "send_body 2" in "".join(outcome.log)


@pytest.mark.parametrize("chunk", ["1", "6", "8", "1000"])
def test_a_sized_read_gives_what_was_asked_in_spite_of_short_reads(bare: Bare, chunk: str) -> None:
    outcome = bare("--chunk", chunk, "bodies::read_by_seven", body=LINES)
    assert (outcome.body, outcome.header("X-Longest")) == (LINES, "7")


@pytest.mark.parametrize("failure", ["gone", "timeout", "large", "bad"])
@pytest.mark.parametrize("after", ["0", "5"])
def test_a_body_that_cannot_be_read_raises(
    bare: Bare, tmp_path: Path, failure: str, after: str
) -> None:
    outcome = bare(
        *("--chunk", "5", "--fail-read-after", after, "--fail-read-with", failure),
        *("--env", f"QUERY_STRING={failure}", "bodies::error_name"),
        body=b"some more than five bytes",
    )
    assert not outcome.errors
    told = (tmp_path / f"{failure}.told").read_text()
    assert told.startswith(("IOError: ", "OSError: ")), told


@pytest.mark.parametrize(
    ("failure", "status"), [("large", "413"), ("timeout", "408"), ("bad", "400")]
)
def test_an_uncaught_read_error_is_the_servers_to_answer(
    bare: Bare, failure: str, status: str
) -> None:
    outcome = bare(
        *("--fail-read-after", "0", "--fail-read-with", failure, "bodies::read_outside"),
        body=b"some",
    )
    assert (outcome.status or "").startswith(status)


WHAT_CLIENTS_DO = {
    "gone": "the client went away while sending the request's body",
    "timeout": "the client stopped sending the request's body",
    "large": "the request's body is larger than the server accepts",
    "bad": "the request's body is not valid HTTP",
}


@pytest.mark.parametrize("after", ["0", "2"])
@pytest.mark.parametrize("failure", WHAT_CLIENTS_DO)
@pytest.mark.parametrize(
    "name",
    [
        *("read_outside", "wraps_the_error", "reads_while_it_answers", "reads_when_closed"),
        *("reads_in_a_thread", "read_by_seven", "iterated"),
    ],
)
def test_a_body_that_cannot_be_read_is_one_line_of_the_log(
    bare: Bare, name: str, failure: str, after: str
) -> None:
    """Who sends it is nobody's fault here: any client could fill a log with tracebacks."""
    outcome = bare(
        *("--chunk", "2", "--fail-read-after", after, "--fail-read-with", failure),
        f"bodies::{name}",
        body=b"some",
    )
    assert outcome.log == (f"[info] mod_wsgi: MW0506: {WHAT_CLIENTS_DO[failure]}",)


@pytest.mark.parametrize("failure", WHAT_CLIENTS_DO)
def test_the_line_says_what_a_framework_has_made_of_the_error(bare: Bare, failure: str) -> None:
    outcome = bare(
        *("--fail-read-after", "0", "--fail-read-with", failure, "bodies::raises_from_the_error"),
        body=b"some",
    )
    words = WHAT_CLIENTS_DO[failure]
    line = rf"\[info\] mod_wsgi: MW0506: {words} \((exceptions\.)?ValueError: {words}\)"
    assert len(outcome.log) == 1
    assert re.fullmatch(line, outcome.log[0])
    assert (outcome.status or "").startswith("4")


@pytest.mark.parametrize("failure", WHAT_CLIENTS_DO)
def test_an_error_that_the_application_answers_is_nothing_to_log(bare: Bare, failure: str) -> None:
    outcome = bare(
        *("--fail-read-after", "0", "--fail-read-with", failure, "bodies::answers_for_itself"),
        body=b"some",
    )
    assert outcome.status == "400 Bad Request"
    assert outcome.log == ()


@pytest.mark.parametrize(
    ("failure", "line"),
    [
        ("gone", WHAT_CLIENTS_DO["gone"]),
        ("timeout", WHAT_CLIENTS_DO["timeout"]),
        ("large", "the client went away before the response was complete"),
        ("bad", "the client went away before the response was complete"),
    ],
)
@pytest.mark.parametrize("name", ["answers_for_itself", "writes_without_reading"])
def test_a_client_that_left_its_upload_is_not_said_to_have_left_the_response(
    bare: Bare, name: str, failure: str, line: str
) -> None:
    outcome = bare(
        *("--fail-read-after", "0", "--fail-read-with", failure, "--close-after", "0"),
        f"bodies::{name}",
        body=b"some",
    )
    assert outcome.log == (f"[info] mod_wsgi: MW0506: {line}",)


@pytest.mark.parametrize("taken", ["0", "1", "20", "60", "70000", "200000"])
@pytest.mark.parametrize("name", ["streams::endless", "streams::endless_writes"])
def test_a_client_that_goes_away_ends_the_application(bare: Bare, name: str, taken: str) -> None:
    outcome = bare("--close-after", taken, "--env", "QUERY_STRING=gone", name)
    assert not outcome.errors


@pytest.mark.parametrize("taken", ["0", "50", "1000", "100000"])
def test_a_client_that_goes_away_from_a_file_is_no_error(
    bare: Bare, taken: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = tmp_path_factory.mktemp("files") / "data"
    data.write_bytes(b"x" * 300_000)
    outcome = bare("--close-after", taken, "--env", f"tests.file={data}", "files::whole")
    assert not outcome.errors


@pytest.mark.parametrize("threads", ["1", "2", "8", "32"])
def test_many_requests_in_many_threads_give_the_same_answer(bare: Bare, threads: str) -> None:
    outcome = bare("--threads", threads, "--requests", "300", "respond::a_generator")
    assert (outcome.code, outcome.body, outcome.errors) == (0, b"a generator", [])


def test_the_last_of_many_requests_sees_those_before_it(bare: Bare) -> None:
    assert bare("--requests", "50", "states::mark").json()["count"] == 50


def test_threads_keep_their_locals_between_requests(bare: Bare) -> None:
    outcome = bare("--threads", "4", "--requests", "25", "states::local")
    assert outcome.json()["count"] == 25


def test_threads_serve_where_it_is_not_found_where_python_keeps_their_states(
    bare: Bare, python: Python, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library stands before Python's, and tells nothing. From 3.12 on nobody asks."""
    library = tmp_path / "tells_nothing.so"
    source = tmp_path / "tells_nothing.c"
    source.write_text("void *PyGILState_GetThisThreadState(void) { return 0; }\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("ASAN_OPTIONS", "verify_asan_link_order=0")
    outcome = bare(
        *("--threads", "4", "--requests", "40", "--env", "mod_wsgi.interpreters=3"),
        *("--env", "mod_wsgi.gil=shared", "hello::application"),
    )
    assert (outcome.code, outcome.status) == (0, "200 OK"), outcome.log
    told = any("where this Python keeps the state of a thread" in line for line in outcome.log)
    assert told == (tuple(map(int, python.version.split("."))) < (3, 12))


def test_signal_is_imported_by_those_who_use_it_only(bare: Bare, python: Python) -> None:
    """It takes enum along, which is a quarter of a megabyte in each interpreter."""
    is_in_c = python.version == "2.7"
    is_imported = "signal" in bare("states::modules").json()["here"]
    assert is_imported == (is_in_c or "signal" in python.crowd)


def test_wsgi_multithread_says_whether_there_are_threads(bare: Bare) -> None:
    for threads, expected in (("1", False), ("2", True)):
        flags = bare("--threads", threads, "environs::as_json").json()["flags"]
        assert flags["wsgi.multithread"] is expected


def test_a_broken_answer_is_marked(bare: Bare) -> None:
    outcome = bare("failing::after_the_first_block")
    assert outcome.broken_off
    assert "ValueError: raised after the first block" in "".join(outcome.log)


def test_head_is_answered_without_a_body(bare: Bare) -> None:
    outcome = bare("--method", "HEAD", "respond::one_block")
    assert (outcome.status, outcome.body) == ("200 OK", b"")


def test_a_program_that_cannot_start_python_answers_500_and_lives(
    bare: Bare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOD_WSGI_PYTHON_HOME", "/nonexistent")
    outcome = bare("--requests", "3", "respond::one_block")
    assert (outcome.code, outcome.status) == (1, "500 (error page)")
    assert "MOD_WSGI_PYTHON_HOME" in "".join(outcome.errors)
    assert "/nonexistent" in "".join(outcome.errors)


def test_the_python_inside_is_the_one_that_was_asked_for(bare: Bare, python: Python) -> None:
    assert bare("states::process").json()["release"] == python.release


def test_objects_of_our_types_cannot_be_made(bare: Bare) -> None:
    """They would have no request behind them."""
    assert bare("kinds::of_new_ones").json() == ["TypeError"] * 3


def test_a_pool_that_cannot_grow_serves_with_what_it_has(
    bare: Bare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOD_WSGI_MAX_INTERPRETERS", "2")
    outcome = bare(
        *("--env", "mod_wsgi.interpreters=4", "--threads", "8", "--requests", "20"),
        "parallel::rests",
    )
    warnings = [line for line in outcome.log if "MOD_WSGI_MAX_INTERPRETERS" in line]
    assert (outcome.code, outcome.errors, len(warnings)) == (0, [], 1)


def test_a_file_and_its_wrapper_do_not_keep_each_other(bare: Bare) -> None:
    assert bare("keeping::file_wrappers_in_circles").body == b"0"


def test_a_thread_does_not_keep_what_a_long_list_needed(
    bare: Bare, request: pytest.FixtureRequest
) -> None:
    """An array of three million blocks has 48 MB."""
    if request.config.getoption("profile") == "asan":
        pytest.skip("AddressSanitizer keeps memory that was freed, to find who uses it")
    outcome = bare("--requests", "3", "keeping::many_blocks_once")
    assert int(outcome.body) < 40 << 20


def test_an_empty_block_may_come_first(bare: Bare) -> None:
    """Nothing is copied to nowhere, which sanitizers tell."""
    assert bare("keeping::empty_block_first").body == b"x"


def test_an_application_cannot_change_what_the_environment_said(bare: Bare) -> None:
    outcome = bare(
        *("--env", "mod_wsgi.interpreters=3", "--threads", "6", "--requests", "20"),
        "keeping::bound_of_its_own",
    )
    assert (outcome.code, outcome.log) == (0, ())


BUFFERED = ("--env", "mod_wsgi.buffer_body=on", "--chunked")


@pytest.mark.parametrize("failure", WHAT_CLIENTS_DO)
@pytest.mark.parametrize("after", ["0", "70000"])
def test_a_buffered_body_that_cannot_be_read_is_one_line_of_the_log(
    bare: Bare, failure: str, after: str
) -> None:
    outcome = bare(
        *("--fail-read-after", after, "--fail-read-with", failure, *BUFFERED),
        "bodies::read_by_length",
        body=b"x" * 80_000,
    )
    statuses = {"gone": 400, "timeout": 408, "large": 413, "bad": 400}
    assert outcome.status == f"{statuses[failure]} (error page)"
    assert outcome.log == (f"[info] mod_wsgi: MW0506: {WHAT_CLIENTS_DO[failure]}",)


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 300_000])
@pytest.mark.parametrize("chunk", ["0", "1000"])
def test_a_buffered_body_has_its_length(bare: Bare, size: int, chunk: str) -> None:
    body = bytes(number % 251 for number in range(size))
    seen = bare("--chunk", chunk, *BUFFERED, "bodies::read_by_length", body=body).json()
    assert (seen["length"], seen["rest"]) == (str(size), "")
    assert seen["sha256"] == hashlib.sha256(body).hexdigest()


def test_each_request_has_its_own_buffered_body(bare: Bare) -> None:
    body = b"y" * 100_000
    outcome = bare(
        *("--threads", "4", "--requests", "20", *BUFFERED),
        "bodies::read_by_length",
        body=body,
    )
    assert outcome.json()["sha256"] == hashlib.sha256(body).hexdigest()
    assert (outcome.code, outcome.log) == (0, ())


def test_a_full_disk_is_a_507(bare_host: Path, tmp_path: Path) -> None:
    """The system lets no file of this process become larger than 50 KB."""
    (tmp_path / "body").write_bytes(b"x" * 300_000)
    command = [str(bare_host), "--directory", str(APPS), "--body", str(tmp_path / "body")]
    limit = "ulimit -f 100; trap '' XFSZ; exec \"$@\""
    done = subprocess.run(
        ["sh", "-c", limit, "sh", *command, *BUFFERED, "bodies::read_by_length"],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert "Status: 507 (error page)" in done.stdout
    assert (
        f"[error] mod_wsgi: MW0507: the request's body can't be kept in {tmp_path}: "
        in done.stderr
    )
    assert [path.name for path in tmp_path.iterdir()] == ["body"]
