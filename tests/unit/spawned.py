#!/usr/bin/python3
"""Stands in for an application's process in the tests of the spawner: obeys what it is told.

The file is copied beside the spawner, as mod_wsgi-py3.11 and the like.
"""

import array
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

CONTROL, BOARD, NEWS, SLOT_SIZE = 3, 4, 5, 64


def main() -> None:
    at_start = Path(sys.argv[0]).parent / "at-start"
    if at_start.exists():
        exec(at_start.read_text())  # noqa: S102 - the test has written it
    control = socket.socket(fileno=CONTROL)
    connections: list[socket.socket] = []
    os.write(NEWS, b"r")
    while True:
        for ready in select.select([control, *connections], [], [])[0]:
            if ready is control:
                take(control, connections)
            elif not answer(ready):
                connections.remove(ready)
                ready.close()


def take(control: socket.socket, connections: list[socket.socket]) -> None:
    data, extra, _, _ = control.recvmsg(1, socket.CMSG_SPACE(4))
    if data == b"c":
        fds = array.array("i")
        fds.frombytes(extra[0][2])
        connections.append(socket.socket(fileno=fds[0]))
    else:
        sys.exit(0)


def answer(connection: socket.socket) -> bool:
    """Runs what was asked for: a Python expression."""
    try:
        asked = connection.recv(65536)
    except ConnectionResetError:
        return False
    if asked:
        connection.send(json.dumps(eval(asked.decode())).encode())  # noqa: S307
    return bool(asked)


def facts() -> object:
    fds = {fd: name_of(fd) for fd in sorted(Path("/proc/self/fd").iterdir())}
    return {
        "pid": os.getpid(),
        "argv": sys.argv,
        "uids": os.getresuid(),
        "gids": os.getresgid(),
        "groups": os.getgroups(),
        "environ": dict(os.environ),
        "cwd": str(Path.cwd()),
        "umask": os.umask(0o22),
        "core": resource.getrlimit(resource.RLIMIT_CORE),
        "files": resource.getrlimit(resource.RLIMIT_NOFILE),
        "session": os.getsid(0),
        "blocked": len(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "ignored": [n for n in range(1, 32) if is_ignored(n)],
        "fds": {fd.name: name for fd, name in fds.items() if name},
    }


def is_ignored(number: int) -> bool:
    status = Path("/proc/self/status").read_text().splitlines()
    mask = next(line for line in status if line.startswith("SigIgn")).split()[1]
    return bool(int(mask, 16) >> (number - 1) & 1)


def name_of(fd: Path) -> str:
    try:
        return str(fd.readlink())
    except OSError:
        return ""


def set_busy(count: int) -> None:
    slot = int(sys.argv[6])
    os.pwrite(BOARD, struct.pack("=III", os.getpid(), 1, count), slot * SLOT_SIZE)


def fork_all(most: int) -> int:
    """How many processes can be had. They end with this one."""
    for made in range(most):
        try:
            if os.fork() == 0:
                prctl = __import__("ctypes").CDLL(None).prctl
                prctl(1, signal.SIGKILL)
                time.sleep(600)
        except BlockingIOError:
            return made
    return most


def set_used() -> None:
    slot = int(sys.argv[6])
    os.pwrite(BOARD, struct.pack("=I", int(time.monotonic())), slot * SLOT_SIZE + 16)


def write(text: str, fd: int = 2) -> int:
    return os.write(fd, text.encode())


def refused(call: Callable[..., object], *arguments: int) -> bool:
    try:
        call(*arguments)
    except OSError:
        return True
    return False


def error_of(call: Callable[[], object]) -> str:
    try:
        call()
    except OSError as error:
        return type(error).__name__
    return "none"


def say(what: str) -> int:
    return os.write(NEWS, what.encode())


def die(status: int) -> None:
    os._exit(status)


def wait(seconds: float) -> None:
    time.sleep(seconds)


main()
