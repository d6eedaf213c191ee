"""Requests that two servers could read differently: at most one reading may ever be answered.

Each attack is a first request whose end is in doubt, with a second one hidden behind it. A server
in front that reads it otherwise would have taken the hidden one for the first one's body. So the
safe outcomes are few: the request is refused and the connection closed, or it is read by the rule
of RFC 9112 and nothing of the doubt is left.

All of it goes over plain sockets, letter for letter, on every line of Apache. What an old server
decides before any module is asked stands in LAX, with the reason.
"""

import re

import pytest

from tests.harness.cells import Cell
from tests.harness.site import Site

HIDDEN = b"GET /respond/query?hidden HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def post(*lines: bytes, version: bytes = b"HTTP/1.1") -> bytes:
    """The head of a request whose body is echoed by the application."""
    return b"\r\n".join([b"POST /bodies/read_all " + version, b"Host: x", *lines, b"", b""])


CHUNKS = b"3\r\nabc\r\n0\r\n\r\n"

# Refused by every RFC: no application is to see them, and nothing behind them is to be answered.
REFUSED = {
    "lengths-that-differ": post(b"Content-Length: 3", b"Content-Length: 4") + b"abcd",
    "lengths-in-a-list": post(b"Content-Length: 3, 4") + b"abcd",
    "length-with-sign": post(b"Content-Length: +3") + b"abc",
    "length-negative": post(b"Content-Length: -3") + b"abc",
    "length-in-hexadecimal": post(b"Content-Length: 0x3") + b"abc",
    "length-with-letters": post(b"Content-Length: 3abc") + b"abc",
    "length-of-two-numbers": post(b"Content-Length: 3 4") + b"abcd",
    "length-empty": post(b"Content-Length: "),
    "length-that-overflows": post(b"Content-Length: 18446744073709551619") + b"abc",
    "coding-unknown": post(b"Transfer-Encoding: xchunked") + CHUNKS,
    "coding-unknown-with-length": post(b"Transfer-Encoding: x", b"Content-Length: 3") + b"abc",
    "coding-after-chunked": post(b"Transfer-Encoding: chunked, identity") + CHUNKS,
    "coding-with-vertical-tab": post(b"Transfer-Encoding: \x0bchunked") + CHUNKS,
    "coding-in-quotes": post(b'Transfer-Encoding: "chunked"') + CHUNKS,
    "chunk-size-of-no-digits": post(b"Transfer-Encoding: chunked") + b"zz\r\nabc\r\n0\r\n\r\n",
    "chunk-size-empty": post(b"Transfer-Encoding: chunked") + b"\r\nabc\r\n0\r\n\r\n",
    "chunk-size-negative": post(b"Transfer-Encoding: chunked") + b"-3\r\nabc\r\n0\r\n\r\n",
    "chunk-size-with-prefix": post(b"Transfer-Encoding: chunked") + b"0x3\r\nabc\r\n0\r\n\r\n",
    "chunk-size-that-overflows": post(b"Transfer-Encoding: chunked")
    + b"10000000000000003\r\nabc\r\n0\r\n\r\n",
    "chunk-size-with-garbage": post(b"Transfer-Encoding: chunked") + b"3x\r\nabc\r\n0\r\n\r\n",
    "chunk-longer-than-its-size": post(b"Transfer-Encoding: chunked")
    + b"3\r\nabcdef\r\n0\r\n\r\n",
    "space-before-colon": post(b"Transfer-Encoding : chunked", b"Content-Length: 3") + CHUNKS,
    "space-before-colon-of-length": post(b"Content-Length : 3") + b"abc",
    "nul-in-a-header": post(b"X-Name: a\0b", b"Content-Length: 3") + b"abc",
    "header-without-colon": post(b"Transfer-Encoding chunked", b"Content-Length: 3") + b"abc",
}

