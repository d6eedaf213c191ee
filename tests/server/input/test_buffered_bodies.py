"""mod_wsgi.buffer_body: the body is read before the application is called, and has a length."""

import hashlib
import re
import socket
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.harness.errorlog import until
from tests.harness.site import Site, message, read_reply, receive_until
from tests.server.input.test_request_bodies import (
    CHUNKED,
    LINES,
    READS,
    WAYS,
    assert_one_line,
    chunked,
)

CONFIG = """
@{base}
SetEnv mod_wsgi.buffer_body on
@{applications}
<Location /limited>
    LimitRequestBody 100000
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application bodies::read_by_length
</Location>
<Location /as-it-comes>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application bodies::read_by_length
    SetEnv mod_wsgi.buffer_body off
</Location>
"""

# Around what is kept in memory, and what makes a file of it.
SIZES = [1, 8192, 65535, 65536, 65537, 131072, 3_000_000]


def report(body: bytes) -> dict[str, object]:
    digest = hashlib.sha256(body).hexdigest()
    return {"length": str(len(body)), "sha256": digest, "transfer": None, "rest": ""}


def content(size: int) -> bytes:
    return bytes(number % 251 for number in range(size))


def pieces(body: bytes, size: int = 10_007) -> bytes:
    return chunked(*[body[start : start + size] for start in range(0, len(body), size)])


@pytest.mark.parametrize("way", WAYS)
def test_a_body_has_its_length_however_it_came(site: Site, way: str) -> None:
    headers, body = WAYS[way]
    reply = site.ask("/bodies/read_by_length", method="POST", headers=headers, body=body)
    assert reply.json() == report(LINES)


@pytest.mark.parametrize("size", SIZES)
def test_a_chunked_body_of_any_size_has_its_length(site: Site, size: int) -> None:
    body = content(size)
    reply = site.ask("/bodies/read_by_length", method="POST", headers=CHUNKED, body=pieces(body))
    assert reply.json() == report(body)


@pytest.mark.parametrize("size", SIZES)
def test_a_body_of_a_known_length_arrives_whole(site: Site, size: int) -> None:
    body = content(size)
    assert site.post("/bodies/read_by_length", body).json() == report(body)


def test_a_chunked_body_of_no_bytes_has_the_length_0(site: Site) -> None:
    reply = site.ask("/bodies/read_by_length", method="POST", headers=CHUNKED, body=chunked())
    assert reply.json() == report(b"")


def test_a_request_without_a_body_has_no_length(site: Site) -> None:
    assert site.get("/bodies/read_by_length").json() == {**report(b""), "length": None}


def test_without_the_setting_a_chunked_body_has_no_length(site: Site) -> None:
    reply = site.ask("/as-it-comes", method="POST", headers=CHUNKED, body=chunked(LINES))
    seen = reply.json()
    assert (seen["length"], seen["transfer"]) == (None, "chunked")
    assert (seen["sha256"], seen["rest"]) == (report(b"")["sha256"], LINES.decode())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", READS)
def test_lines_are_read_as_they_were_sent(site: Site, name: str, way: str) -> None:
    headers, body = WAYS[way]
    reply = site.ask(f"/bodies/{name}", method="POST", headers=headers, body=body)
    assert reply.json() == READS[name]


def test_a_big_body_may_be_left_unread(site: Site) -> None:
    for _ in range(3):
        assert site.post("/bodies/ignored", content(200_000)).content == b"not read"
        assert site.post("/bodies/half_read", content(200_000)).content == content(10)


def test_a_client_that_waits_for_100_continue_is_told_to_go_on(site: Site) -> None:
    headers = {"Content-Length": "5", "Expect": "100-continue"}
    with site.connect() as connection:
        connection.sendall(message("/bodies/read_by_length", "POST", headers))
        interim = receive_until(connection, b"\r\n\r\n")
        connection.sendall(b"hello")
        reply = read_reply(connection)
    assert interim.startswith(b"HTTP/1.1 100 Continue\r\n")
    assert b'"length": "5"' in reply.body


