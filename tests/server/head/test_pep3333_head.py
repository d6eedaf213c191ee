"""PEP 3333, duties 40 to 52: start_response and the head of the response."""

import pytest

from tests.harness.site import Site, message, read_reply, receive_until

HOP_BY_HOP = [
    *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization"),
    *("te", "trailer", "trailers", "transfer-encoding", "upgrade"),
]


def refused(site: Site, name: str) -> str:
    """The exception that start_response raised at the call for a case of tests/apps/misuse.py."""
    return site.ask(f"/misuse/refused/{name}").text


def test_start_response_returns_a_callable_to_write_with(site: Site) -> None:
    """PEP 3333 duty 40: called with positional arguments, status, headers, exc_info."""
    assert site.ask("/kinds/of_start_response").text.startswith("callable;")
    assert site.ask("/kinds/of_native_functions").text == "functions"
    for name in ("no-arguments", "one-argument", "four-arguments"):
        assert refused(site, name) == "TypeError"


def test_headers_are_a_list_of_pairs(site: Site) -> None:
    """PEP 3333 duty 41: a list, and no other type, of tuples of two strings."""
    for name in ("headers-as-tuple", "headers-as-dict", "headers-as-none", "header-as-list"):
        assert refused(site, name) == "TypeError"
    assert site.ask("/misuse/changes_its_list_later").header("X-Kept") == "1"


@pytest.mark.parametrize(
    "name",
    [
        *("status-without-reason", "status-without-number", "status-of-two-digits"),
        *("status-of-four-digits", "status-with-line-end", "status-with-trailing-line-end"),
        *("status-with-nul",),
    ],
)
def test_a_status_that_is_no_number_and_reason_raises_at_the_call(site: Site, name: str) -> None:
    """PEP 3333 duty 42: "NNN reason", one space, nothing around it, no control character."""
    assert refused(site, name) == "ValueError"


@pytest.mark.parametrize(
    "name", ["two-spaces", "leading-space", "trailing-space", "tab", "interim"]
)
def test_a_status_with_odd_space_raises_at_the_call(site: Site, name: str) -> None:
    """PEP 3333 duty 42: a single space, with no surrounding whitespace."""
    assert site.ask(f"/statuses/refused/{name}").text == "ValueError"


@pytest.mark.parametrize("name", ["name-empty", "name-with-colon", "name-with-space",
                                  "name-with-line-end", "name-outside-ascii"])  # fmt: skip
def test_a_header_name_is_a_token(site: Site, name: str) -> None:
    """PEP 3333 duty 43: without colon, space, or anything that is no character of a token."""
    assert refused(site, name) == "ValueError"


@pytest.mark.parametrize("name", ["value-with-line-end", "value-with-folded-line",
                                  "value-with-lone-newline", "value-with-nul",
                                  "value-with-escape", "value-with-delete"])  # fmt: skip
def test_a_header_value_has_no_control_character(site: Site, name: str) -> None:
    """PEP 3333 duty 43: none at all, not only no line ends."""
    assert refused(site, name) == "ValueError"


def test_every_byte_that_http_forbids_in_a_head_is_refused(site: Site) -> None:
    """PEP 3333 duty 43: each of the 256, in a name, in a value and in a reason."""
    controls = [*range(32), 127]
    separators = [*range(33), *b'"(),/:;<=>?@[\\]{}', *range(127, 256)]
    seen = site.ask("/statuses/bytes_refused").json()
    assert seen["value"] == controls
    assert seen["name"] == sorted(separators)
    assert seen["reason"] == controls


@pytest.mark.parametrize("name", HOP_BY_HOP)
def test_a_hop_by_hop_header_is_refused(site: Site, name: str) -> None:
    """PEP 3333 duty 44: in every case of letters, and with no value that would be harmless."""
    assert site.ask(f"/statuses/hop_by_hop?{name}").text == "ValueError " * 3


def test_no_header_is_sent_by_start_response(site: Site) -> None:
    """PEP 3333 duties 45 and 46: the head waits for the first block that is not empty."""
    with site.connect() as connection:
        connection.sendall(message("/streams/waits_before_the_first?duty-45"))
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        site.go("duty-45")
        connection.settimeout(10)
        assert b"first\n" in receive_until(connection, b"first\n")


