"""wsgi.file_wrapper: files as the server sends them best, and everything that is no real file."""

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.harness.cells import Cell
from tests.harness.serving import Workshop
from tests.harness.site import Site, message, receive_until

UNMAPPED = """
LoadModule deflate_module "@{modules}/mod_deflate.so"
EnableMMAP Off
EnableSendfile Off
<Location /files>
    SetOutputFilter DEFLATE
</Location>
@{base}
@{applications}
"""


@pytest.fixture
def content(workshop: Workshop) -> bytes:
    return workshop.data.read_bytes()


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
@pytest.mark.parametrize("name", ["whole", "with_block_size", "unbuffered"])
def test_a_file_is_sent_whole(site: Site, content: bytes, name: str, version: str) -> None:
    assert site.ask(f"/files/{name}", version=version).body == content


@pytest.mark.parametrize(
    ("name", "start"), [("from_an_offset", 1000), ("from_a_sought_place", 1234)]
)
def test_a_file_is_sent_from_where_it_stands(
    site: Site, content: bytes, name: str, start: int
) -> None:
    """Also where Python has read ahead: the descriptor then stands further than the file."""
    assert site.ask(f"/files/{name}").body == content[start:]


def test_content_length_ends_a_file(site: Site, content: bytes) -> None:
    reply = site.ask("/files/part")
    assert (reply.header("Content-Length"), reply.body) == ("500", content[100:600])


def test_a_file_at_its_end_sends_nothing(site: Site) -> None:
    reply = site.ask("/files/empty")
    assert (reply.status, reply.body) == (200, b"")


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("in_memory", b"in memory" * 1000),
        ("only_reads", b"one two three"),
        ("after_write", b"written first:then the file"),
        ("pipe", b"through a pipe"),
        ("unsent", b"something else"),
    ],
)
def test_what_is_no_real_file_is_sent_all_the_same(site: Site, name: str, body: bytes) -> None:
    assert site.ask(f"/files/{name}").body == body


def test_the_wrapper_can_be_iterated(site: Site, content: bytes) -> None:
    assert site.ask("/files/iterated").body == content[::1000]


def test_the_file_is_closed_after_it_was_sent(site: Site, content: bytes) -> None:
    assert site.get("/files/closes?file-closes").content == content
    assert site.told("file-closes") == "closed"


def test_head_sends_nothing_of_a_file(site: Site) -> None:
    head, _, body = site.raw(message("/files/whole", "HEAD")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert body == b""


def test_a_file_opened_as_text_is_an_error_that_names_the_type(site: Site) -> None:
    site.expects_traceback("TypeError.*bytes|TypeError.*unicode|TypeError.*str")
    assert site.get("/files/text").status_code == 500


def test_a_connection_is_kept_after_a_file(site: Site, content: bytes) -> None:
    stay = {"Connection": "keep-alive"}
    answer = site.raw(
        message("/files/part", headers=stay)
        + message("/files/whole", headers=stay)
        + message("/hello/named")
    )
    assert content[100:600] in answer
    assert content in answer
    assert answer.endswith(b"hello from named")


def test_a_file_of_the_system_is_sent_whatever_size_it_says(site: Site) -> None:
    assert site.ask("/files/of_the_system").text.startswith("Linux version")


def test_a_file_that_shrinks_while_it_is_sent_ends_the_connection(site: Site) -> None:
    """What was promised cannot be kept, so what comes next must not be taken for the rest."""
    path, size = site.scratch / "shrinking", 64 << 20
    path.write_bytes(b"")
    os.truncate(path, size)
    head, body = shrink(site, path)
    assert b"Content-Length: %d" % size in head
    assert len(body) < size
    assert b"hello from named" not in body


@pytest.mark.needs("filters")
def test_a_file_that_shrinks_is_not_mapped_where_that_is_switched_off(
    serve: Serve, cell: Cell
) -> None:
    """A filter that reads mapped memory behind the end of the file ends the process."""
    site = serve(UNMAPPED, values={"modules": str(cell.server.modules)})
    path, size = site.scratch / "shrinking", 16 << 20
    path.write_bytes(os.urandom(size))
    head, body = shrink(site, path, {"Accept-Encoding": "gzip"})
    assert b"Content-Encoding: gzip" in head
    assert len(body) < size
    assert b"hello from named" not in body


def shrink(
    site: Site, path: Path, headers: Mapping[str, str] | None = None
) -> tuple[bytes, bytes]:
    """Head and body of an answer whose file is cut while it is sent to a client that waits."""
    site.tolerates(r"\[(\w+:)?error\]")
    stay = {"Connection": "keep-alive", **(headers or {})}
    with site.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.sendall(
            message(f"/files/shrinking?{path.name}", headers=stay) + message("/hello/named")
        )
        seen = receive_until(connection, b"\r\n\r\n")
        time.sleep(0.1)
        os.truncate(path, 1000)
        with suppress(ConnectionError):
            seen += b"".join(iter(lambda: connection.recv(1 << 20), b""))
    assert site.ask("/hello/named").body == b"hello from named"
    head, _, body = seen.partition(b"\r\n\r\n")
    return head, body


def test_a_file_that_is_sent_late_is_still_that_file(site: Site, content: bytes) -> None:
    """Its application has closed it by then, and another file has that descriptor's number."""
    stay = {"Connection": "keep-alive"}
    request = message("/files/whole", headers={**stay, "Range": "bytes=1000-1999"})
    answer = site.raw(request + message("/files/opens_another"))
    assert answer.startswith(b"HTTP/1.1 206")
    assert answer.partition(b"\r\n\r\n")[2][:1000] == content[1000:2000]
    assert answer.endswith(b"opened")
