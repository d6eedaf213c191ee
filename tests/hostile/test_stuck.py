"""Processes that die, stop, or take for ever: the server serves others meanwhile."""

import os
import signal
import socket
import time
from itertools import product
from pathlib import Path

import pytest

from tests.harness.errorlog import until
from tests.harness.site import receive_until
from tests.hostile.conftest import Complete, Target, request, rest_of, section, served

pytestmark = pytest.mark.needs("processes")

DIES = "\nos.kill(os.getpid(), signal.SIGKILL)"
ENDS = "\nos._exit(0)"

STAGES = {
    "before the head": "",
    "behind a line of the log": "send(frame(LOG, b'a line', flags=1))",
    "behind the head": "send(head())",
    "within a body": "send(head() + frame(BODY, b'a part', flags=FLUSH))",
    "within a length": "send(head(length=100) + frame(BODY, b'a part', flags=FLUSH))",
    "behind a body without its end": "send(head() + frame(BODY, b'a part'))",
    "behind a failure": "send(head() + frame(BODY, b'a part') + frame(FAIL))",
    "behind a file": "send(head() + file(0, 4, FLUSH), os.open('/etc/passwd', 0))",
}


# Each death is one of other processes. The spawner starts those that die again and again later.
NUMBERS = {
    (stage, how): number for number, (stage, how) in enumerate(product(STAGES, (DIES, ENDS)))
}
MORE = "".join(section(f"dying-{number}") for number in NUMBERS.values())

LATE = {
    "stopped": "os.kill(os.getpid(), signal.SIGSTOP)",
    "silent": "time.sleep(60)",
    "only lines": "while True:\n    send(frame(LOG, b'a line', flags=1))\n    time.sleep(0.02)",
}
IMPATIENT = """
<Location /late-%d>
    SetEnv mod_wsgi.timeout 2
</Location>
"""
MORE += "".join(section(f"late-{n}") + IMPATIENT % n for n in range(len(LATE)))


@pytest.mark.parametrize("how", [DIES, ENDS], ids=["killed", "ended"])
@pytest.mark.parametrize("stage", STAGES)
def test_an_answer_without_its_end_is_not_whole(
    target: Target, complete: Complete, stage: str, how: str
) -> None:
    name = f"dying-{NUMBERS[stage, how]}"
    target.site.expects(rf"MW0607: process \d+ of \S*{name} has ended, serving /{name}")
    target.site.expects(rf"MW0707: process \d+ of \S+{name}: (signal 9|exit status 0) after")
    answer = target.ask(STAGES[stage] + how, path=f"/{name}")
    assert not complete(answer), answer
    assert len(target.complaints()) == 1


def test_another_request_gets_another_process(target: Target) -> None:
    """The first has taken the request and is stopped. It does not end, but others are served."""
    with target.site.connect() as connection:
        connection.sendall(request(stops_at("head() + frame(BODY, b'%d' % os.getpid(), flags=1)")))
        seen = receive_until(connection, b"\r\n\r\n")
        pid = int(receive_digits(connection, seen))
        assert until(lambda: is_stopped(pid), 10)
        for _ in range(4):
            assert served(target.site)
        target.site.expects("MW0607")
        target.site.expects("MW0707")
        os.kill(pid, signal.SIGKILL)
        rest = rest_of(connection)
    assert not rest.endswith(b"0\r\n\r\n")


def stops_at(packet: str) -> str:
    return f"send({packet})\nos.kill(os.getpid(), signal.SIGSTOP)"


def receive_digits(connection: socket.socket, seen: bytes) -> bytes:
    """The first chunk: its size stands before it."""
    body = seen.split(b"\r\n\r\n", 1)[1]
    while body.count(b"\r\n") < 2:
        body += connection.recv(100)
    return body.split(b"\r\n")[1]


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_a_process_that_writes_a_byte_at_a_time_holds_up_nobody_else(target: Target) -> None:
    slow = "send(head())\nfor _ in range(20):\n    send(frame(BODY, b'x', flags=FLUSH))\n"
    slow += "    time.sleep(0.1)\nsend(frame(BODY, flags=END) + DONE_FRAME)"
    with target.site.connect() as connection:
        connection.sendall(request(slow))
        receive_until(connection, b"x")
        began = time.monotonic()
        assert served(target.site)
        quick = time.monotonic() - began
        assert rest_of(connection).endswith(b"0\r\n\r\n")
    assert quick < time.monotonic() - began


def test_a_process_that_never_reads_the_body_gets_no_more(target: Target) -> None:
    """It has 20 MB coming, and reads none of it. Nothing waits for that, and it may answer."""
    code = "send(read())\nsend(HELLO)"
    head = request(code, "POST", headers={"Content-Length": "20000000"})
    with target.site.connect() as connection:
        connection.sendall(head + b"x" * 200_000)
        assert b" 200 OK" in receive_until(connection, b"hello")
    assert served(target.site)


@pytest.mark.parametrize("way", LATE)
def test_a_process_that_makes_no_progress_is_replaced(target: Target, way: str) -> None:
    name = f"late-{list(LATE).index(way)}"
    target.site.expects(rf"MW0620: process \d+ of \S*{name} has sent nothing for 2 s")
    target.site.tolerates("MW07|a line")
    target.site.tolerates("Traceback|BrokenPipe")
    answer = target.ask(LATE[way], path=f"/{name}")
    assert answer.split()[1] == b"504", answer
