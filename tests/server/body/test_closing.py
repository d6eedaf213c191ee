"""close() is called exactly once, however a response ends.

The connection ends when the request is over, so what was told by then is all that there is.
"""

import pytest

from tests.harness.config import APPS
from tests.harness.site import Site, message, receive_until
from tests.server.head.test_start_response import keys_of

ENDINGS = keys_of(APPS / "closings.py", "ENDINGS")

# Those that are the application's fault, and the line of the log that says so.
FAULTS = {
    "short": "of the 9 bytes",
    "before-a-block": "ValueError: raised in the middle",
    "between-blocks": "ValueError: raised in the middle",
    "before-iteration": "ValueError: raised by iter",
    "of-a-wrong-type": "TypeError: .*must be bytes, not int",
    "without-a-head": "RuntimeError: .*start_response",
    "with-a-refused-head": "RuntimeError: start_response.. failed",
    "failing-twice": "ValueError: raised by close",
    "failing-at-last": "ValueError: raised by close",
}


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
@pytest.mark.parametrize("name", ENDINGS)
def test_close_is_called_once(site: Site, name: str, version: str) -> None:
    site.tolerates(r"\[(\w+:)?error\]")
    if name in FAULTS:
        site.expects(FAULTS[name])
    sign = f"once-{name}-{version[-1]}"
    site.raw(message(f"/closings/ending/{name}?{sign}", version=version))
    assert site.told(sign) == "closed"


@pytest.mark.parametrize("name", ENDINGS)
def test_close_is_called_once_for_head(site: Site, name: str) -> None:
    site.tolerates(r"\[(\w+:)?error\]")
    site.raw(message(f"/closings/ending/{name}?head-{name}", "HEAD"))
    assert site.told(f"head-{name}") == "closed"


@pytest.mark.parametrize("name", ["well", "at-its-length", "without-a-body"])
def test_close_is_called_once_on_a_connection_that_stays(site: Site, name: str) -> None:
    stay = {"Connection": "keep-alive"}
    requests = [
        message(f"/closings/ending/{name}?stays-{name}-{number}", headers=stay)
        for number in range(3)
    ]
    site.raw(b"".join(requests) + message("/hello/named"))
    assert [site.told(f"stays-{name}-{number}") for number in range(3)] == ["closed"] * 3


def test_close_is_called_once_where_the_client_has_left(site: Site) -> None:
    with site.connect() as connection:
        connection.sendall(message("/closings/endless?once-left"))
        receive_until(connection, b"xxxx")
    site.told("once-left")
    site.watch.wait_for("the client went away")
    assert site.told("once-left") == "closed"


def test_the_last_chunk_does_not_wait_for_a_slow_close(site: Site) -> None:
    """The response is whole by then; close() is for what the application has to tidy up."""
    with site.connect() as connection:
        connection.settimeout(5)
        connection.sendall(message("/closings/slowly?slow-close"))
        try:
            receive_until(connection, b"\r\n0\r\n\r\n")
            assert not (site.scratch / "slow-close.told").exists()
        finally:
            site.go("slow-close")
    assert site.told("slow-close") == "closed"


def test_a_close_that_cannot_be_had_is_logged_and_spoils_nothing(site: Site) -> None:
    site.expects_traceback("KeyError: .close cannot be had")
    assert site.ask("/closings/without_its_attribute").body == b"onetwo"
