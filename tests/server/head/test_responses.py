"""Status, headers and body: what the application said is what the client gets."""

import re
import socket

import pytest

from tests.harness.site import Site, message, read_reply, receive_until

BODIES = {
    "one_block": b"one block",
    "a_tuple": b"a tuple",
    "a_generator": b"a generator",
    "an_iterator_class": b"an iterator",
    "empty_blocks": b"between empty blocks",
    "written": b"written and returned",
    "only_written": b"only written",
    "asked_to_start_late": b"started late",
    "with_length": b"0123456789",
    "a_list_of_many": b"".join(b"%d," % number for number in range(3000)),
    "binary": bytes(range(256)) * 64 * 5,
    "no_blocks": b"",
    "an_empty_generator": b"",
}


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
@pytest.mark.parametrize("name", BODIES)
def test_a_body_of_any_form_arrives_whole(site: Site, name: str, version: str) -> None:
    reply = site.ask(f"/respond/{name}", version=version)
    assert (reply.status, reply.body) == (200, BODIES[name])


@pytest.mark.parametrize("name", BODIES)
def test_a_connection_is_kept_after_a_body_of_any_form(site: Site, name: str) -> None:
    """Length or chunks tell the client where the answer ends, so the connection can go on."""
    stay = {"Connection": "keep-alive"}
    with site.connect() as connection:
        connection.sendall(message(f"/respond/{name}", headers=stay))
        first = read_reply(connection)
        connection.sendall(message("/hello/named"))
        second = read_reply(connection)
    assert (first.body, second.body) == (BODIES[name], b"hello from named")


@pytest.mark.parametrize("name", BODIES)
def test_head_gets_the_headers_and_no_body(site: Site, name: str) -> None:
    answer = site.raw(message(f"/respond/{name}", "HEAD"))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"content-type: text/plain" in head.lower() or name == "binary"
    assert body == b""


def test_head_gets_the_length_that_the_application_promised(site: Site) -> None:
    assert site.ask("/respond/with_length", method="HEAD").header("Content-Length") == "10"


@pytest.mark.parametrize(("name", "length"), [("one_block", "9"), ("no_blocks", "0")])
def test_a_body_of_at_most_one_block_gets_its_length(site: Site, name: str, length: str) -> None:
    reply = site.ask(f"/respond/{name}")
    assert reply.header("Content-Length") == length
    assert reply.header("Transfer-Encoding") is None


@pytest.mark.parametrize("name", ["one_block", "a_generator", "no_blocks", "written"])
def test_no_length_is_made_up_for_head(site: Site, name: str) -> None:
    """The application may well leave the body out for HEAD; its length is not known then."""
    assert site.ask(f"/respond/{name}", method="HEAD").header("Content-Length") is None


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_an_answer_without_a_body_keeps_its_status(site: Site, status: str) -> None:
    reply = site.ask(f"/respond/status?{status.replace(' ', '%20')}")
    assert f"{reply.status} {reply.reason}" == status
    assert reply.body == b""


@pytest.mark.needs("bare-204")
@pytest.mark.parametrize("status", ["204%20No%20Content", "304%20Not%20Modified"])
def test_an_answer_without_a_body_has_no_length(site: Site, status: str) -> None:
    assert site.ask(f"/respond/status?{status}").header("Content-Length") is None


@pytest.mark.needs("bare-204")
@pytest.mark.parametrize("query", ["", "body"])
def test_a_length_where_no_body_can_be_is_not_sent(site: Site, query: str) -> None:
    """RFC 9110, 8.6: "A server MUST NOT send a Content-Length [...] (No Content)"."""
    stay = {"Connection": "keep-alive"}
    with site.connect() as connection:
        connection.sendall(message(f"/shapes/bodiless_with_length?{query}", headers=stay))
        first = receive_until(connection, b"\r\n\r\n")
        connection.sendall(message("/hello/named"))
        second = read_reply(connection)
    assert first.startswith(b"HTTP/1.1 204 No Content\r\n")
    assert b"content-length" not in first.lower()
    assert first.endswith(b"\r\n\r\n")
    assert second.body == b"hello from named"


def test_an_iterator_that_tells_what_is_left_arrives_whole(site: Site) -> None:
    """Its length is 1 when its first block is taken, and that is not its only block."""
    assert site.ask("/shapes/counts_down").body == b"one two"


@pytest.mark.parametrize(
    "status",
    [
        "200 OK",
        "200 Fine by me",
        "201 Created",
        "206 Partial Content",
        "299 Made up",
        "303 See Other",
        "400 Bad Request",
        "404 Not Found",
        "404 Gone fishing",
        "418 I'm a teapot",
        "451 Unavailable For Legal Reasons",
        "500 Internal Server Error",
        "503 Service Unavailable",
        "599 Made up too",
    ],
)
def test_the_status_line_and_the_body_are_the_applications(site: Site, status: str) -> None:
    """An error status with a body is the application's answer, not the server's error page."""
    reply = site.ask(f"/respond/status?{status.replace(' ', '%20')}")
    assert f"{reply.status} {reply.reason}" == status
    assert reply.body == b"status body"


def test_repeated_headers_are_kept_in_order(site: Site) -> None:
    reply = site.ask("/respond/repeated_headers")
    assert reply.all("Set-Cookie") == ["a=1; Path=/", "b=2; Path=/", "c=3, with a comma"]
    assert reply.all("WWW-Authenticate") == ['Basic realm="one"', 'Bearer realm="two"']


