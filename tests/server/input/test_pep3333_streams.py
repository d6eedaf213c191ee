"""PEP 3333, duties 30 to 39: wsgi.input and wsgi.errors."""

import time

import pytest

from tests.harness.site import Site, memory, message, read_reply, receive_until

LINES = b"first\nsecond line\n\nlast without end"


def BYTES(version: str) -> str:  # noqa: N802 - a name of a type
    """What the type of byte strings is called on this Python."""
    return "str" if version.startswith("2.") else "bytes"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lines", ["first\n", "second line\n", "\n", "last without end"]),
        ("all_lines", ["first\n", "second line\n", "\n", "last without end"]),
        ("iterated", ["first\n", "second line\n", "\n", "last without end"]),
        ("mixed", ["first\n", "sec", "ond line\n\nlast without end"]),
    ],
)
def test_each_method_of_input_reads_on_where_the_last_one_stopped(
    site: Site, name: str, expected: list[str]
) -> None:
    """PEP 3333 duty 30: read, readline, readlines and iteration."""
    assert site.ask(f"/bodies/{name}", method="POST", body=LINES).json() == expected


def test_input_ends_at_content_length_though_more_bytes_follow(site: Site) -> None:
    """PEP 3333 duty 31: the next request on the connection is not part of the body."""
    stay = {"Connection": "keep-alive"}
    first = message("/bodies/read_all", "POST", stay, LINES)
    answer = site.raw(first + message("/hello/named"))
    assert LINES + b"HTTP/1.1 200 OK" in answer
    assert answer.endswith(b"\r\n\r\nhello from named")


@pytest.mark.parametrize("name", ["read_all", "read_minus_one"])
def test_read_without_a_size_returns_the_rest(site: Site, name: str) -> None:
    """PEP 3333 duty 32."""
    assert site.ask(f"/bodies/{name}", method="POST", body=LINES).body == LINES


def test_an_exhausted_input_gives_empty_bytes(site: Site) -> None:
    """PEP 3333 duty 33: by every method, as often as it is asked."""
    for body in (b"", LINES):
        seen = site.ask("/bodies/read_past_the_end", method="POST", body=body).json()
        assert seen == ["", "", "", [], [], ""]


def test_readline_takes_a_size(site: Site) -> None:
    """PEP 3333 duty 34: the line ends there, and goes on with the next call."""
    seen = site.ask("/bodies/lines_of_four", method="POST", body=b"abcdef\ngh\n").json()
    assert seen == ["abcd", "ef\n", "gh\n"]


def test_readlines_honours_its_hint_with_whole_lines(site: Site) -> None:
    """PEP 3333 duty 35: a hint may be ignored; here lines are read until it is reached."""
    seen = site.ask("/bodies/lines_with_hint", method="POST", body=LINES).json()
    assert seen == ["first\n"]


@pytest.mark.parametrize("size", [16383, 16384, 16385, 40000])
def test_lines_cross_the_borders_of_buffers(site: Site, size: int) -> None:
    """PEP 3333 duty 30: a line that is longer than any buffer is one line."""
    body = b"a" * size + b"\n" + b"b" * size + b"\nend"
    seen = site.ask("/bodies/lines", method="POST", body=body).json()
    assert [len(line) for line in seen] == [size + 1, size + 1, 3]


@pytest.mark.slow
def test_a_body_of_many_short_lines_is_read_in_one_go(site: Site) -> None:
    """PEP 3333 duty 30: reading is buffered, so a million lines cost no million calls."""
    body = b"123456789\n" * 1_000_000
    began = time.monotonic()
    reply = site.post("/sources/count_lines", body, timeout=60)
    assert reply.text == "1000000 10000000"
    assert time.monotonic() - began < 15


def test_a_length_that_is_only_claimed_takes_no_memory(site: Site) -> None:
    """PEP 3333 duty 32: read() takes memory for bytes that came, not for those announced."""
    site.ask("/hello/named")
    before = sum(memory(pid, "VmSize") for pid in site.processes())
    claimed = {"Content-Length": "1000000000"}
    with site.connect() as connection:
        connection.sendall(message("/bodies/error_name?claimed", "POST", claimed) + b"hello")
        time.sleep(0.3)
        after = sum(memory(pid, "VmSize") for pid in site.processes())
    assert after - before < 500_000_000
    assert site.told("claimed").startswith(("IOError", "OSError"))


