"""A response is on its way when it is complete, whatever the client has yet to send.

PEP 3333, "Buffering and Streaming": a server must not delay the transmission of any block. Some
clients send their body only when they have read the answer, and it takes others a while.
"""

from contextlib import suppress
from dataclasses import dataclass

import pytest

from tests.conftest import Serve
from tests.harness.site import Reply, Site, message, read_reply

ANSWER = b"an early answer"

# Less than it takes any server to give up a client that sends nothing.
AT_ONCE = 5


@dataclass(frozen=True, kw_only=True)
class Upload:
    """The headers of a request with a body, what of it comes with them, and what later."""

    headers: dict[str, str]
    first: bytes = b""
    rest: bytes

    @classmethod
    def of_length(cls, length: int, first: int = 0) -> "Upload":
        body = b"twelve byte\n" * (length // 12)
        headers = {"Connection": "keep-alive", "Content-Length": str(length)}
        return cls(headers=headers, first=body[:first], rest=body[first:])

    @classmethod
    def in_chunks(cls, first: bytes = b"") -> "Upload":
        headers = {"Connection": "keep-alive", "Transfer-Encoding": "chunked"}
        return cls(headers=headers, first=first, rest=b"c\r\ntwelve byte\n\r\n0\r\n\r\n")


UPLOADS = {
    "nothing-of-120-bytes": Upload.of_length(120),
    "half-of-120-bytes": Upload.of_length(120, 60),
    "nothing-of-120000-bytes": Upload.of_length(120_000),
    "a-third-of-120000-bytes": Upload.of_length(120_000, 40_000),
    "no-chunk": Upload.in_chunks(),
    "one-chunk": Upload.in_chunks(b"c\r\ntwelve byte\n\r\n"),
}
EXPECTING = Upload.of_length(120)
EXPECTING.headers["Expect"] = "100-continue"
SMALL = pytest.mark.needs("small-bodies-as-they-come")
EACH = [pytest.param(name, marks=SMALL if "-120-" in name else ()) for name in UPLOADS]
READ_IN_PART = [each for each in EACH if UPLOADS[str(each.values[0])].first]
WITH_A_BODY = [
    "lists",
    "lists_and_tells_the_length",
    "generates",
    "generates_its_length",
    "writes",
    "writes_its_length",
]
FILES = ["whole", "part", "in_memory", "empty"]


def ask_early(site: Site, path: str, upload: Upload, method: str = "POST") -> Reply:
    """The answer to a request whose body is not there yet; then the body, and another request.

    A server that keeps the connection takes what follows the body for the next request.
    """
    with site.connect() as connection:
        connection.settimeout(AT_ONCE)
        connection.sendall(message(path, method, upload.headers) + upload.first)
        reply = read_reply(connection, method)
        with suppress(ConnectionError):
            connection.sendall(upload.rest + message("/hello/named"))
            seen = b"".join(iter(lambda: connection.recv(65536), b""))
            if "close" not in (reply.header("Connection") or ""):
                assert seen.endswith(b"\r\n\r\nhello from named"), seen
            else:
                assert seen == b""
    return reply


@pytest.mark.parametrize("upload", EACH)
@pytest.mark.parametrize("name", WITH_A_BODY)
def test_an_answer_does_not_wait_for_the_body(site: Site, name: str, upload: str) -> None:
    """PEP 3333 duty 53."""
    reply = ask_early(site, f"/early/{name}", UPLOADS[upload])
    assert (reply.status, reply.body) == (200, ANSWER)


@pytest.mark.parametrize("upload", READ_IN_PART)
@pytest.mark.parametrize("name", ["reads_ten_bytes", "reads_a_line"])
def test_an_answer_does_not_wait_for_what_is_not_read(site: Site, name: str, upload: str) -> None:
    reply = ask_early(site, f"/early/{name}", UPLOADS[upload])
    assert (reply.status, reply.body) == (200, ANSWER)


@pytest.mark.parametrize("name", FILES)
def test_a_file_does_not_wait_for_the_body(site: Site, name: str) -> None:
    reply = ask_early(site, f"/files/{name}", Upload.of_length(120_000))
    assert (reply.status, reply.body) == (200, site.ask(f"/files/{name}").body)


def test_a_range_of_a_file_does_not_wait_for_the_body(site: Site) -> None:
    upload = Upload.of_length(120_000)
    upload.headers["Range"] = "bytes=10-19"
    reply = ask_early(site, "/files/whole", upload, method="GET")
    assert (reply.status, reply.body) == (206, site.ask("/files/whole").body[10:20])


@pytest.mark.parametrize("upload", ["nothing-of-120000-bytes", "no-chunk"])
@pytest.mark.parametrize(
    ("name", "status"), [("has_no_content", 204), ("redirects", 303), ("refuses", 403)]
)
def test_no_status_waits_for_the_body(site: Site, name: str, status: int, upload: str) -> None:
    reply = ask_early(site, f"/early/{name}", UPLOADS[upload])
    assert (reply.status, reply.body) == (status, ANSWER if status == 403 else b"")


@pytest.mark.parametrize("status", ["400 Bad Request", "500 Oops", "503 Service Unavailable"])
def test_a_status_that_ends_the_connection_does_not_wait_for_the_body(
    site: Site, status: str
) -> None:
    path = f"/respond/status?{status.replace(' ', '%20')}"
    reply = ask_early(site, path, Upload.of_length(120_000))
    assert (f"{reply.status} {reply.reason}", reply.body) == (status, b"status body")
    assert reply.header("Connection") == "close"


@pytest.mark.parametrize("path", ["/early/lists", "/early/generates", "/files/whole"])
def test_head_does_not_wait_for_the_body(site: Site, path: str) -> None:
    assert ask_early(site, path, Upload.of_length(120_000), "HEAD").status == 200


def test_a_large_answer_does_not_wait_for_the_body(site: Site) -> None:
    reply = ask_early(site, "/early/has_a_lot", Upload.of_length(120_000))
    assert len(reply.body) == 12_000_000


def test_an_error_page_does_not_wait_for_the_body(site: Site) -> None:
    site.expects_traceback("ValueError: raised before anything was read")
    assert ask_early(site, "/expected/fails", Upload.of_length(120_000)).status == 500


def test_a_page_for_what_is_not_there_does_not_wait_for_the_body(serve: Serve) -> None:
    """The servers' own handlers read the body first; here the connection ends with the page."""
    site = serve("AddHandler mod_wsgi .wsgi\n@{base}@{applications}")
    for upload in (*UPLOADS.values(), EXPECTING):
        reply = ask_early(site, "/is-not-there.wsgi", upload)
        assert (reply.status, reply.header("Connection")) == (404, "close")


def test_a_client_that_is_refused_can_stop(site: Site) -> None:
    """It hears of it while it sends, as curl does: not when all is sent."""
    with site.connect() as connection:
        connection.settimeout(AT_ONCE)
        upload = Upload.of_length(24_000_000, 120_000)
        connection.sendall(message("/early/refuses", "POST", upload.headers) + upload.first)
        assert read_reply(connection).status == 403


def test_an_answer_does_not_wait_for_close(site: Site) -> None:
    """PEP 3333 duty 53: the one block was all there is."""
    stay = {"Connection": "keep-alive"}
    with site.connect() as connection:
        connection.settimeout(AT_ONCE)
        connection.sendall(message("/early/closes_late?late-close", headers=stay))
        assert read_reply(connection).body == ANSWER
        site.go("late-close")