# Read by the rule, and by no other: as chunked, and the connection closed behind it.
CHUNKED_WINS = {
    "length-and-coding": post(b"Content-Length: 3", b"Transfer-Encoding: chunked") + CHUNKS,
    "coding-and-length": post(b"Transfer-Encoding: chunked", b"Content-Length: 13") + CHUNKS,
    "coding-twice": post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked") + CHUNKS,
    "coding-and-length-of-1.0": post(
        b"Transfer-Encoding: chunked", b"Content-Length: 13", version=b"HTTP/1.0"
    )
    + CHUNKS,
    "coding-in-capitals": post(b"Transfer-Encoding: CHUNKED", b"Content-Length: 3") + CHUNKS,
    "coding-folded": post(b"Transfer-Encoding:\r\n chunked", b"Content-Length: 3") + CHUNKS,
}

CUT = "a header ends at a NUL there, before any module sees it; no end of a body is in doubt"
STRIPPED = "this server removes the space before any module sees the header, and obeys it"
SLACK = "this server's reading of chunk sizes is lax; ours closes the connection behind the body"

# What a line of Apache decides before any module is asked: it answers, and what comes behind the
# body is not believed ...
ANSWERED = {
    **dict.fromkeys(
        [
            ("1.3", "chunk-size-with-prefix"),
            ("1.3", "chunk-size-with-garbage"),
            ("2.0", "chunk-size-of-no-digits"),
            ("2.0", "chunk-size-empty"),
            ("2.0", "chunk-size-negative"),
            ("2.0", "chunk-size-with-prefix"),
            ("2.0", "chunk-size-with-garbage"),
            ("2.0", "chunk-longer-than-its-size"),
        ],
        SLACK,
    ),
    ("2.0", "space-before-colon"): STRIPPED,
}

# ... or it answers what comes behind the body as well.
FOLLOWED = {
    ("1.3", "nul-in-a-header"): CUT,
    ("2.0", "nul-in-a-header"): CUT,
    ("2.0", "space-before-colon-of-length"): STRIPPED,
}


def answers(seen: bytes) -> list[bytes]:
    """The status lines in what came back."""
    return re.findall(rb"HTTP/1\.[01] (\d{3}) ", seen)


def tolerate_reasons(site: Site) -> None:
    """A server may log why it refuses."""
    site.tolerates(r"\[(\w+:)?error\]")


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_http_is_refused_and_the_connection_closed(
    site: Site, cell: Cell, name: str
) -> None:
    tolerate_reasons(site)
    seen = site.raw(REFUSED[name] + HIDDEN)
    here = (cell.server.line, name)
    if here not in FOLLOWED:
        assert b"hidden" not in seen
        assert len(answers(seen)) == 1, seen
    if here not in ANSWERED and here not in FOLLOWED:
        assert answers(seen)[0][:1] in (b"4", b"5"), seen


@pytest.mark.parametrize("name", CHUNKED_WINS)
def test_a_coding_beats_a_length_and_nothing_is_believed_behind_it(site: Site, name: str) -> None:
    """RFC 9112, 6.3: the length is ignored, or the request refused; the connection is closed."""
    tolerate_reasons(site)
    seen = site.raw(CHUNKED_WINS[name] + HIDDEN)
    assert len(answers(seen)) == 1, seen
    assert b"hidden" not in seen
    if answers(seen) == [b"200"]:
        assert seen.partition(b"\r\n\r\n")[2] == b"abc"
    else:
        assert answers(seen)[0][:1] in (b"4", b"5")


def test_a_length_that_is_overruled_is_no_variable(site: Site) -> None:
    """An application that read CONTENT_LENGTH bytes would read another body than the server."""
    head = b"POST /environs/as_json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    both = b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
    tolerate_reasons(site)
    seen = site.raw(head + both + CHUNKS)
    assert b'"CONTENT_LENGTH": "1"' not in seen