def test_a_chunked_body_ends_with_its_last_chunk_and_trailers(site: Site) -> None:
    """PEP 3333 duty 31, and wsgi.input_terminated: trailers are no part of the body."""
    body = b"5\r\nfirst\r\n0\r\nX-Trailer: late\r\nContent-Length: 3\r\n\r\n"
    stay = {"Transfer-Encoding": "chunked", "Connection": "keep-alive"}
    request = message("/bodies/read_all", "POST", stay, body)
    answer = site.raw(request + message("/hello/named")).partition(b"\r\n\r\n")[2]
    assert answer.startswith(b"first")
    assert answer == b"first" or answer.endswith(b"\r\n\r\nhello from named")


def test_a_body_over_the_limit_never_reaches_the_application(site: Site) -> None:
    """PEP 3333 duty 31: LimitRequestBody is answered with 413 before the application runs."""
    site.tolerates("larger than")
    target = "/limited/error_name?over-the-limit"
    assert site.ask(target, method="POST", body=b"x" * 2000).status == 413
    assert not (site.scratch / "over-the-limit.told").exists()


@pytest.mark.parametrize("size", [0, 5, 100_000])
def test_another_thread_may_read(site: Site, size: int) -> None:
    """PEP 3333 duty 30: while its request lasts."""
    assert site.ask("/threads/reads", method="POST", body=b"x" * size).body == b"x" * size


def test_a_thread_that_outlives_its_request_reads_nothing(site: Site) -> None:
    """PEP 3333 duty 33, beyond the end: an error, never memory of another request."""
    site.ask("/threads/reads_after_its_end?outlives", method="POST", body=b"unread")
    site.go("outlives")
    assert site.told("outlives") == "RuntimeError"


def test_a_slow_client_is_waited_for(site: Site) -> None:
    """PEP 3333 duty 32: a read that asks for more than is there waits for the rest."""
    with site.connect() as connection:
        connection.sendall(message("/bodies/read_all", "POST", {"Content-Length": "6"}))
        for byte in b"slowly"[:6]:
            connection.sendall(bytes([byte]))
            time.sleep(0.03)
        assert read_reply(connection).body == b"slowly"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("odd_sizes", "TypeError TypeError OverflowError TypeError abc"),
        ("none_for_size", "abc||"),
        ("big_sizes", "abcdef|"),
    ],
)
def test_odd_sizes_are_errors_or_all(site: Site, name: str, said: str) -> None:
    """PEP 3333 duty 30: what is no size is a TypeError and takes nothing of the body."""
    body = b"abcdef" if name == "big_sizes" else b"abc"
    assert site.ask(f"/sources/{name}", method="POST", body=body).text == said


def test_errors_has_its_methods_and_they_take_text(site: Site, version: str) -> None:
    """PEP 3333 duty 36: flush, write and writelines; what is no string is a TypeError."""
    site.tolerates("bytes, not text")
    assert site.ask("/kinds/of_errors").json() == {
        "returned": [None, None, None if version.startswith("2.") else 0],
        "refused": ["TypeError"] * 3,
        "bytes": "accepted" if version.startswith("2.") else "TypeError",
    }


def test_each_line_of_errors_is_a_line_of_the_log(site: Site) -> None:
    """PEP 3333 duty 37: a newline ends a line, whoever wrote its parts."""
    site.tolerates("pieces|another")
    site.ask("/logs/in_pieces")
    assert site.watch.wait_for(r"\] (mod_wsgi: )?in several pieces$")
    assert site.watch.wait_for(r"\] (mod_wsgi: )?and another$")


@pytest.mark.parametrize("name", ["outside_ascii", "lone_surrogate"])
def test_errors_takes_any_text(site: Site, name: str) -> None:
    """PEP 3333 duty 38: what cannot be shown is replaced, nothing raises."""
    site.tolerates("or so|alone")
    assert site.ask(f"/logs/{name}").text == "logged"


def test_flush_writes_what_is_there(site: Site) -> None:
    """PEP 3333 duty 39: an unfinished line too, while the request lasts."""
    site.tolerates("unfinished")
    with site.connect() as connection:
        connection.sendall(message("/sources/flushes_errors?flushes"))
        receive_until(connection, b"waiting")
        assert site.watch.wait_for("an unfinished line$")
        site.go("flushes")
        receive_until(connection, b"done")
