"""Ranges of bytes: a server may cut them out of a response whose end comes with it.

The filter of Apache 2.x does so, and the module where 1.3 has it in its handler of files.
"""

import re

import pytest

from tests.harness.serving import Workshop
from tests.harness.site import Reply, Site, message

LISTS = ["a_list", "a_list_of_many", "a_block", "a_block_of_its_length", "written"]
FILES = ["a_file", "a_file_of_its_length"]
STREAMS = ["in_pieces", "of_unknown_length", "in_memory"]

FORMS = {
    "bytes=100-199": (100, 200),
    "bytes=0-0": (0, 1),
    "bytes=200000-": (200_000, 200_003),
    "bytes=199999-300000": (199_999, 200_003),
    "bytes=-7": (200_003 - 7, 200_003),
    "bytes=70000-170000": (70_000, 170_001),
}

STALE = ['"another"', "Wed, 21 Oct 2015 07:28:01 GMT"]
FRESH = ['"tag"', "Wed, 21 Oct 2015 07:28:00 GMT"]

KEPT = {"Connection": "keep-alive"}


@pytest.fixture
def content(workshop: Workshop) -> bytes:
    return workshop.data.read_bytes()


def is_cut(reply: Reply, whole: bytes, begin: int, end: int) -> bool:
    """Whether this is that range of the whole, and all headers say so."""
    return (
        (reply.status, reply.reason) == (206, "Partial Content")
        and reply.body == whole[begin:end]
        and reply.all("Content-Length") == [str(end - begin)]
        and reply.all("Content-Range") == [f"bytes {begin}-{end - 1}/{len(whole)}"]
        and reply.all("ETag") == ['"tag"']
    )


def is_whole(reply: Reply, whole: bytes) -> bool:
    return (reply.status, reply.body) == (200, whole) and reply.header("Content-Range") is None


def parts(reply: Reply) -> list[tuple[str, bytes]]:
    """Content-Range and bytes of each part."""
    found = re.fullmatch(
        r"multipart/(x-)?byteranges; boundary=(\S+)", reply.header("Content-Type") or ""
    )
    assert found, reply.headers
    border = b"\r\n--" + found[2].encode()
    first, *middle, last = reply.body.split(border)
    assert (first, last) == (b"", b"--\r\n")
    return [part_of(each) for each in middle]


def part_of(text: bytes) -> tuple[str, bytes]:
    head, _, body = text.partition(b"\r\n\r\n")
    lines = dict(line.lower().split(b": ", 1) for line in head.strip().split(b"\r\n"))
    assert lines[b"content-type"] == b"application/octet-stream"
    return lines[b"content-range"].decode(), body


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", [*LISTS, *FILES])
def test_one_range_is_cut_out(site: Site, content: bytes, name: str, form: str) -> None:
    reply = site.ask(f"/ranges/{name}", headers={"Range": form})
    assert is_cut(reply, content, *FORMS[form]), (reply.status, reply.headers)


@pytest.mark.parametrize("form", ["bytes=0-", "bytes=-300000"])
@pytest.mark.parametrize("name", [*LISTS, *FILES])
def test_a_range_of_all_is_all(site: Site, content: bytes, name: str, form: str) -> None:
    """With 206, or with 200 as 2.0 has it."""
    reply = site.ask(f"/ranges/{name}", headers={"Range": form})
    assert is_cut(reply, content, 0, len(content)) or is_whole(reply, content)


def test_a_range_of_a_small_list_is_cut_out(site: Site, content: bytes) -> None:
    reply = site.ask("/ranges/a_small_list", headers={"Range": "bytes=100-199"})
    assert is_cut(reply, content[:10000], 100, 200), (reply.status, reply.headers)


def test_ranges_of_a_file_are_of_what_is_sent_of_it(site: Site, content: bytes) -> None:
    reply = site.ask("/ranges/a_file_from_an_offset", headers={"Range": "bytes=-10"})
    assert is_cut(reply, content[1000:101_000], 99_990, 100_000), (reply.status, reply.headers)


@pytest.mark.parametrize("name", [*LISTS, *FILES])
def test_several_ranges_come_in_parts(site: Site, content: bytes, name: str) -> None:
    asked = {"Range": "bytes=10-19,100000-149999,-5"}
    reply = site.ask(f"/ranges/{name}", headers=asked)
    assert (reply.status, reply.reason) == (206, "Partial Content")
    assert parts(reply) == [
        ("bytes 10-19/200003", content[10:20]),
        ("bytes 100000-149999/200003", content[100_000:150_000]),
        ("bytes 199998-200002/200003", content[-5:]),
    ]