def test_headers_keep_the_order_of_the_application(site: Site) -> None:
    names = [name.lower() for name, _ in site.ask("/respond/repeated_headers").headers]
    given = ("x-first", "set-cookie", "x-between", "www-authenticate", "x-last")
    assert [name for name in names if name in given] == [
        *("x-first", "set-cookie", "x-between", "set-cookie", "set-cookie"),
        *("www-authenticate", "www-authenticate", "x-last"),
    ]


def test_an_empty_header_value_is_sent(site: Site) -> None:
    assert site.ask("/respond/repeated_headers").header("X-Last") == ""


def test_a_header_value_is_sent_as_latin_1(site: Site) -> None:
    assert b"X-Name: caf\xe9\r\n" in site.raw(message("/respond/latin_1_header"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Content-Type", "text/x-own; charset=utf-8"),
        ("Content-Language", "de"),
        ("Content-Encoding", "x-own"),
        ("ETag", '"tag"'),
        ("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT"),
        ("Cache-Control", "no-store"),
    ],
)
def test_the_server_leaves_the_applications_headers_alone(
    site: Site, name: str, value: str
) -> None:
    assert site.ask("/respond/headers_that_servers_touch").all(name) == [value]


@pytest.mark.parametrize("name", ["Date", "Server"])
def test_the_server_adds_the_headers_that_http_wants(site: Site, name: str) -> None:
    assert len(site.ask("/respond/one_block").all(name)) == 1


def test_a_redirect_reaches_the_client(site: Site) -> None:
    reply = site.ask("/respond/redirect")
    assert (reply.status, reply.header("Location")) == (302, "http://example.com/elsewhere")
    assert reply.body == b"elsewhere"


def test_never_more_is_sent_than_was_promised(site: Site) -> None:
    answer = site.raw(message("/respond/more_than_promised"))
    assert answer.partition(b"\r\n\r\n")[2] == b"0123456789"
    assert site.watch.wait_for("Content-Length")


def test_writing_more_than_was_promised_raises(site: Site) -> None:
    site.expects_traceback("ValueError: .*Content-Length")
    answer = site.raw(message("/respond/writes_more_than_promised"))
    assert b"0123456789".startswith(answer.partition(b"\r\n\r\n")[2])


def test_less_than_was_promised_closes_the_connection_and_is_logged(site: Site) -> None:
    site.expects("Content-Length")
    stay = {"Connection": "keep-alive"}
    answer = site.raw(message("/respond/less_than_promised", headers=stay))
    assert answer.partition(b"\r\n\r\n")[2] == b"01234"


def test_a_body_of_many_blocks_is_chunked_for_http_1_1(site: Site) -> None:
    reply = site.ask("/respond/a_generator")
    assert reply.header("Transfer-Encoding") == "chunked"


def test_a_body_of_many_blocks_ends_with_the_connection_for_http_1_0(site: Site) -> None:
    reply = site.ask("/respond/a_generator", version="HTTP/1.0")
    assert reply.header("Transfer-Encoding") is None
    assert reply.header("Content-Length") is None


@pytest.mark.parametrize("blocks", [1, 50, 400])
def test_a_big_body_arrives_whole(site: Site, blocks: int) -> None:
    reply = site.get(f"/respond/big?{blocks}", stream=True)
    assert sum(len(block) for block in reply.iter_content(65536)) == blocks * 65536


def test_pipelined_requests_are_answered_in_order(site: Site) -> None:
    stay = {"Connection": "keep-alive"}
    requests = [message(f"/respond/query?{number}", headers=stay) for number in range(5)]
    answer = site.raw(b"".join(requests) + message("/respond/query?last"))
    bodies = [part.partition(b"\r\n\r\n")[2] for part in answer.split(b"HTTP/1.1 200 OK")[1:]]
    assert bodies == [b"0", b"1", b"2", b"3", b"4", b"last"]


def test_a_client_that_shuts_its_sending_side_still_gets_its_answer(site: Site) -> None:
    with site.connect() as connection:
        connection.sendall(message("/respond/a_generator"))
        connection.shutdown(socket.SHUT_WR)
        assert read_reply(connection).body == b"a generator"


@pytest.mark.parametrize("name", ["written_in_pieces", "written_in_pieces_with_length"])
def test_several_writes_send_nothing_for_head(site: Site, name: str) -> None:
    """Neither does the connection suffer: what comes next is the next answer."""
    stay = {"Connection": "keep-alive"}
    answer = site.raw(message(f"/respond/{name}", "HEAD", stay) + message("/hello/named"))
    assert b"\r\n\r\nHTTP/1.1 200 OK\r\n" in answer
    assert answer.count(b"\r\n\r\n") == 2
    assert answer.endswith(b"\r\n\r\nhello from named")


@pytest.mark.parametrize("path", ["/respond/one_block", "/respond/with_length", "/files/part"])
def test_a_range_of_head_is_no_body(site: Site, path: str) -> None:
    asked = {"Range": "bytes=1-3", "Connection": "keep-alive"}
    answer = site.raw(message(path, "HEAD", asked) + message("/hello/named"))
    assert re.match(rb"HTTP/1\.1 20[06] ", answer)
    assert answer.count(b"\r\n\r\n") == 2
    assert answer.endswith(b"\r\n\r\nhello from named")