@pytest.mark.parametrize(
    ("header", "variable"),
    [
        ("X_Forwarded_For", "HTTP_X_FORWARDED_FOR"),
        ("X.Forwarded.For", "HTTP_X_FORWARDED_FOR"),
        ("X-Forwarded_For", "HTTP_X_FORWARDED_FOR"),
        ("X$Forwarded~For", "HTTP_X_FORWARDED_FOR"),
        ("Proxy", "HTTP_PROXY"),
        ("Content_Length", "HTTP_CONTENT_LENGTH"),
        ("Content_Type", "HTTP_CONTENT_TYPE"),
        ("Remote_User", "HTTP_REMOTE_USER"),
        ("mod_wsgi.application", "HTTP_MOD_WSGI_APPLICATION"),
    ],
)
def test_a_header_that_would_pass_for_another_is_left_out(
    site: Site, header: str, variable: str
) -> None:
    """Also beside the real one, before it or behind it."""
    real = variable.removeprefix("HTTP_").replace("_", "-").title()
    for order in ([header, real], [real, header], [header]):
        sent = {name: "forged" if name == header else "real" for name in order}
        if real in ("Content-Length", "Proxy"):
            sent.pop(real, None)
        seen = site.ask("/environs/as_json", headers=sent).json()["strings"]
        assert "forged" not in seen.values()
        if real in sent and variable in seen:
            assert seen[variable] == "real"


@pytest.mark.parametrize("value", ["chunked", "close, Content-Length", "upgrade, X-Real"])
def test_a_connection_header_takes_nothing_away(site: Site, value: str) -> None:
    """The application still sees what the client sent beside it."""
    sent = {"Connection": f"close, {value}", "X-Real": "here"}
    assert site.ask("/environs/as_json", headers=sent).json()["strings"]["HTTP_X_REAL"] == "here"


@pytest.mark.parametrize(
    "case",
    [
        *("status-with-line-end", "name-with-line-end", "value-with-line-end"),
        *("value-with-folded-line", "value-with-lone-newline", "value-with-nul"),
    ],
)
def test_an_application_cannot_be_made_to_split_its_response(site: Site, case: str) -> None:
    """Text of a client that ends up in a head adds no header and no second response."""
    site.expects_traceback("ValueError: ")
    seen = site.raw(
        f"GET /misuse/uncaught/{case} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    )
    assert answers(seen) == [b"500"]
    assert b"Injected" not in seen


@pytest.mark.parametrize("path", ["ignored", "half_read"])
def test_a_body_left_unread_is_never_the_next_request(site: Site, path: str) -> None:
    """What an application leaves of its body may look like a request."""
    body = b"x" * 10 + HIDDEN
    head = f"POST /bodies/{path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    last = b"GET /hello/named HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    seen = site.raw(head.encode() + body + last)
    assert b"hidden" not in seen
    assert answers(seen) in ([b"200", b"200"], [b"200"])


@pytest.mark.parametrize("path", ["ignored", "half_read"])
def test_a_chunked_body_left_unread_is_never_the_next_request(site: Site, path: str) -> None:
    chunk = b"x" * 10 + HIDDEN
    head = b"POST /bodies/%s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(chunk), chunk)
    seen = site.raw(head % path.encode() + body + HIDDEN.replace(b"hidden", b"last"))
    assert b"hidden" not in seen


def test_an_error_page_does_not_leave_the_body_for_the_next_request(site: Site) -> None:
    """The application failed before it read anything."""
    site.expects_traceback("ValueError: raised at the call")
    head = b"POST /failing/at_the_call HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    seen = site.raw(head % len(HIDDEN) + HIDDEN + HIDDEN.replace(b"hidden", b"last"))
    assert b"hidden" not in seen
    assert answers(seen)[0] == b"500"


def test_a_broken_response_does_not_leave_the_connection_to_another(site: Site) -> None:
    """What a client in front would take for the rest of the body must not come."""
    site.expects("of the 10 bytes")
    head = b"GET /respond/less_than_promised HTTP/1.1\r\nHost: x\r\n\r\n"
    seen = site.raw(head + HIDDEN)
    assert seen.endswith(b"\r\n\r\n01234")
