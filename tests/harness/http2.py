"""A client for HTTP/2: many requests on one connection, each with its own end.

The client is h2, the protocol without input and output. What goes over the socket is here.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events

from tests.harness.site import Site

CONFIG = """
LoadModule http2_module "@{modules}/mod_http2.so"
Protocols h2c http/1.1
@{base}@{applications}
"""

HEAD, GOAWAY = 9, 7  # bytes of a frame's head, and a type of frames


@dataclass(kw_only=True)
class Stream:
    """What came back for one request. Not frozen: it grows with every frame."""

    status: str = ""
    body: bytes = b""
    ended: bool = False
    reset: int | None = None

    @property
    def is_over(self) -> bool:
        return self.ended or self.reset is not None


@dataclass(kw_only=True)
class Conversation:
    """One connection, and what was asked there."""

    connection: socket.socket
    client: h2.connection.H2Connection
    streams: dict[int, Stream] = field(default_factory=dict)
    begun: bytes = b""
    last: int | None = None  # the server is going away, and begins no stream after this one

    def ask(
        self, path: str, body: bytes = b"", *, announced: tuple[tuple[str, str], ...] = ()
    ) -> Stream:
        """Begins a request. With announced headers, its body is still to come."""
        number, stream = self.client.get_next_available_stream_id(), Stream()
        self.streams[number] = stream
        head = [
            (":method", "POST" if body or announced else "GET"),
            (":scheme", "http"),
            (":authority", "127.0.0.1"),
            (":path", path),
            *announced,
        ]
        self.client.send_headers(number, head, end_stream=not body and not announced)
        if body:
            self.client.send_data(number, body, end_stream=True)
        self.connection.sendall(self.client.data_to_send())
        return stream

    def receive(self) -> bool:
        """Takes what has come. False: the server has closed the connection."""
        data = self.connection.recv(65536)
        for frame in self.frames(data):
            for event in self.client.receive_data(frame):
                self.note(event)
        if data:
            self.connection.sendall(self.client.data_to_send())
        return bool(data)

    def frames(self, data: bytes) -> Iterator[bytes]:
        """Those that are complete. For h2 a connection whose server goes away is over at once."""
        self.begun += data
        while len(self.begun) >= HEAD:
            size = HEAD + int.from_bytes(self.begun[:3])
            if len(self.begun) < size:
                return
            frame, self.begun = self.begun[:size], self.begun[size:]
            if frame[3] == GOAWAY:
                self.last = int.from_bytes(frame[HEAD : HEAD + 4]) & 0x7FFFFFFF
            else:
                yield frame

    def receive_until(self, look: Callable[[], bool]) -> None:
        while not look():
            assert self.receive(), f"the connection ended before its streams: {self.streams}"

    def finish(self) -> None:
        """Waits for the ends of all streams."""
        self.receive_until(lambda: all(each.is_over for each in self.streams.values()))

    def note(self, event: h2.events.Event) -> None:
        stream = self.streams.get(getattr(event, "stream_id", None) or 0)
        if stream is None:
            return
        if isinstance(event, h2.events.ResponseReceived):
            stream.status = dict(event.headers or [])[b":status"].decode()
        elif isinstance(event, h2.events.DataReceived):
            stream.body += event.data or b""
            length = event.flow_controlled_length or 0
            self.client.acknowledge_received_data(length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            stream.ended = True
        elif isinstance(event, h2.events.StreamReset):
            stream.reset = int(event.error_code or 0)


@contextmanager
def conversation(site: Site) -> Iterator[Conversation]:
    client = h2.connection.H2Connection(h2.config.H2Configuration())
    client.initiate_connection()
    with site.connect() as connection:
        connection.sendall(client.data_to_send())
        yield Conversation(connection=connection, client=client)


def ask(site: Site, *requests: tuple[str, bytes]) -> list[Stream]:
    """Asks for every (path, body) at once on one connection, and waits for the end of all."""
    with conversation(site) as talk:
        streams = [talk.ask(path, body) for path, body in requests]
        talk.finish()
    return streams
