"""wsgi.input: bodies with a length and chunked ones, read in every way, or not at all."""

import hashlib
import re
import socket

import pytest

from tests.conftest import Serve
from tests.harness.site import Site, message, read_reply, receive_until

LINES = b"first\nsecond line\n\nlast without end"


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in pieces) + b"0\r\n\r\n"


CHUNKED = {"Transfer-Encoding": "chunked"}

# However a body travels, an application reads the same bytes.
WAYS: dict[str, tuple[dict[str, str], bytes]] = {
    "length": ({}, LINES),
    "one-chunk": (CHUNKED, chunked(LINES)),
    "chunk-per-byte": (CHUNKED, chunked(*(LINES[i : i + 1] for i in range(len(LINES))))),
    "chunk-extensions": (CHUNKED, b"5;name=value\r\nfirst\r\n%x\r\n%s\r\n0\r\n\r\n"
                         % (len(LINES) - 5, LINES[5:])),
}  # fmt: skip

READS: dict[str, object] = {
    "lines": ["first\n", "second line\n", "\n", "last without end"],
    "all_lines": ["first\n", "second line\n", "\n", "last without end"],
    "iterated": ["first\n", "second line\n", "\n", "last without end"],
    "mixed": ["first\n", "sec", "ond line\n\nlast without end"],
    "lines_of_four": [
        *("firs", "t\n", "seco", "nd l", "ine\n", "\n", "last", " wit", "hout", " end"),
    ],
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", READS)
def test_lines_are_read_as_they_were_sent(site: Site, name: str, way: str) -> None:
    headers, body = WAYS[way]
    reply = site.ask(f"/bodies/{name}", method="POST", headers=headers, body=body)
    assert reply.json() == READS[name]


@pytest.mark.parametrize("way", WAYS)
def test_pieces_of_lines_lines_and_bytes_follow_each_other(site: Site, way: str) -> None:
    """A piece that readline(size) leaves of a line is where the next read begins."""
    headers, body = WAYS[way]
    reply = site.ask("/bodies/mixed_often", method="POST", headers=headers, body=body)
    assert reply.json() == [
        *("fir", "st\n", "se", "c", "o", "nd line\n"),
        *("\n", "last without end"),
    ]


def assert_one_line(site: Site, words: str) -> None:
    """What a client does wrong is one line of level info: others could fill the log with more."""
    assert re.search(r"\[(\w+:)?info\]", site.watch.wait_for(words))
    told = [line for line in site.watch.lines() if "mod_wsgi: " in line]
    told = [line for line in told if "has made the interpreter" not in line]
    assert len(told) == 1, told
    assert "Traceback" not in "".join(site.watch.lines())


@pytest.mark.needs("answer-after-timeout")
def test_a_silent_client_is_a_408(serve: Serve) -> None:
    """The server's Timeout is what it is waited for."""
    site = serve("Timeout 1\n@{base}@{applications}")
    site.tolerates("imeout|timed out")
    with site.connect() as connection:
        announced = {"Content-Length": "100"}
        connection.sendall(message("/bodies/read_outside", "POST", announced) + b"hello")
        reply = read_reply(connection)
    assert reply.status == 408
    assert_one_line(site, "the client stopped sending the request's body")


@pytest.mark.needs("answer-after-timeout")
@pytest.mark.parametrize(
    "sent", [b"", b"5", b"5\r\nhel", b"5\r\nhello", b"5\r\nhello\r\n", b"5\r\nhello\r\n5"]
)
def test_a_client_that_falls_silent_within_a_chunk_is_a_408(serve: Serve, sent: bytes) -> None:
    """Wherever it stops: old servers take a line that does not come for one that is too long."""
    site = serve("Timeout 1\n@{base}@{applications}")
    site.tolerates("imeout|timed out")
    with site.connect() as connection:
        connection.sendall(message("/bodies/read_outside", "POST", CHUNKED) + sent)
        reply = read_reply(connection)
    assert reply.status == 408
    assert_one_line(site, "the client stopped sending the request's body")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["read_all", "read_minus_one", "read_by_seven"])
def test_a_body_is_read_to_its_end(site: Site, name: str, way: str) -> None:
    headers, body = WAYS[way]
    reply = site.ask(f"/bodies/{name}", method="POST", headers=headers, body=body)
    assert reply.body == LINES


def test_a_sized_read_never_gives_more(site: Site) -> None:
    reply = site.ask("/bodies/read_by_seven", method="POST", body=LINES)
    assert reply.header("X-Longest") == "7"


def test_readlines_with_a_hint_gives_whole_lines(site: Site) -> None:
    lines = site.post("/bodies/lines_with_hint", LINES).json()
    assert lines[0] == "first\n"
    assert "".join(lines) in LINES.decode()


