"""What the threads of a run wait for, so that an interrupt ends it at once."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakSet

import requests

from command import Problem

INTERRUPTED = "interrupted"


class Interrupted(Problem):
    """The user has interrupted the run, and nothing new begins."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """Answers of the daemon that are being read, and programs that are waited for."""

    streams: WeakSet[Any] = field(default_factory=WeakSet)
    ends: dict[object, Callable[[], None]] = field(default_factory=dict)
    stopped: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self) -> None:
        if self.stopped.is_set():
            raise Interrupted(INTERRUPTED)

    def note(self, answer: requests.Response, **how: Any) -> None:
        """A hook of requests: remembers each answer that comes in parts."""
        if not how.get("stream"):
            return
        with self.lock:
            self.streams.add(answer.raw)
        if self.stopped.is_set():
            answer.close()
            self.check()

    @contextmanager
    def under_way(self, end: Callable[[], None]) -> Iterator[None]:
        """Has a program ended by a function, if it is still waited for at an interrupt."""
        key = object()
        with self.lock:
            self.ends[key] = end
        try:
            self.check()
            yield
        finally:
            with self.lock:
                del self.ends[key]

    def stop(self) -> None:
        """Ends all that is waited for. A daemon ends a build whose answer nobody reads."""
        self.stopped.set()
        with self.lock:
            ends = [*(stream.shutdown for stream in self.streams), *self.ends.values()]
        for end in ends:
            # One that has just ended by itself has nothing to shut down.
            with suppress(OSError, RuntimeError, ValueError):
                end()
