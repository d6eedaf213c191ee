"""PEP 3333, duties 53 to 65: the body of the response."""

import re
import socket
from contextlib import suppress

import pytest

from tests.harness.site import Site, message, read_reply, receive_until


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
@pytest.mark.parametrize("name", ["waits_between_blocks", "waits_after_write"])
def test_a_block_is_sent_before_the_next_is_asked_for(site: Site, name: str, version: str) -> None:
    """PEP 3333 duty 53: never delayed. Duty 60: nor is what write() took."""
    sign = f"duty-53-{name}-{version[-1]}"
    with site.connect() as connection:
        connection.sendall(message(f"/streams/{name}?{sign}", version=version))
        assert b"second" not in receive_until(connection, b"first\n")
        site.go(sign)
        receive_until(connection, b"second\n")


def test_bytes_are_not_changed(site: Site) -> None:
    """PEP 3333 duty 54: neither line ends nor anything else."""
    assert site.ask("/respond/binary").body == bytes(range(256)) * 64 * 5


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("watched", b"watched body"),
        ("by_index", b"by index"),
        ("sized_two", b"one two"),
        ("size_raises", b"size raises"),
        ("a_set", b"the only element"),
    ],
)
def test_anything_that_iterates_is_a_body(site: Site, name: str, body: bytes) -> None:
    """PEP 3333 duty 55: no list, no iterator, no length is needed."""
    assert site.ask(f"/shapes/{name}?iterates-{name}").body == body


def test_no_attribute_but_close_is_asked_of_an_iterable(site: Site) -> None:
    """PEP 3333 duty 55: iteration, len() and close() are all that is used."""
    site.ask("/shapes/watched?duty-55")
    assert site.told("duty-55") == "close"


@pytest.mark.parametrize("path", ["/respond/one_block", "/shapes/sized_one", "/shapes/a_set"])
def test_one_block_that_says_so_gets_its_length(site: Site, path: str) -> None:
    """PEP 3333 duty 56: where len() is 1; a list of any length is known as well."""
    reply = site.ask(path)
    assert reply.all("Content-Length") == [str(len(reply.body))]


def test_no_length_is_invented_for_head(site: Site) -> None:
    """PEP 3333 duty 56: the application may have left the body out."""
    assert site.ask("/respond/one_block", method="HEAD").all("Content-Length") == []


@pytest.mark.parametrize("name", ["a_generator", "written", "an_iterator_class"])
def test_a_body_of_unknown_length_is_chunked_where_http_allows(site: Site, name: str) -> None:
    """PEP 3333 duty 57: for HTTP/1.1 only; for 1.0 the connection ends it."""
    assert site.ask(f"/respond/{name}").header("Transfer-Encoding") == "chunked"
    older = site.ask(f"/respond/{name}", version="HTTP/1.0")
    assert older.header("Transfer-Encoding") is None


@pytest.mark.parametrize("path", ["/respond/more_than_promised", "/shapes/long_list"])
def test_no_byte_beyond_content_length_is_sent(site: Site, path: str) -> None:
    """PEP 3333 duty 58: and a line of the log says so."""
    stay = {"Connection": "keep-alive"}
    answer = site.raw(message(path, headers=stay) + message("/hello/named"))
    assert b"\r\n\r\n0123456789HTTP/1.1 200 OK" in answer
    assert answer.endswith(b"\r\n\r\nhello from named")
    assert site.watch.wait_for("Content-Length")


def test_iteration_stops_when_content_length_is_reached(site: Site) -> None:
    """PEP 3333 duty 58, and 63: not a block more than needed is asked for."""
    assert site.ask("/shapes/promises_ten?duty-58").body == b"0123401234"
    assert site.told("duty-58") == "2"


def test_a_length_of_nothing_is_kept(site: Site) -> None:
    """PEP 3333 duty 58: Content-Length: 0 sends no byte."""
    reply = site.ask("/shapes/promises_nothing")
    assert (reply.all("Content-Length"), reply.body) == (["0"], b"")