def test_a_read_of_nothing_takes_nothing(site: Site) -> None:
    assert site.post("/bodies/read_nothing", b"body").text == "0:body"


@pytest.mark.parametrize("body", [b"", b"some body"])
def test_past_the_end_every_read_gives_nothing(site: Site, body: bytes) -> None:
    assert site.post("/bodies/read_past_the_end", body).json() == ["", "", "", [], [], ""]


@pytest.mark.parametrize("name", ["read_all", "read_by_seven", "read_minus_one"])
def test_without_a_body_the_input_is_empty(site: Site, name: str) -> None:
    assert site.get(f"/bodies/{name}").content == b""


def test_a_chunked_body_of_no_bytes_is_empty(site: Site) -> None:
    reply = site.ask("/bodies/read_all", method="POST", headers=CHUNKED, body=chunked())
    assert (reply.status, reply.body) == (200, b"")


def test_every_byte_arrives_unchanged(site: Site) -> None:
    body = bytes(range(256)) * 100
    assert site.post("/bodies/read_all", body).content == body


@pytest.mark.parametrize("size", [8191, 8192, 8193, 65535, 65536, 65537, 3_000_000])
def test_a_body_of_any_size_arrives_whole(site: Site, size: int) -> None:
    body = bytes(size % 251 for size in range(size))
    seen = site.post("/bodies/digest", body).json()
    assert seen == {"length": size, "sha256": hashlib.sha256(body).hexdigest()}


def test_a_big_chunked_body_arrives_whole(site: Site) -> None:
    pieces = [bytes([number % 251]) * 10_000 for number in range(300)]
    seen = site.post("/bodies/digest", iter(pieces)).json()
    assert seen == {"length": 3_000_000, "sha256": hashlib.sha256(b"".join(pieces)).hexdigest()}


@pytest.mark.needs("small-bodies-as-they-come")
def test_a_body_is_read_as_it_comes(site: Site) -> None:
    """A line is answered before the next is sent: input is not collected beforehand."""
    with site.connect() as connection:
        connection.sendall(
            message("/bodies/echo_as_it_comes", "POST", {"Content-Length": "12"}) + b"first\n"
        )
        seen = receive_until(connection, b"first\n")
        connection.sendall(b"secnd\n")
        rest = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b"first\n" in seen
    assert b"secnd\n" in rest


EXPECT = {"Expect": "100-continue", "Content-Length": "4"}


def test_a_client_that_waits_for_100_continue_is_told_to_go_on(site: Site) -> None:
    with site.connect() as connection:
        connection.sendall(message("/bodies/read_all", "POST", EXPECT))
        interim = receive_until(connection, b"\r\n\r\n")
        connection.sendall(b"body")
        reply = read_reply(connection)
    assert interim.startswith(b"HTTP/1.1 100 Continue\r\n")
    assert (reply.status, reply.body) == (200, b"body")


def test_an_application_that_reads_late_still_gets_its_100_continue(site: Site) -> None:
    with site.connect() as connection:
        connection.sendall(message("/bodies/read_when_told?late", "POST", EXPECT))
        site.go("late")
        interim = receive_until(connection, b"\r\n\r\n")
        connection.sendall(b"body")
        reply = read_reply(connection)
    assert interim.startswith(b"HTTP/1.1 100 Continue\r\n")
    assert reply.body == b"body"


def test_a_body_that_nobody_reads_need_not_be_sent(site: Site) -> None:
    """The final answer comes without the body; whether 100 Continue came first is open."""
    with site.connect() as connection:
        connection.sendall(message("/bodies/ignored", "POST", EXPECT))
        reply = read_reply(connection)
    assert (reply.status, reply.body) == (200, b"not read")


@pytest.mark.parametrize("name", ["ignored", "half_read"])
@pytest.mark.parametrize("size", [100, 100_000])
def test_an_unread_body_is_not_taken_for_the_next_request(
    site: Site, name: str, size: int
) -> None:
    stay = {"Connection": "keep-alive", "Content-Length": str(size)}
    with site.connect() as connection:
        connection.sendall(message(f"/bodies/{name}", "POST", stay) + b"G" * size)
        first = read_reply(connection)
        connection.sendall(message("/hello/named"))
        second = read_reply(connection)
    assert first.status == 200
    assert second.body == b"hello from named"


def bodies_on_one_connection(site: Site, way: str) -> list[bytes]:
    """The answers to the same request, sent three times over one connection."""
    headers, body = WAYS[way]
    request = message("/bodies/read_all", "POST", {**headers, "Connection": "keep-alive"}, body)
    answers = []
    with site.connect() as connection:
        for _ in range(3):
            connection.sendall(request)
            answers.append(read_reply(connection).body)
    return answers


