"""Clients that ask in many ways, and compare each answer with what it has to be."""

import http.client
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.apps.patterns import pattern
from tests.harness.site import Reply, Site, message, read_reply
from tests.soak.editing import Edits

PATIENCE = 60.0
BLOCK = 65536
ABORT = struct.pack("ii", 1, 0)  # a close that sends RST at once


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request: of which kind, when, and what was wrong with it. Empty: nothing."""

    kind: str
    began: float
    ended: float
    fault: str
    clock: str  # when it ended, as the log has it


@dataclass(kw_only=True)
class Traffic:
    """All that the clients have got so far. Not frozen: threads add to it."""

    site: Site
    edits: Edits
    pause: float
    seed: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    faulty: list[Asked] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def client(self, number: int) -> None:
        """Asks, one request after the other, until the end."""
        chance = random.Random(self.seed * 1000 + number)  # noqa: S311  nothing is secret here
        kinds = list(KINDS)
        weights = [WEIGHTS.get(kind, 1) for kind in kinds]
        while not self.ended.wait(chance.random() * 2 * self.pause):
            self.ask(chance.choices(kinds, weights)[0], chance)

    def ask(self, kind: str, chance: random.Random) -> None:
        name = f"{chance.getrandbits(64):x}"
        began = time.monotonic()
        try:
            fault = KINDS[kind](self, name, chance)
        except (OSError, http.client.HTTPException) as error:
            fault = f"lost: {error!r}"
        with self.lock:
            self.counts[kind] += 1
            if fault:
                self.faulty.append(
                    Asked(
                        kind=kind,
                        began=began,
                        ended=time.monotonic(),
                        fault=fault,
                        clock=time.strftime("%H:%M:%S"),
                    )
                )

    def connect(self) -> socket.socket:
        return socket.create_connection((self.site.address, self.site.port), timeout=PATIENCE)

    def exchange(self, target: str, body: bytes | None = None) -> Reply:
        with self.connect() as connection:
            method = "GET" if body is None else "POST"
            connection.sendall(message(target, method, body=body or b""))
            return read_reply(connection)


def compare(reply: Reply, wanted: bytes) -> str:
    if reply.status != http.HTTPStatus.OK:
        return f"lost: {reply.status}"
    return "" if reply.body == wanted else f"wrong: {len(reply.body)} bytes of {len(wanted)}"


def get(application: str, least: int, most: int) -> Callable[[Traffic, str, random.Random], str]:
    """Asks for some number of bytes, and reads them as fast as they come."""

    def ask(traffic: Traffic, name: str, chance: random.Random) -> str:
        size = chance.randint(least, most)
        reply = traffic.exchange(f"/{application}?{name}-{size}")
        return compare(reply, pattern(name, size))

    return ask


def upload(traffic: Traffic, name: str, chance: random.Random) -> str:
    body = pattern(name, chance.randint(1, 300_000))
    return compare(traffic.exchange("/echo", body), body)


def edited(traffic: Traffic, _name: str, _chance: random.Random) -> str:
    """The answer is that of an edit, and not of a half of one."""
    reply = traffic.exchange("/edited")
    if reply.status != http.HTTPStatus.OK:
        return f"lost: {reply.status}"
    return "" if traffic.edits.is_one(reply.body) else f"wrong: {reply.body!r}"


def upload_slowly(traffic: Traffic, name: str, chance: random.Random) -> str:
    body = pattern(name, chance.randint(10, 100_000))
    head = {"Content-Length": str(len(body))}
    with traffic.connect() as connection:
        connection.sendall(message("/echo", "POST", head))
        for part in cut(body, 10):
            connection.sendall(part)
            time.sleep(0.1)
        return compare(read_reply(connection), body)


def read_slowly(traffic: Traffic, name: str, _chance: random.Random) -> str:
    size = 1_000_000
    with traffic.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BLOCK)
        connection.sendall(message(f"/parts?{name}-{size}"))
        response = http.client.HTTPResponse(connection)
        response.begin()
        seen = b""
        while block := response.read(BLOCK):
            seen += block
            time.sleep(0.1)
    if response.status != http.HTTPStatus.OK:
        return f"lost: {response.status}"
    return "" if seen == pattern(name, size) else f"wrong: {len(seen)} bytes of {size}"


def leave_an_answer(traffic: Traffic, name: str, _chance: random.Random) -> str:
    """Reads the begin of a large answer, and hangs up."""
    with traffic.connect() as connection:
        connection.sendall(message(f"/parts?{name}-3000000"))
        connection.recv(BLOCK)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
    return ""


def leave_a_wait(traffic: Traffic, name: str, _chance: random.Random) -> str:
    """Hangs up before there is an answer."""
    with traffic.connect() as connection:
        connection.sendall(message(f"/slow?{name}-10"))
        time.sleep(0.2)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
    return ""


def leave_an_upload(traffic: Traffic, name: str, _chance: random.Random) -> str:
    """Sends a half of what it has announced."""
    with traffic.connect() as connection, suppress(OSError):
        head = {"Content-Length": "400000"}
        connection.sendall(message("/echo", "POST", head) + pattern(name, 200_000))
    return ""


def cut(body: bytes, count: int) -> Iterator[bytes]:
    size = -(-len(body) // count)
    return (body[place : place + size] for place in range(0, len(body), size))


KINDS: dict[str, Callable[[Traffic, str, random.Random], str]] = {
    "small answers": get("whole", 1, 1000),
    "large answers": get("whole", 100_000, 2_000_000),
    "answers in parts": get("parts", 1, 500_000),
    "slow applications": get("slow", 1, 1000),
    "growing applications": get("leak", 1, 1000),
    "edited applications": edited,
    "uploads": upload,
    "slow uploads": upload_slowly,
    "slow readers": read_slowly,
    "answers left": leave_an_answer,
    "waits left": leave_a_wait,
    "uploads left": leave_an_upload,
}
WEIGHTS = {"small answers": 20, "answers in parts": 5, "edited applications": 5, "uploads": 5}


@contextmanager
def running(traffic: Traffic, clients: int) -> Iterator[None]:
    """The clients ask in this block. When it ends they finish what they have begun."""
    threads = [threading.Thread(target=traffic.client, args=[n]) for n in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        traffic.ended.set()
        for thread in threads:
            thread.join(2 * PATIENCE)
