"""An application's process that dies: the client sees it, the log says it, the next request works.

The incumbent's daemon processes end a chunked response cleanly when they die behind its head.
"""

import os
import signal
import threading

import pytest

from tests.harness.config import DEFAULT
from tests.harness.site import Site, message, receive_until

pytestmark = pytest.mark.needs("processes")

CONFIG = DEFAULT
OPTIONS = {"processes": 1, "deaths": True}

CAUSES = {"kill": "signal 9", "leave": "exit status 3", "crash": "signal 11"}


def expect_death(site: Site, way: str, request: str) -> None:
    """The spawner says how it died, and the server which request it was serving.

    The process has served before. A start that serves nothing is waited for longer each time.
    """
    site.get("/dying/pid")
    site.expects(rf"process \d+ of \S+: {CAUSES[way]} after \d+ s")
    site.expects(rf"process \d+ of \S+ .*{request}")


@pytest.mark.parametrize("way", CAUSES)
def test_a_process_that_dies_before_the_head_is_a_502(site: Site, way: str) -> None:
    """Known of the incumbent: #226, #340, #905, #920, #937."""
    expect_death(site, way, "/dying/before_the_head")
    assert site.get(f"/dying/before_the_head?{way}").status_code == 502
    assert site.get("/dying/pid").status_code == 200


@pytest.mark.parametrize("way", CAUSES)
def test_a_chunked_answer_has_no_last_chunk_when_its_process_dies(site: Site, way: str) -> None:
    expect_death(site, way, "/dying/behind_the_head")
    answer = site.raw(message(f"/dying/behind_the_head?{way}"))
    assert b"a part" in answer
    assert not answer.endswith(b"0\r\n\r\n")


def test_a_kept_connection_is_closed_behind_a_broken_answer(site: Site) -> None:
    expect_death(site, "kill", "/dying/behind_the_head")
    with site.connect() as connection:
        connection.sendall(
            message("/dying/behind_the_head?kill", headers={"Connection": "keep-alive"})
        )
        seen = receive_until(connection, b"a part")
        seen += b"".join(iter(lambda: connection.recv(65536), b""))
    assert not seen.endswith(b"0\r\n\r\n")


def test_an_answer_of_a_known_length_is_short_when_its_process_dies(site: Site) -> None:
    expect_death(site, "kill", "/dying/within_a_length")
    answer = site.raw(message("/dying/within_a_length?kill"))
    assert b"Content-Length: 100\r\n" in answer
    assert answer.endswith(b"\r\n\r\na part")


def test_a_process_that_dies_while_it_reads_is_a_502(site: Site) -> None:
    expect_death(site, "kill", "/dying/while_it_reads")
    assert site.post("/dying/while_it_reads?kill", b"x" * 200_000).status_code == 502


def test_the_server_itself_goes_on(site: Site) -> None:
    expect_death(site, "crash", "/dying/before_the_head")
    before = site.children()
    assert site.get("/dying/before_the_head?crash").status_code == 502
    assert site.get("/dying/pid").status_code == 200
    assert site.children() == before


def test_a_request_after_an_idle_process_was_killed_is_not_lost(site: Site) -> None:
    """The server keeps a connection to it, and finds it closed when it sends the next request."""
    site.expects(r"process \d+ of \S+: signal 9 after \d+ s")
    pid = int(site.get("/dying/pid").text)
    os.kill(pid, signal.SIGKILL)
    assert int(site.get("/dying/pid").text) != pid


def test_twenty_megabytes_go_both_ways_at_once(site: Site) -> None:
    """The client sends while it reads, and so do both processes."""
    line = b"x" * 9_999 + b"\n"
    count = 2_000
    head = {"Content-Length": str(len(line) * count)}
    with site.connect() as connection:
        connection.sendall(message("/bodies/echo_as_it_comes", "POST", head))
        sender = threading.Thread(target=connection.sendall, args=(line * count,))
        sender.start()
        seen = b"".join(iter(lambda: connection.recv(1 << 20), b""))
        sender.join()
    assert seen.count(line) == count
