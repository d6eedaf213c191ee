"""mod_wsgi.timeout where the application is in the server's own processes."""

import contextlib
import os
import socket
import time

import pytest

from tests.conftest import Serve
from tests.harness.cells import Cell
from tests.harness.errorlog import until
from tests.harness.site import Site, message, read_reply, receive_until

pytestmark = pytest.mark.needs("python-in-the-module")

CONFIG = """
@{base}
@{applications}
<Location /hangs>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application hangs_here::application
    SetEnv mod_wsgi.directory "@{www}/code:@{apps}"
    SetEnv mod_wsgi.timeout 1
</Location>
"""
OPTIONS = {"processes": 1, "deaths": True}

FILES = {
    "code/hangs_here.py": """
import os
import time

def in_a_loop():
    end = time.time() + 30
    while time.time() < end:
        pass

def in_steps():
    for _ in range(3000):
        time.sleep(0.01)

def in_a_call():
    time.sleep(8)

def in_long_call():
    time.sleep(300)

def application(environ, start_response):
    way = environ["PATH_INFO"].strip("/")
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    if way == "half":
        write(b"a half")
        in_steps()
    elif way == "pieces":
        return pieces()
    elif way == "stream":
        return stream()
    elif way == "pid":
        return [str(os.getpid()).encode("ascii")]
    elif way == "body":
        return [environ["wsgi.input"].read()]
    elif way != "fast":
        globals()["in_" + way]()
    return [b"whole"]

def stream():
    for number in range(40):
        yield ("%d;" % number).encode("ascii")
        time.sleep(0.6)

def pieces():
    for _ in range(4):
        time.sleep(0.7)
        yield b"piece;"
"""
}

GIVEN_UP = r"MW0516: /hangs/{} has sent nothing for 1 s \(mod_wsgi.timeout\), in 'hangs_here::"


def expect(site: Site, way: str) -> None:
    site.expects(GIVEN_UP.format(way))
    site.expects_traceback(r"(mod_wsgi\.)?Timeout")


@pytest.mark.parametrize("way", ["a_loop", "steps"])
def test_an_application_that_hangs_is_a_504_and_its_stack_is_logged(site: Site, way: str) -> None:
    expect(site, way)
    began = time.monotonic()
    assert site.get(f"/hangs/{way}").status_code == 504
    assert time.monotonic() - began < 5
    site.watch.wait_for(f"hangs_here.py.*, in in_{way}")
    assert site.get("/hangs/fast").text == "whole"


def test_a_response_that_goes_no_further_looks_broken(site: Site) -> None:
    expect(site, "half")
    answer = site.raw(message("/hangs/half"))
    assert b"a half" in answer
    assert not answer.endswith(b"0\r\n\r\n")


def test_a_stream_that_goes_on_is_not_given_up(site: Site) -> None:
    assert site.get("/hangs/pieces").text == "piece;" * 4


def test_a_slow_upload_is_not_the_applications_fault(site: Site) -> None:
    with site.connect() as connection:
        connection.sendall(message("/hangs/body", "POST", {"Content-Length": "100000"}))
        connection.sendall(b"x" * 50_000)
        time.sleep(2)
        connection.sendall(b"x" * 50_000)
        seen = b"".join(iter(lambda: connection.recv(65536), b""))
    assert seen.endswith(b"x" * 100_000)


HANGS = "MW{}: /hangs/a_call does not end, since its thread waits in C code: {}"
THREAD_LESS = "until it returns, the server has a thread less"
RETIRED = "this process of the server ends after its other requests"