def test_write_beyond_content_length_raises(site: Site) -> None:
    """PEP 3333 duty 58: and nothing of that block is sent."""
    site.expects_traceback("ValueError: .*Content-Length")
    answer = site.raw(message("/respond/writes_more_than_promised"))
    assert answer.partition(b"\r\n\r\n")[2] == b"01234"


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/respond/less_than_promised", b"01234"),
        ("/shapes/short_list", b"01234"),
        ("/shapes/short_written", b"01234"),
        ("/shapes/nothing_of_ten", b""),
    ],
)
def test_too_short_a_body_closes_the_connection(
    site: Site, path: str, sent: bytes, version: str
) -> None:
    """PEP 3333 duty 59: the client sees it, the log has one line."""
    site.expects("of the 10 bytes")
    answer = site.raw(message(path, headers={"Connection": "keep-alive"}, version=version))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert body == sent
    assert b"Content-Length: 10" in head
    site.watch.wait_for("of the 10 bytes")
    assert len([line for line in site.watch.lines() if "of the 10 bytes" in line]) == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/respond/written", b"written and returned"),
        ("/shapes/writes_from_the_generator", b"1234"),
        ("/threads/starts_and_writes", b"from a thread;and its maker"),
    ],
)
def test_written_and_yielded_blocks_keep_their_order(site: Site, path: str, body: bytes) -> None:
    """PEP 3333 duty 60."""
    assert site.ask(path).body == body


@pytest.mark.parametrize(
    "path",
    [
        *("/misuse/never_starts", "/misuse/never_starts_and_sends_nothing"),
        *("/shapes/starts_too_late", "/shapes/writes_before_it_starts"),
    ],
)
def test_a_body_without_a_head_is_an_error(site: Site, path: str) -> None:
    """PEP 3333 duty 61: whether it is yielded, written or empty."""
    site.expects_traceback("RuntimeError: .*start_response")
    assert site.ask(path).status == 500


@pytest.mark.parametrize(
    ("name", "last_line"),
    [
        ("fails_before_the_first", "ValueError: raised after 0 blocks"),
        ("fails_after_an_empty_one", "ValueError: raised after 1 blocks"),
        ("fails_in_the_middle", "ValueError: raised after 1 blocks"),
    ],
)
def test_close_is_called_after_an_error(site: Site, name: str, last_line: str) -> None:
    """PEP 3333 duty 62; duty 64: the error is in the log."""
    site.expects_traceback(last_line)
    site.raw(message(f"/shapes/{name}?{name}"))
    assert site.told(name) == "closed"


def test_close_is_called_after_the_last_block_and_for_lists(site: Site) -> None:
    """PEP 3333 duty 62: at completion."""
    site.ask("/streams/closes?duty-62")
    site.ask("/streams/closes_a_list?duty-62-list")
    assert site.told("duty-62") == "closed after 3"
    assert site.told("duty-62-list") == "closed a list"


@pytest.mark.parametrize("name", ["endless", "endless_writes"])
def test_a_client_that_leaves_ends_the_application_quietly(site: Site, name: str) -> None:
    """PEP 3333 duties 62 and 63: close() is called, and the log has an info line, no traceback."""
    with site.connect() as connection:
        connection.sendall(message(f"/streams/{name}?leaves-{name}"))
        receive_until(connection, b"xxxx")
    taken = re.search(r"\d+", site.told(f"leaves-{name}"))
    assert taken
    assert int(taken[0]) < 20000
    assert "info" in site.watch.wait_for("the client went away")
    assert site.watch.severe() == []


def test_what_goes_wrong_after_a_client_has_left_is_in_the_log(site: Site) -> None:
    """PEP 3333 duty 64: it is the application's own failure."""
    site.expects_traceback("ValueError: could not clean up")
    with site.connect() as connection:
        connection.sendall(message("/streams/fails_when_left"))
        receive_until(connection, b"xxxx")
    site.watch.wait_for("ValueError: could not clean up")


def test_an_iterable_that_has_given_its_length_is_not_asked_again(site: Site) -> None:
    """PEP 3333 duty 63: what it would have raised after its last byte is never met."""
    assert site.ask("/shapes/fails_after_the_last?duty-63").body == b"one;two;"
    assert site.told("duty-63") == "closed"


def test_both_the_error_and_that_of_close_are_logged(site: Site) -> None:
    """PEP 3333 duty 64: neither hides the other."""
    site.tolerates(r"Traceback|File|raised|yield|for block|answer|ValueError|KeyError|close")
    answer = site.raw(message("/shapes/fails_twice?duty-64"))
    assert not answer.endswith(b"0\r\n\r\n")
    assert site.watch.wait_for("ValueError: raised after 1 blocks")
    assert site.watch.wait_for("KeyError: .raised by close")


