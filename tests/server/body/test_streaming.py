"""Blocks are sent when they are made, and close() is called however an answer ends."""

import time
from collections.abc import Iterator

import pytest

from tests.conftest import Serve
from tests.harness.config import DEFAULT
from tests.harness.site import Site, message, receive_until


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
@pytest.mark.parametrize("name", ["waits_between_blocks", "waits_after_write"])
def test_a_block_reaches_the_client_before_the_next_is_made(
    site: Site, name: str, version: str
) -> None:
    """The application makes the second block only after the client has shown it has the first."""
    sign = f"{name}-{version[-1]}"
    with site.connect() as connection:
        connection.sendall(message(f"/streams/{name}?{sign}", version=version))
        first = receive_until(connection, b"first\n")
        site.go(sign)
        rest = receive_until(connection, b"second\n")
    assert b"second" not in first
    assert b"first" not in rest


def test_the_head_waits_for_the_first_block_that_is_not_empty(site: Site) -> None:
    with site.connect() as connection:
        connection.sendall(message("/streams/waits_before_the_first?head"))
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        site.go("head")
        connection.settimeout(10)
        assert b"first\n" in receive_until(connection, b"first\n")


def test_close_is_called_after_the_last_block(site: Site) -> None:
    assert site.get("/streams/closes?closes").text == "onetwothree"
    assert site.told("closes") == "closed after 3"


def test_close_is_called_for_head_too(site: Site) -> None:
    site.ask("/streams/closes?closes-head", method="HEAD")
    assert site.told("closes-head").startswith("closed after")


def test_close_is_called_after_an_error(site: Site) -> None:
    site.expects_traceback("ValueError: raised after the first block")
    site.raw(message("/streams/closes_after_error?closes-error"))
    assert site.told("closes-error") == "closed after 1"


def test_close_of_a_list_is_called(site: Site) -> None:
    assert site.get("/streams/closes_a_list?closes-list").text == "from a list"
    assert site.told("closes-list") == "closed a list"


def test_an_error_in_close_is_logged_and_spoils_nothing(site: Site) -> None:
    site.expects_traceback("ValueError: raised by close")
    assert site.get("/streams/close_raises").text == "whole body"


def test_a_client_that_goes_away_ends_the_iteration_and_close_is_called(site: Site) -> None:
    with site.connect() as connection:
        connection.sendall(message("/streams/endless?gone"))
        receive_until(connection, b"xxxx")
    taken = int(site.told("gone").removeprefix("closed after "))
    assert taken < 20000


def test_a_client_that_goes_away_makes_write_raise(site: Site) -> None:
    with site.connect() as connection:
        connection.sendall(message("/streams/endless_writes?gone-writes"))
        receive_until(connection, b"xxxx")
    assert "Error after" in site.told("gone-writes")


@pytest.mark.parametrize("name", ["endless", "endless_writes"])
def test_a_client_that_goes_away_is_no_error_in_the_log(site: Site, name: str) -> None:
    with site.connect() as connection:
        connection.sendall(message(f"/streams/{name}?quiet-{name}"))
        receive_until(connection, b"xxxx")
    site.told(f"quiet-{name}")
    assert site.watch.severe() == []


def test_a_server_goes_on_after_many_clients_have_gone(site: Site) -> None:
    for number in range(12):
        with site.connect() as connection:
            connection.sendall(message(f"/streams/endless?many-{number}"))
            receive_until(connection, b"xxxx")
        site.told(f"many-{number}")
    assert site.get("/hello/named").text == "hello from named"


BIG_HEAD = "/headings/of_many_lines/2000"


@pytest.fixture
def impatient(serve: Serve) -> Iterator[Site]:
    """A server of one process that does not wait long for a client, and serves on after it.

    What an application sees then begins with itself: nothing of an earlier request is below it.
    """
    site = serve("Timeout 2\n" + DEFAULT, processes=1)
    before = site.get("/states/frames").json()
    assert before["below"] == 0
    yield site
    assert site.get("/states/frames").json() == before


@pytest.mark.needs("long-heads")
def test_a_client_that_does_not_take_a_big_head_makes_write_raise(impatient: Site) -> None:
    with impatient.connect() as connection:
        connection.sendall(message(f"{BIG_HEAD}?untaken"))
        assert impatient.told("untaken") in ("IOError", "OSError")


@pytest.mark.slow
@pytest.mark.needs("long-heads")
def test_a_client_that_takes_a_big_head_slowly_is_the_only_one_that_suffers(
    impatient: Site,
) -> None:
    """A little of each write gets through, so none of them waits for long."""
    with impatient.connect() as connection:
        connection.sendall(message(f"{BIG_HEAD}?slow"))
        patience = time.monotonic() + 6
        while time.monotonic() < patience and connection.recv(65536):
            time.sleep(0.1)
    impatient.told("slow")
