"""Descriptors that a process passes in the place of a file, and files that change meanwhile."""

import re
import socket

import pytest

from tests.harness.cells import Cell
from tests.harness.errorlog import until
from tests.harness.site import memory, receive_until
from tests.hostile.conftest import (
    Complete,
    Target,
    count_descriptors,
    request,
    rest_of,
    section,
    served,
)

pytestmark = pytest.mark.needs("processes")

NO_FILES = {
    "a folder": "os.open('/', os.O_RDONLY)",
    "a socket": "socket.socket().detach()",
    "a connection": "socket.socketpair()[0].detach()",
    "a pipe": "os.pipe()[0]",
    "a device": "os.open('/dev/zero', os.O_RDONLY)",
    "a terminal": "os.openpty()[1]",
    "an epoll": "(setattr(sys, 'epoll', select.epoll()), sys.epoll.fileno())[1]",
    "the control socket": "CONTROL",
}
UNREADABLE = {
    "a path": "os.open('/etc/passwd', os.O_PATH)",
    "a file to write": "os.open(f'/dev/shm/{os.getpid()}', os.O_WRONLY | os.O_CREAT)",
}
SHORTER = {
    "its own memory": "os.open('/proc/self/mem', os.O_RDONLY), 0, 4096",
    "a negative offset": "os.open('/etc/passwd', 0), -1, 1",
    "a negative size": "os.open('/etc/passwd', 0), 0, -1",
    "an offset behind the end": "os.open('/etc/passwd', 0), 2**40, 1",
    "a size that overflows": "os.open('/etc/passwd', 0), 1, 2**63 - 1",
    "sizes that overflow together": "os.open('/etc/passwd', 0), 2**63 - 1, 2**63 - 1",
    "a file of memory": "os.memfd_create('x'), 0, 1",
}
WRONG = {
    **{name: (f"{code}, 0, 1", "a descriptor that is no file") for name, code in NO_FILES.items()},
    **{name: (f"{code}, 0, 0", "a file that can't be read") for name, code in UNREADABLE.items()},
    **{name: (code, "a file that is shorter than it says") for name, code in SHORTER.items()},
}

# Filters read files where nothing else does. Apache 1.3 has none.
FILTERS = """
LoadModule include_module "@{modules}/mod_include.so"
LoadModule deflate_module "@{modules}/mod_deflate.so"
EnableMMAP On
<Location /hostile/deflated>
    SetOutputFilter DEFLATE
</Location>
<Location /hostile/included>
    SetOutputFilter INCLUDES
    Options +Includes
</Location>
"""


@pytest.mark.parametrize(("passed", "reason"), WRONG.values(), ids=WRONG)
def test_only_a_file_can_be_passed(
    target: Target, complete: Complete, passed: str, reason: str
) -> None:
    target.breaks(reason)
    answer = target.ask(f"fd, at, size = {passed}\nsend(head() + file(at, size) + DONE_FRAME, fd)")
    assert not complete(answer), answer
    assert len(target.complaints()) == 1


def test_a_file_that_says_more_than_it_has_is_broken_off(
    target: Target, complete: Complete
) -> None:
    """Those of /sys have 4096 bytes, and give fewer."""
    target.site.tolerates("MW05(09|10|11)")
    code = "fd = os.open('/sys/kernel/mm/transparent_hugepage/enabled', 0)\n"
    code += "send(head(length=4096) + file(0, 4096) + DONE_FRAME, fd)"
    assert not complete(target.ask(code))


def test_a_file_of_any_size_takes_no_memory(target: Target) -> None:
    """A file of 2^62 bytes that has no byte: its parts are not listed one by one."""
    code = "fd = os.memfd_create('x')\nos.ftruncate(fd, 2**62)\n"
    code += "send(head(length=2**62) + file(0, 2**62) + DONE_FRAME, fd)"
    before = max(memory(pid, "VmHWM") for pid in target.children)
    with target.site.connect() as connection:
        connection.sendall(request(code))
        seen = receive_until(connection, b"\r\n\r\n")
        while len(seen) < 3_000_000:
            seen += connection.recv(1 << 20)
    assert re.search(rb"\r\nContent-Length: %d\r\n" % 2**62, seen)
    assert max(memory(pid, "VmHWM") for pid in target.children) - before < 20_000_000