@pytest.mark.parametrize("name", ["at_the_call", "in_the_generator"])
def test_an_error_that_reaches_the_server_is_logged_and_a_500(site: Site, name: str) -> None:
    """PEP 3333 duty 64: the page tells nothing of the application."""
    site.expects_traceback("ValueError: raised ")
    reply = site.ask(f"/failing/{name}")
    assert reply.status == 500
    assert "ValueError" not in reply.text


@pytest.mark.parametrize("name", ["fails_in_the_middle", "fails_twice"])
@pytest.mark.parametrize("stay", ["keep-alive", "close"])
def test_a_broken_response_looks_broken(site: Site, name: str, stay: str) -> None:
    """PEP 3333 duty 64: no last chunk, and the connection is closed."""
    site.tolerates(r"Traceback|File|raised|yield|for block|answer|ValueError|KeyError|close")
    answer = site.raw(message(f"/shapes/{name}?b-{name}-{stay}", headers={"Connection": stay}))
    assert b"one;" in answer
    assert not answer.endswith(b"0\r\n\r\n")


@pytest.mark.needs("small-bodies-as-they-come")
def test_a_response_that_breaks_because_its_body_did_looks_broken(site: Site) -> None:
    """PEP 3333 duty 64: a client that stops sending in the middle may still be listening."""
    with site.connect() as connection:
        sent = {"Content-Length": "100"}
        connection.sendall(message("/bodies/echo_as_it_comes", "POST", sent) + b"first\n")
        seen = receive_until(connection, b"first\n")
        connection.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):
            seen += b"".join(iter(lambda: connection.recv(65536), b""))
    assert not seen.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("name", ["no_blocks", "an_empty_generator"])
def test_the_headers_of_an_empty_body_are_sent(site: Site, name: str) -> None:
    """PEP 3333 duty 65."""
    reply = site.ask(f"/respond/{name}")
    assert (reply.status, reply.header("X-Empty"), reply.body) == (200, "yes", b"")


@pytest.mark.needs("bare-204")
@pytest.mark.parametrize("status", ["204", "304"])
def test_a_status_without_a_body_sends_none(site: Site, status: str) -> None:
    """PEP 3333 duty 68: HTTP allows no body there, whatever the application returned."""
    stay = {"Connection": "keep-alive"}
    with site.connect() as connection:
        connection.sendall(message(f"/shapes/bodiless?{status}", headers=stay))
        first = receive_until(connection, b"\r\n\r\n")
        connection.sendall(message("/hello/named"))
        second = read_reply(connection)
    head, _, body = first.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status.encode())
    assert b"Content-Length" not in head
    assert b"Transfer-Encoding" not in head
    assert b"Set-Cookie: a=1" in head
    assert (body, second.body) == (b"", b"hello from named")


def test_bytes_as_a_body_are_what_the_python_makes_of_them(site: Site, version: str) -> None:
    """PEP 3333 duty 55: they iterate as bytes on 2.7, as numbers on 3, which are no blocks."""
    if version.startswith("2."):
        assert site.ask("/shapes/a_string").body == b"abc"
        return
    site.expects_traceback("TypeError: .*must be bytes, not int")
    assert site.ask("/shapes/a_string").status == 500


@pytest.mark.parametrize("name", ["yields_text", "writes_text", "yields_none"])
def test_a_block_that_is_no_bytes_is_a_type_error(site: Site, name: str) -> None:
    """PEP 3333 duty 1, and Python 2: unicode is no body either."""
    site.expects_traceback("TypeError: .*must be bytes, not (str|unicode|NoneType)")
    assert site.ask(f"/misuse/{name}").status == 500


def test_blocks_of_several_threads_arrive_whole(site: Site) -> None:
    """PEP 3333 duty 60: write() is complete before it returns, whoever calls it."""
    lines = site.ask("/threads/writes_from_many").text.splitlines()
    assert len(lines) == 800
    assert {line == line[0] * 999 for line in lines} == {True}


def test_reading_and_writing_at_the_same_time_disturbs_neither(site: Site) -> None:
    """PEP 3333 duties 30 and 60: in two threads of one request."""
    reply = site.ask("/threads/reads_while_it_answers", method="POST", body=b"r" * 900_000)
    assert reply.body == b"x" * 1_000_000 + b";read 900000"
