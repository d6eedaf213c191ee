"""Responses of many small pieces: whole, in order, and each on its way before the next is made.

A thread puts them together where the server allows it (core/client/sender.c).
"""

import http.client
import re
import time
from pathlib import Path

import pytest

from tests.apps.numbered import piece
from tests.conftest import Serve
from tests.harness import tls
from tests.harness.cells import Cell
from tests.harness.site import Site, message, read_reply, receive_until


def body(count: int) -> bytes:
    return b"".join(piece(number) for number in range(count))


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
@pytest.mark.parametrize("count", [2, 100, 5000])
def test_many_pieces_come_whole_and_in_order(site: Site, count: int, version: str) -> None:
    assert site.ask(f"/pieces/many?{count}", version=version).body == body(count)


@pytest.mark.parametrize("name", ["written", "written_then_yielded"])
def test_pieces_that_come_in_two_ways_keep_their_order(site: Site, name: str) -> None:
    """PEP 3333 duty 60: what was written comes before what was yielded."""
    assert site.ask(f"/pieces/{name}").body == body(1000)


@pytest.mark.needs("sender")
def test_pieces_that_come_fast_are_put_together(site: Site) -> None:
    """Told from the chunks of the response: there would be 2000 of five bytes."""
    answer = site.raw(message("/pieces/equal"))
    chunks = re.findall(rb"\r\n([0-9a-f]+)\r\n(?=1)", answer)
    assert sum(int(size, 16) for size in chunks) == 5 * 2000
    assert len(chunks) < 1000


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_no_piece_is_kept_back(site: Site, version: str) -> None:
    """PEP 3333 duty 53: the fourth is made when the client has shown that it has three."""
    sign = f"kept-back-{version[-1]}"
    with site.connect() as connection:
        connection.sendall(message(f"/pieces/then_waits?{sign}", version=version))
        seen = receive_until(connection, b"third;")
        site.go(sign)
        receive_until(connection, b"fourth")
    assert b"fourth" not in seen


def test_no_piece_waits_for_pythons_lock(site: Site) -> None:
    """PEP 3333 duty 53: whatever the application does next."""
    with site.connect() as connection:
        connection.sendall(message("/pieces/then_keeps_the_lock?computes"))
        receive_until(connection, b"third;")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(60)
        receive_until(connection, b"fourth")


@pytest.mark.needs("small-bodies-as-they-come")
def test_pieces_are_sent_before_the_body_of_the_request_is_read(site: Site) -> None:
    """The client sends it when it has seen them."""
    with site.connect() as connection:
        connection.sendall(message("/pieces/then_reads", "POST", {"Content-Length": "5"}))
        receive_until(connection, b"third;")
        connection.sendall(b"hello")
        receive_until(connection, b"hello")


def test_pieces_before_an_exception_are_sent(site: Site) -> None:
    site.expects_traceback("ValueError: raised after the third piece")
    answer = site.raw(message("/pieces/then_fails"))
    assert re.findall(rb"\w+;", answer) == [b"first;", b"second;", b"third;"]
    assert not answer.endswith(b"0\r\n\r\n")


def test_pieces_of_a_known_length_leave_the_connection_usable(site: Site) -> None:
    with site.connect() as connection:
        connection.sendall(message("/pieces/of_a_length?0", headers={"Connection": "keep-alive"}))
        assert read_reply(connection).body == body(100)
        connection.sendall(message("/hello/named"))
        assert read_reply(connection).body == b"hello from named"


def test_too_few_pieces_are_sent_and_look_broken(site: Site) -> None:
    site.expects("of the .* bytes its Content-Length announced")
    answer = site.raw(message("/pieces/of_a_length?1"))
    assert answer.partition(b"\r\n\r\n")[2] == body(100)


def test_too_many_pieces_are_cut(site: Site) -> None:
    answer = site.raw(message("/pieces/of_a_length?-1"))
    assert answer.partition(b"\r\n\r\n")[2] == body(100)[:-1]


def test_lines_are_logged_while_pieces_are_sent(site: Site) -> None:
    site.tolerates("logged beside piece")
    assert site.ask("/pieces/and_logs").body == body(300)
    site.watch.wait_for("logged beside piece 299[.]")
    logged = [re.search(r"logged beside piece (\d+)[.]", line) for line in site.watch.lines()]
    assert [int(found[1]) for found in logged if found] == list(range(300))


@pytest.mark.parametrize(("name", "most"), [("endless", 20000000), ("now_and_then", 200)])
def test_a_client_that_goes_away_is_noticed(site: Site, name: str, most: int) -> None:
    with site.connect() as connection:
        connection.sendall(message(f"/pieces/{name}?gone-{name}"))
        receive_until(connection, b"more;")
    assert int(site.told(f"gone-{name}")) < most - 1


def test_a_client_that_reads_late_gets_all(site: Site) -> None:
    """More than the system keeps for it."""
    count = 300000
    with site.connect() as connection:
        connection.sendall(message(f"/pieces/many?{count}"))
        time.sleep(0.5)
        connection.settimeout(60)
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert response.read() == body(count)


def test_pieces_come_whole_over_tls(serve: Serve, cell: Cell, tmp_path: Path) -> None:
    tls.need(cell)
    values = {"modules": str(cell.server.modules)}
    site = serve(tls.CONFIG, files=tls.certificate(tmp_path), values=values)
    for count in (2, 100, 5000):
        assert tls.ask(site, f"/pieces/many?{count}").body == body(count)