@pytest.mark.parametrize("headers", [{"Content-Length": "100"}, CHUNKED])
def test_the_application_is_not_called_for_a_body_that_is_cut(
    site: Site, headers: dict[str, str]
) -> None:
    name = "cut-" + "-".join(headers).lower()
    start = b"5\r\nhello\r\n" if headers is CHUNKED else b"hello"
    with site.connect() as connection:
        connection.sendall(message(f"/bodies/error_name?{name}", "POST", headers) + start)
        connection.shutdown(socket.SHUT_WR)
        assert read_reply(connection).status == 400
    assert_one_line(site, "the client went away while sending the request's body")
    assert not (site.scratch / f"{name}.told").exists()


@pytest.mark.needs("answer-after-timeout")
def test_a_silent_client_is_a_408(serve: Serve) -> None:
    site = serve("Timeout 1\n" + CONFIG)
    site.tolerates("imeout|timed out")
    with site.connect() as connection:
        announced = {"Content-Length": "100"}
        connection.sendall(message("/bodies/read_by_length", "POST", announced) + b"hello")
        assert read_reply(connection).status == 408
    assert_one_line(site, "the client stopped sending the request's body")


@pytest.mark.needs("strict-chunks")
def test_what_is_no_chunk_is_a_400(site: Site) -> None:
    site.tolerates(r"parsing chunk")
    body = b"5\r\nhello\r\nzz\r\nno chunk\r\n"
    reply = site.ask("/bodies/read_by_length", method="POST", headers=CHUNKED, body=body)
    assert reply.status == 400
    assert_one_line(site, "the request's body is not valid HTTP")


def test_a_body_over_the_limit_is_a_413(site: Site) -> None:
    site.tolerates(r"larger than the configured limit")
    body = content(120_000)
    reply = site.ask("/limited", method="POST", headers=CHUNKED, body=pieces(body))
    assert reply.status == 413
    assert_one_line(site, "the request's body is larger than the server accepts")
    assert site.post("/limited", body).status_code == 413


def test_a_body_within_the_limit_is_read(site: Site) -> None:
    """Apache 2.0 counts the line behind the last chunk as well."""
    body = content(99_998)
    reply = site.ask("/limited", method="POST", headers=CHUNKED, body=pieces(body))
    assert reply.json() == report(body)
    body = content(100_000)
    assert site.post("/limited", body).json() == report(body)


def test_requests_on_one_connection_have_their_own_bodies(site: Site) -> None:
    with site.connect() as connection:
        for size in (100_000, 5, 70_000):
            body = content(size)
            headers = {"Content-Length": str(size), "Connection": "keep-alive"}
            connection.sendall(message("/bodies/read_by_length", "POST", headers, body))
            assert f'"{size}"'.encode() in read_reply(connection).body


def kept_files(site: Site, folder: Path) -> list[str]:
    """The files that the server's processes have open in a folder."""
    found = []
    for pid in site.processes():
        for each in Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = str(each.readlink())
            except OSError:
                continue  # closed meanwhile
            if target.startswith(str(folder)):
                found.append(target)
    return found


def test_a_big_body_is_in_a_file_without_a_name_while_it_is_needed(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    tmp_path.chmod(0o777)
    for folder in tmp_path.parents[:3]:
        folder.chmod(folder.stat().st_mode | 0o011)
    site = serve(CONFIG)
    body = content(70_000)
    headers = {"Content-Length": str(len(body))}
    with site.connect() as connection:
        connection.sendall(message("/bodies/read_when_told?file", "POST", headers, body))
        assert until(lambda: kept_files(site, tmp_path))
        (kept,) = kept_files(site, tmp_path)
        assert re.search(r"/mod_wsgi\.\w{6} \(deleted\)$", kept)
        assert list(tmp_path.iterdir()) == []
        site.go("file")
        assert read_reply(connection).body == body
    assert until(lambda: not kept_files(site, tmp_path))


def test_a_body_that_cannot_be_kept_is_an_error_page_and_a_line_that_helps(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", "/nonexistent")
    site = serve(CONFIG)
    site.expects(
        "the request's body can't be kept in /nonexistent: No such file or directory; "
        "mod_wsgi.buffer_body needs a directory with room: set TMPDIR in the server's environment"
    )
    assert site.post("/bodies/read_by_length", content(70_000)).status_code == 500
    assert site.post("/bodies/read_by_length", content(60_000)).json() == report(content(60_000))
