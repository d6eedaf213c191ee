"""PEP 3333, duties 66 to 76: what HTTP asks, files, extensions; and what came after the PEP."""

from typing import Any

import pytest

from tests.harness.cells import Cell
from tests.harness.serving import Workshop
from tests.harness.site import Site, message, read_reply, receive_until

EXPECT = {"Expect": "100-continue", "Content-Length": "4"}

# One thread in each process, where the process model could have more.
ONE_THREAD = """
ThreadsPerChild 1
MaxClients 2
MinSpareThreads 1
MaxSpareThreads 2
@{base}
@{applications}
SetEnv mod_wsgi.threads 1
"""


def test_100_continue_is_sent_at_the_first_read_and_not_before(site: Site) -> None:
    """PEP 3333 duty 66: the application decides whether the client sends its body."""
    with site.connect() as connection:
        connection.sendall(message("/bodies/read_when_told?duty-66", "POST", EXPECT))
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(10)
        site.go("duty-66")
        interim = receive_until(connection, b"\r\n\r\n")
        connection.sendall(b"body")
        reply = read_reply(connection)
    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert (reply.status, reply.body) == (200, b"body")


def test_no_100_continue_is_sent_for_a_body_that_nobody_reads(site: Site) -> None:
    """PEP 3333 duty 66: the final answer is the first, and nothing is sent for the body."""
    with site.connect() as connection:
        connection.sendall(message("/bodies/ignored", "POST", EXPECT))
        first = receive_until(connection, b"not read")
    assert first.startswith(b"HTTP/1.1 200 OK\r\n")


def test_an_older_client_is_not_sent_100_continue(site: Site) -> None:
    """PEP 3333 duty 66: HTTP/1.0 knows no interim answers."""
    reply = site.ask(
        "/bodies/read_all", method="POST", headers=EXPECT, body=b"body", version="HTTP/1.0"
    )
    assert (reply.status, reply.body) == (200, b"body")


@pytest.mark.parametrize("ending", [b"0\r\n\r\n", b"0\r\nX-Late: 1\r\n\r\n", b"000\r\n\r\n"])
def test_a_chunked_body_is_decoded_by_the_server(site: Site, ending: bytes) -> None:
    """PEP 3333 duty 67: the application reads the bytes, not their coding."""
    chunked = {"Transfer-Encoding": "chunked"}
    body = b"5\r\nhello\r\n6;ext=1\r\n world\r\n" + ending
    reply = site.ask("/bodies/read_all", method="POST", headers=chunked, body=body)
    assert reply.body == b"hello world"


@pytest.mark.parametrize(
    "headers",
    [
        {"If-None-Match": '"tag"'},
        {"If-None-Match": "*"},
        {"If-Modified-Since": "Sat, 29 Oct 2044 19:43:31 GMT"},
        {"Accept": "image/png"},
        {"Accept-Language": "fr"},
        {"Accept-Charset": "utf-16"},
    ],
)
def test_the_answer_is_the_applications_whatever_the_client_prefers(
    site: Site, headers: dict[str, str]
) -> None:
    """PEP 3333 duty 68: the server plays dumb; caching and negotiation are the application's."""
    reply = site.ask("/respond/headers_that_servers_touch", headers=headers)
    assert (reply.status, reply.body) == (200, b"headers")
    assert reply.all("Content-Type") == ["text/x-own; charset=utf-8"]


@pytest.mark.parametrize("path", ["/files/whole", "/ranges/a_list", "/ranges/a_block"])
def test_a_range_is_cut_out_of_what_has_its_end(site: Site, workshop: Workshop, path: str) -> None:
    """PEP 3333 duty 68, [m]: the server may cut ranges out of a response."""
    content = workshop.data.read_bytes()
    reply = site.ask(path, headers={"Range": "bytes=1000-1999"})
    assert (reply.status, reply.body) == (206, content[1000:2000])
    assert reply.header("Content-Range") == f"bytes 1000-1999/{len(content)}"


def test_no_range_is_cut_out_of_what_comes_in_pieces(site: Site, workshop: Workshop) -> None:
    """PEP 3333 duty 68: the pieces would have to wait for each other."""
    reply = site.ask("/ranges/in_pieces", headers={"Range": "bytes=1000-1999"})
    assert (reply.status, reply.body) == (200, workshop.data.read_bytes())


def test_there_is_a_way_to_run_single_threaded(serve: Any, cell: Cell) -> None:
    """PEP 3333 duty 69: prefork, or one thread in each process."""
    config = "@{base}@{applications}" if cell.server.mpm == "prefork" else ONE_THREAD
    flags = serve(config, processes=2).ask("/environs/as_json").json()["flags"]
    assert flags["wsgi.multithread"] is False


@pytest.mark.parametrize("name", ["whole", "with_block_size", "unbuffered"])
def test_file_wrapper_takes_a_file_and_perhaps_a_block_size(
    site: Site, workshop: Workshop, name: str
) -> None:
    """PEP 3333 duty 70: and returns an iterable of its blocks."""
    content = workshop.data.read_bytes()
    assert site.ask(f"/files/{name}").body == content
    assert site.ask("/files/iterated").body == content[::1000]


def test_making_a_wrapper_sends_nothing(site: Site) -> None:
    """PEP 3333 duty 71: only what is returned is sent."""
    assert site.ask("/files/unsent").body == b"something else"