def test_what_hangs_in_c_code_costs_its_thread_or_its_process(site: Site, cell: Cell) -> None:
    """A process with other requests is not ended; one without is, and its client sees that."""
    before = site.children()
    site.expects(GIVEN_UP.format("a_call"))
    if cell.server.mpm == "prefork":
        site.expects("MW0518: /hangs/a_call does not end, since it waits in C code")
        assert site.raw(message("/hangs/a_call")) == b""
        assert until(lambda: site.children() not in ([], before), 10)
    elif cell.server.line == "2.4":
        site.expects(HANGS.format("0644", RETIRED))
        site.expects_traceback(r"(mod_wsgi\.)?Timeout")
        assert site.get("/hangs/a_call").status_code == 504
    else:
        site.expects(HANGS.format("0517", THREAD_LESS))
        site.expects_traceback(r"(mod_wsgi\.)?Timeout")
        assert site.get("/hangs/a_call").status_code == 504
        assert site.children() == before
    assert site.get("/hangs/fast").text == "whole"


def test_a_process_with_a_stuck_thread_is_replaced_when_its_other_requests_have_ended(
    site: Site, cell: Cell
) -> None:
    """The child takes no more connections, and a stream that it serves goes on to its end."""
    if cell.server.line != "2.4" or cell.server.mpm == "prefork":
        pytest.skip("other servers have no such end of one process with threads")
    before = until(lambda: int(site.get("/hangs/pid").text), 20)
    site.expects(GIVEN_UP.format("long_call"))
    site.expects(HANGS.format("0644", RETIRED).replace("a_call", "long_call"))
    with site.connect() as stuck, site.connect() as stream:
        stuck.sendall(message("/hangs/long_call"))
        assert until(lambda: "MW0516" in "".join(site.watch.lines()), 20)
        stream.sendall(message("/hangs/stream"))
        assert receive_until(stream, b"0;")
        assert until(lambda: "MW0644" in "".join(site.watch.lines()), 20)
        assert until(lambda: other_child(site, before), 20)
        assert before in site.children()
        rest = b"".join(iter(lambda: stream.recv(65536), b""))
        assert b"39;" in rest, "it was not cut"
        assert until(lambda: before not in site.children(), 20)
        assert stuck.recv(100) == b""
    assert site.get("/hangs/fast").text == "whole"


def other_child(site: Site, before: int) -> bool:
    """Whether another one answers."""
    return int(site.get("/hangs/pid").text) != before


BUCKETS = """
ListenCoresBucketsRatio 1
StartServers 2
"""


def test_a_process_is_said_to_end_only_if_it_does(serve: Serve, cell: Cell) -> None:
    """With ListenCoresBucketsRatio some children listen where only the server's MPM knows."""
    if cell.server.line != "2.4" or cell.server.mpm == "prefork":
        pytest.skip("other servers have no such end of one process with threads")
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("with one processor there are no copies of a socket")
    site = serve(CONFIG + BUCKETS, files=FILES, processes=2, deaths=True)
    site.expects(GIVEN_UP.format("long_call"))
    site.tolerates(HANGS.format("0644", RETIRED).replace("a_call", "long_call"))
    site.tolerates(HANGS.format("0517", THREAD_LESS).replace("a_call", "long_call"))
    site.tolerates("AH0004[56]: child process .* still did not exit")
    site.tolerates("AH00287: server is within MinSpareThreads of MaxRequestWorkers")
    with contextlib.ExitStack() as stack:
        connections = connections_of_all(site, stack, 2)
        for connection in connections.values():
            connection.sendall(message("/hangs/long_call"))
        assert until(lambda: "MW0644" in "".join(site.watch.lines()), 20)
        assert until(lambda: "MW0517" in "".join(site.watch.lines()), 20)
        assert until(lambda: site.get("/hangs/fast") and len(ended(site, connections)) == 1, 20)


def connections_of_all(
    site: Site, stack: contextlib.ExitStack, children: int
) -> dict[int, socket.socket]:
    """One connection to each child."""
    found: dict[int, socket.socket] = {}
    deadline = time.monotonic() + 20
    while len(found) < children:
        assert time.monotonic() < deadline
        connection = stack.enter_context(site.connect())
        connection.sendall(message("/hangs/pid", "GET", {"Connection": "keep-alive"}))
        found[int(read_reply(connection).text)] = connection
    return found


def ended(site: Site, connections: dict[int, socket.socket]) -> set[int]:
    return set(connections) - set(site.children())