@pytest.mark.parametrize("where", ["/hostile", "/hostile/deflated", "/hostile/included"])
def test_a_file_that_is_cut_meanwhile_breaks_the_response(
    target: Target, cell: Cell, complete: Complete, where: str
) -> None:
    """It is never mapped: that would end the child of the server with SIGBUS."""
    if where != "/hostile" and cell.server.line == "1.3":
        pytest.skip("Apache 1.3 has no filters")
    target.site.tolerates("MW05(09|10|11)|failed reading from|include:error")
    make = (  # random bytes, which no filter makes fewer
        "fd = os.open(f'/dev/shm/{os.getpid()}-big', os.O_RDWR | os.O_CREAT | os.O_TRUNC)\n"
        "[os.write(fd, os.urandom(1 << 20)) for _ in range(64)]\n"
        "sys.big = fd\n"
        "send(head(kind='text/html') + file(0, 64 << 20) + DONE_FRAME, fd)\n"
    )
    headers = {"Accept-Encoding": "gzip"}
    with target.site.connect() as connection:
        connection.sendall(request(make, path=where, headers=headers))
        seen = receive_until(connection, b"\r\n\r\n")
        assert (b"Content-Encoding: gzip" in seen) == where.endswith("/deflated")
        assert b"hello" in target.ask("os.ftruncate(sys.big, 0)\nsend(HELLO)")
        seen += rest_of(connection)
    assert not complete(seen)
    assert len(seen) < 64 << 20
    assert target.ask("os.unlink(f'/dev/shm/{os.getpid()}-big')\nsend(HELLO)")


LINGERS = """
listener = socket.create_server(("127.0.0.1", 0))
s = socket.create_connection(listener.getsockname())
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 60))
s.setblocking(False)
try:
    while s.send(b"x" * 1000000): pass
except BlockingIOError: pass
sys.listeners = [*getattr(sys, "listeners", []), listener]
send(head() + frame(BODY, b"x"), *[s.fileno()] * %d)
s.close()
"""


@pytest.mark.parametrize("count", [1, 2, 100])
def test_a_descriptor_whose_close_waits_holds_up_nobody(target: Target, count: int) -> None:
    """Closing the socket takes a minute, for nobody reads what was written to it."""
    target.breaks("")
    for _ in range(3):
        target.ask(LINGERS % count)
    assert b"hello" in target.ask("sys.listeners = []\nsend(HELLO)")
    assert len(target.complaints()) == 3


# On an idle connection, so that the process has closed its own before the server receives them.
LINGER = """
server = ("127.0.0.1", %d)
fds = []
for _ in range(20):
    s = socket.create_connection(server)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 60))
    s.setblocking(False)
    try:
        while s.send(b"x" * 1000000): pass
    except BlockingIOError: pass
    fds.append(s.detach())
send(HELLO)
send(head() + frame(BODY, b"x"), *fds)
[os.close(fd) for fd in fds]
socket.create_connection(server).close()
"""
MORE = section("lingers")


def test_a_process_that_sends_too_many_slow_descriptors_gets_no_requests_until_they_are_closed(
    target: Target,
) -> None:
    """Else each one would keep a thread of the server, or a descriptor, for a minute."""
    target.site.tolerates("MW0606: process .*lingers broke the protocol")
    target.site.expects("MW0643: mod_wsgi.process 'lingers' can't be used")
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.settimeout(20)
        target.ask(LINGER % listener.getsockname()[1], path="/lingers")
        peers = [listener.accept()[0] for _ in range(21)]
    assert until(lambda: says_hello(target) and refusals(target), 20)
    assert served(target.site)
    for peer in peers:
        peer.close()
    most = target.descriptors + 2 * len(target.children)
    assert until(lambda: count_descriptors(target.site) <= most, 20)
    assert b"hello" in says_hello(target)


def says_hello(target: Target) -> bytes:
    return target.ask("send(HELLO)", path="/lingers")


def refusals(target: Target) -> int:
    return sum("MW0643" in line for line in target.site.watch.lines())