@pytest.mark.parametrize("name", [*LISTS, *FILES])
@pytest.mark.parametrize("asked", ["bytes=300000-", "bytes=200003-200004"])
def test_a_range_that_is_not_there_is_416(
    site: Site, content: bytes, name: str, asked: str
) -> None:
    """Not a broken connection, and not an answer with the application's status."""
    with site.connect() as connection:
        connection.sendall(
            message(f"/ranges/{name}", headers={**KEPT, "Range": asked}) + message("/hello/named")
        )
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 416 ")
    assert content[:100] not in answer
    assert answer.endswith(b"\r\n\r\nhello from named")
    assert not [line for line in site.watch.lines() if "went away" in line]


@pytest.mark.parametrize("name", ["a_list", "a_file"])
@pytest.mark.parametrize("validator", FRESH)
def test_if_range_cuts_what_has_not_changed(
    site: Site, content: bytes, name: str, validator: str
) -> None:
    asked = {"Range": "bytes=100-199", "If-Range": validator}
    reply = site.ask(f"/ranges/{name}", headers=asked)
    assert is_cut(reply, content, 100, 200), (reply.status, reply.headers)


@pytest.mark.parametrize("name", ["a_list", "a_file"])
@pytest.mark.parametrize("validator", STALE)
def test_if_range_gives_all_of_what_has_changed(
    site: Site, content: bytes, name: str, validator: str
) -> None:
    asked = {"Range": "bytes=100-199", "If-Range": validator}
    assert is_whole(site.ask(f"/ranges/{name}", headers=asked), content)


@pytest.mark.parametrize("name", ["a_list", "a_file"])
@pytest.mark.parametrize("asked", ["bytes=", "bytes=x-y", "bytes=5-4", "lines=1-2", "bytes"])
def test_a_range_that_is_none_is_ignored(
    site: Site, content: bytes, name: str, asked: str
) -> None:
    assert is_whole(site.ask(f"/ranges/{name}", headers={"Range": asked}), content)


@pytest.mark.parametrize("name", ["a_list", "a_file"])
def test_ranges_that_are_more_than_all_are_ignored(site: Site, content: bytes, name: str) -> None:
    asked = {"Range": "bytes=" + ",".join(["1-"] * 1000)}
    assert is_whole(site.ask(f"/ranges/{name}", headers=asked), content)


@pytest.mark.parametrize("name", STREAMS)
def test_what_goes_out_in_pieces_is_sent_whole(site: Site, content: bytes, name: str) -> None:
    """The server would have to keep it back until the range has come."""
    reply = site.ask(f"/ranges/{name}", headers={"Range": "bytes=100-199"})
    assert is_whole(reply, content)


def test_what_the_application_has_cut_is_not_cut_again(site: Site, content: bytes) -> None:
    reply = site.ask("/ranges/cut_by_the_application", headers={"Range": "bytes=100-199"})
    assert (reply.status, reply.body) == (206, content[100:300])
    assert reply.all("Content-Range") == ["bytes 100-299/1000"]


def test_only_what_was_found_is_cut(site: Site, content: bytes) -> None:
    reply = site.ask("/ranges/not_found", headers={"Range": "bytes=100-199"})
    assert (reply.status, reply.body) == (404, content)


@pytest.mark.parametrize("name", ["a_list", "a_file", "in_pieces"])
def test_a_range_of_head_is_no_body(site: Site, name: str) -> None:
    asked = {"Range": "bytes=100-199", **KEPT}
    answer = site.raw(message(f"/ranges/{name}", "HEAD", asked) + message("/hello/named"))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"\r\n\r\n") == 2
    assert answer.endswith(b"\r\n\r\nhello from named")


@pytest.mark.parametrize("name", [*LISTS, *FILES])
def test_a_connection_goes_on_behind_a_range(site: Site, content: bytes, name: str) -> None:
    """A client that seeks asks again and again on one connection."""
    starts = [150_000, 10, 199_000, 70_000]
    requests = [
        message(f"/ranges/{name}", headers={**KEPT, "Range": f"bytes={start}-{start + 99}"})
        for start in starts
    ]
    answer = site.raw(b"".join(requests) + message("/hello/named"))
    _, *answers = answer.split(b"HTTP/1.1 ")
    bodies = [each.partition(b"\r\n\r\n")[2] for each in answers]
    assert bodies == [
        *(content[start : start + 100] for start in starts),
        b"hello from named",
    ]