def test_the_head_goes_out_with_the_first_write(site: Site) -> None:
    """PEP 3333 duty 46: write() sends it, and what it took, before it returns."""
    with site.connect() as connection:
        connection.sendall(message("/shapes/writes_while_waiting?duty-46"))
        head = receive_until(connection, b"first\n")
        site.go("duty-46")
        receive_until(connection, b"second\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("name", ["no_blocks", "an_empty_generator"])
def test_the_head_goes_out_when_the_iterable_is_exhausted(site: Site, name: str) -> None:
    """PEP 3333 duty 46: also when there never was a block."""
    assert site.ask(f"/respond/{name}").header("X-Empty") == "yes"


@pytest.mark.parametrize(
    "path", ["/misuse/replaces_its_head", "/shapes/starts_again_in_the_generator"]
)
def test_exc_info_replaces_a_head_that_is_not_sent(site: Site, path: str) -> None:
    """PEP 3333 duty 47: status and headers, all of them."""
    reply = site.ask(path)
    assert (reply.status, reply.reason, reply.body) == (503, "Not Now", b"replaced")
    assert reply.header("X-First") is None


def test_exc_info_replaces_a_length_that_was_too_small_for_write(site: Site) -> None:
    """PEP 3333 duty 47: a write() that was refused has sent nothing."""
    reply = site.ask("/shapes/late_replacement")
    assert (reply.status, reply.body) == (500, b"replaced")


def test_exc_info_is_raised_again_once_the_head_is_sent(site: Site) -> None:
    """PEP 3333 duty 48: the very exception, with its traceback."""
    assert site.ask("/misuse/tells_what_comes_back").text == "sent;same;deep"


def test_an_exception_that_came_back_breaks_the_response(site: Site) -> None:
    """PEP 3333 duty 48: an application that lets it pass is aborted."""
    site.expects_traceback("KeyError: .found out too late")
    answer = site.raw(message("/misuse/replaces_too_late"))
    assert b"sent" in answer
    assert not answer.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("name", ["starts_twice", "starts_again_after_a_refusal"])
def test_a_second_call_without_exc_info_is_fatal(site: Site, name: str) -> None:
    """PEP 3333 duty 49: also where the first call raised."""
    site.expects_traceback("RuntimeError: .*start_response.* second time")
    assert site.ask(f"/misuse/{name}").status == 500


def test_nothing_of_exc_info_is_kept(site: Site) -> None:
    """PEP 3333 duty 50: the exception dies when its frames have ended."""
    assert site.ask("/kinds/of_start_response").text == "callable;forgotten"


@pytest.mark.parametrize("name", ["Date", "Server"])
@pytest.mark.parametrize("path", ["one_block", "a_generator", "no_blocks"])
def test_the_server_adds_what_http_requires(site: Site, path: str, name: str) -> None:
    """PEP 3333 duty 51: once each."""
    assert len(site.ask(f"/respond/{path}").all(name)) == 1


@pytest.mark.parametrize("style", ["lower", "upper", "title"])
def test_content_type_and_length_are_known_in_every_case_of_letters(
    site: Site, style: str
) -> None:
    """PEP 3333 duty 52: header names are case-insensitive, so each is sent once."""
    stay = {"Connection": "keep-alive"}
    with site.connect() as connection:
        connection.sendall(message(f"/shapes/cased_headers?{style}", headers=stay))
        reply = read_reply(connection)
    assert reply.all("Content-Type") == ["text/x-own"]
    assert reply.all("Content-Length") == ["5"]
    assert reply.header("Transfer-Encoding") is None
    assert reply.body == b"12345"


@pytest.mark.parametrize("name", ["doubled_length", "doubled_type"])
def test_two_headers_that_can_only_be_one_are_refused(site: Site, name: str) -> None:
    """PEP 3333 duties 42 and 52: whatever the case of their letters."""
    site.expects_traceback("ValueError: a second Content-(Length|Type)")
    assert site.ask(f"/shapes/{name}").status == 500


def test_several_cookies_stay_several(site: Site) -> None:
    """PEP 3333 duty 68: headers are not folded into one, and keep their order."""
    cookies = site.ask("/respond/repeated_headers").all("Set-Cookie")
    assert cookies == ["a=1; Path=/", "b=2; Path=/", "c=3, with a comma"]


def test_a_complete_response_cannot_be_changed_by_a_destructor(site: Site) -> None:
    """PEP 3333 duty 48: what was decided is as good as sent."""
    for _ in range(20):
        reply = site.ask("/shapes/haunted")
        assert (reply.status, reply.body) == (200, b"living")
        assert reply.header("X-Living") == "l" * 300
