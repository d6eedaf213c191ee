#!/usr/bin/python3
"""A hostile process of an application: runs the code that a request brings.

It is installed as mod_wsgi-py1.0, with frames.py beside it. The code stands in the header X-Do. It
has the connection and all of frames.py, and may send whatever it likes.
"""

import array
import base64
import os
import select
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable

import frames  # type: ignore[import-not-found]  # the copy beside this file

CONTROL, BOARD, NEWS = 3, 4, 5
VARIABLE = b"HTTP_X_DO\0"

TOOLS = {
    **{name: value for name, value in vars(frames).items() if not name.startswith("_")},
    **{each.__name__: each for each in (os, select, signal, socket, struct, sys, threading, time)},
    "CONTROL": CONTROL,
    "BOARD": BOARD,
    "NEWS": NEWS,
}


def main() -> None:
    control = socket.socket(fileno=CONTROL)
    os.write(NEWS, b"r")
    while True:
        data, extra, _, _ = control.recvmsg(1, socket.CMSG_SPACE(4))
        if data != b"c":
            os._exit(0)
        fds = array.array("i")
        fds.frombytes(extra[0][2])
        connection = socket.socket(fileno=fds[0])
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


def serve(connection: socket.socket) -> None:
    """Obeys each request of a connection."""
    while packet := receive(connection):
        if frames.FRAME.unpack_from(packet)[1] == frames.REQUEST and VARIABLE in packet:
            code = base64.b64decode(packet.split(VARIABLE, 1)[1].split(b"\0", 1)[0])
            try:
                exec(code, {**TOOLS, "c": connection, "send": sender(connection)})  # noqa: S102
            except (BrokenPipeError, ConnectionResetError):
                return


def receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(frames.PACKET)
    except ConnectionResetError:
        return b""


def sender(connection: socket.socket) -> Callable[..., None]:
    """send(packet), send(packet, fd), send(packet, fd, fd)."""

    def send(packet: bytes, *fds: int) -> None:
        if fds:
            socket.send_fds(connection, [packet], list(fds))
        else:
            connection.send(packet)

    return send


main()