def test_a_wrapper_has_close_if_its_file_has(site: Site, workshop: Workshop) -> None:
    """PEP 3333 duty 72: and it closes the file."""
    assert site.ask("/wrappers/has_close").json() == {"with": True, "without": False}
    assert site.ask("/files/closes?duty-72").body == workshop.data.read_bytes()
    assert site.told("duty-72") == "closed"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/files/in_memory", b"in memory" * 1000),
        ("/files/only_reads", b"one two three"),
        ("/files/pipe", b"through a pipe"),
        ("/wrappers/compressed", b"compressed" * 1000),
        ("/wrappers/subclass_of_a_file", b"not what the descriptor has"),
    ],
)
def test_what_no_descriptor_stands_for_is_read(site: Site, path: str, body: bytes) -> None:
    """PEP 3333 duty 73: also where there is a descriptor, but of other bytes."""
    assert site.ask(path).body == body


@pytest.mark.parametrize(
    ("name", "begin", "end"),
    [("from_an_offset", 1000, None), ("from_a_sought_place", 1234, None), ("part", 100, 600)],
)
def test_a_file_is_sent_from_its_place_to_its_end_or_content_length(
    site: Site, workshop: Workshop, name: str, begin: int, end: int | None
) -> None:
    """PEP 3333 duty 74."""
    assert site.ask(f"/files/{name}").body == workshop.data.read_bytes()[begin:end]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_length_of_a_file_is_told_where_it_is_sent(
    site: Site, workshop: Workshop, method: str
) -> None:
    """PEP 3333 duty 75, [m]: from where it stands; not for HEAD."""
    reply = site.ask("/files/from_an_offset", method=method)
    length = str(len(workshop.data.read_bytes()) - 1000)
    assert reply.all("Content-Length") == ([length] if method == "GET" else [])


def test_too_short_a_file_closes_the_connection(site: Site, workshop: Workshop) -> None:
    """PEP 3333 duties 59 and 74: more was promised than the file has."""
    site.expects("Content-Length")
    answer = site.raw(message("/wrappers/too_short", headers={"Connection": "keep-alive"}))
    assert answer.partition(b"\r\n\r\n")[2] == workshop.data.read_bytes()


def test_nothing_in_environ_is_a_way_around_middleware(site: Site) -> None:
    """PEP 3333 duty 76: file_wrapper is the only extension, and works by what is returned."""
    assert site.ask("/kinds/of_callables").json() == {"callables": ["wsgi.file_wrapper"]}


@pytest.mark.parametrize("name", ["changed_by_middleware", "replaced_by_middleware"])
def test_middleware_that_wraps_a_file_has_its_way(site: Site, name: str) -> None:
    """PEP 3333 duty 76: the file is not sent behind its back."""
    assert site.ask(f"/wrappers/{name}").body == b"MIDDLEWARE"


def test_everything_is_bytes_on_python_2_and_text_on_3(site: Site, version: str) -> None:
    """Python 2: environ holds the raw bytes; unicode in head or body is a TypeError."""
    unicode_status = site.ask("/misuse/refused/status-as-bytes-or-unicode").text
    outside = site.ask("/misuse/refused/value-outside-latin-1").text
    assert unicode_status == "TypeError"
    assert outside == ("TypeError" if version.startswith("2.") else "ValueError")


def test_the_input_says_that_it_ends(site: Site) -> None:
    """Beyond the PEP: wsgi.input_terminated, so chunked bodies can be read by frameworks."""
    assert site.ask("/environs/as_json").json()["input_terminated"] is True


def test_an_application_hears_that_the_body_came_in_chunks(site: Site) -> None:
    """Beyond the PEP: CherryPy answers 411 where neither a length nor a coding is there."""
    chunked = {"Transfer-Encoding": "chunked"}
    body = b"3\r\nabc\r\n0\r\n\r\n"
    reply = site.ask("/environs/as_json", method="POST", headers=chunked, body=body)
    seen = reply.json()["strings"]
    assert seen["HTTP_TRANSFER_ENCODING"] == "chunked"
    assert not seen.get("CONTENT_LENGTH")


def test_request_uri_is_as_it_was_sent(site: Site) -> None:
    """Beyond the PEP: what PATH_INFO has lost by decoding is there."""
    seen = site.ask("/environs/as_json/a%2Cb%20c?d=%20").json()["strings"]
    assert seen["REQUEST_URI"] == "/environs/as_json/a%2Cb%20c?d=%20"
    assert seen["PATH_INFO"] == "/a,b c"


def test_file_wrapper_is_a_type(site: Site) -> None:
    """Beyond the PEP: so that isinstance() works, as frameworks expect."""
    assert site.ask("/environs/methods").json()["file_wrapper_is_type"] is True


def test_a_proxy_header_is_no_variable(site: Site) -> None:
    """Beyond the PEP: HTTP_PROXY would be taken for a setting (CVE-2016-5387)."""
    for name in ("Proxy", "proxy", "PROXY"):
        seen = site.ask("/environs/as_json", headers={name: "http://evil.example"}).json()
        assert "HTTP_PROXY" not in seen["types"]


def test_request_scheme_is_there_where_apache_has_it(site: Site, cell: Cell) -> None:
    """Beyond the PEP: REQUEST_SCHEME, since Apache 2.4; older lines have wsgi.url_scheme alone."""
    seen = site.ask("/environs/as_json").json()["strings"]
    assert seen.get("REQUEST_SCHEME") == ("http" if cell.server.line == "2.4" else None)
    assert seen["wsgi.url_scheme"] == "http"