def test_a_connection_serves_one_body_after_the_other(site: Site) -> None:
    assert bodies_on_one_connection(site, "length") == [LINES] * 3


@pytest.mark.needs("keep-alive-after-chunked")
@pytest.mark.parametrize("way", [way for way in WAYS if way != "length"])
def test_a_connection_serves_one_chunked_body_after_the_other(site: Site, way: str) -> None:
    assert bodies_on_one_connection(site, way) == [LINES] * 3


def test_a_body_over_the_limit_is_answered_with_413(site: Site) -> None:
    site.tolerates(r"larger than the configured limit")
    assert site.post("/limited/read_outside", b"x" * 2000).status_code == 413


def test_a_chunked_body_over_the_limit_is_answered_with_413(site: Site) -> None:
    site.tolerates(r"larger than the configured limit")
    body = chunked(*[b"x" * 500] * 4)
    reply = site.ask("/limited/read_outside", method="POST", headers=CHUNKED, body=body)
    assert reply.status == 413
    assert_one_line(site, "the request's body is larger than the server accepts")


def test_a_body_within_the_limit_is_read(site: Site) -> None:
    assert site.post("/limited/read_outside", b"x" * 1000).text == "1000"


def test_an_application_that_catches_the_limit_may_answer_for_itself(site: Site) -> None:
    site.tolerates(r"larger than the configured limit")
    body = chunked(*[b"x" * 500] * 4)
    target = "/limited/error_name?over-limit"
    reply = site.ask(target, method="POST", headers=CHUNKED, body=body)
    assert site.told("over-limit").startswith(("IOError", "OSError"))
    assert "large" in site.told("over-limit")
    assert reply.text == "tried to read"


@pytest.mark.needs("exception-history")
def test_a_bug_behind_a_read_error_is_an_error_as_any_other(site: Site) -> None:
    """The client is not told that its body was too large, for that was dealt with."""
    site.tolerates(r"larger than the configured limit")
    site.expects_traceback("ZeroDivisionError: ")
    body = chunked(*[b"x" * 500] * 4)
    reply = site.ask("/limited/has_a_bug", method="POST", headers=CHUNKED, body=body)
    assert reply.status == 500


@pytest.mark.parametrize("headers", [{"Content-Length": "1000"}, CHUNKED])
def test_a_client_that_goes_away_while_sending_makes_the_read_raise(
    site: Site, headers: dict[str, str]
) -> None:
    name = "gone-" + "-".join(headers).lower()
    start = b"5\r\nhello\r\n" if headers is CHUNKED else b"hello"
    with site.connect() as connection:
        connection.sendall(message(f"/bodies/error_name?{name}", "POST", headers) + start)
        connection.shutdown(socket.SHUT_RDWR)
    assert site.told(name).startswith(("IOError", "OSError", "ConnectionError"))


def leaves_while_sending(site: Site, path: str) -> None:
    with site.connect() as connection:
        connection.sendall(message(path, "POST", {"Content-Length": "1000"}, b"hello"))
        connection.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    "name",
    [
        *("read_outside", "wraps_the_error", "raises_from_the_error"),
        *("reads_while_it_answers", "reads_when_closed", "reads_in_a_thread"),
    ],
)
def test_a_client_that_goes_away_while_sending_is_no_error_of_ours(site: Site, name: str) -> None:
    leaves_while_sending(site, f"/bodies/{name}")
    assert_one_line(site, "the client went away while sending the request's body")


@pytest.mark.needs("exception-history")
def test_another_error_is_logged_although_the_client_went_away(site: Site) -> None:
    site.expects_traceback("(OSError|IOError): another file")
    leaves_while_sending(site, "/bodies/raises_another_error")
    site.watch.wait_for("another file")


@pytest.mark.needs("strict-chunks")
def test_a_chunked_body_that_is_no_chunk_makes_a_client_error(site: Site) -> None:
    site.tolerates(r"parsing chunk")
    reply = site.ask(
        "/bodies/read_outside", method="POST", headers=CHUNKED, body=b"zz\r\nno chunk\r\n"
    )
    assert reply.status == 400
    assert_one_line(site, "the request's body is not valid HTTP")


def test_what_a_request_left_behind_cannot_be_used_after_it(site: Site) -> None:
    """An object kept past its request raises; it never touches the freed request."""
    stay = {"Connection": "keep-alive"}
    with site.connect() as connection:
        connection.sendall(message("/bodies/keep", "POST", stay, b"body"))
        assert read_reply(connection).body == b"kept"
        connection.sendall(message("/bodies/use_kept"))
        outcomes = read_reply(connection).json()
    assert outcomes == dict.fromkeys(("read", "start_response", "write"), "RuntimeError")
