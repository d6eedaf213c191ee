"""An application whose file is changed while it is served."""

import hashlib
import threading
from dataclasses import dataclass, field
from pathlib import Path

SOURCE = """
BODY = b"%s"

def application(environ, start_response):
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))]
    start_response("200 OK", headers)
    return [BODY]
"""


def body(number: int) -> bytes:
    return f"{number} {hashlib.sha256(str(number).encode()).hexdigest()}".encode()


def source(number: int) -> str:
    return SOURCE % body(number).decode()


@dataclass(kw_only=True)
class Edits:
    """The edits so far. Not frozen: one thread counts on."""

    path: Path
    number: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def edit(self) -> None:
        """The file appears whole or not at all."""
        with self.lock:
            part = self.path.with_suffix(".part")
            part.write_text(source(self.number + 1))
            part.chmod(0o644)
            part.rename(self.path)
            self.number += 1

    def is_one(self, answer: bytes) -> bool:
        """Whether an answer is that of an edit.

        Processes notice an edit one after the other, so it may be an older one. The next one may
        be there already, before it is counted.
        """
        number = answer.partition(b" ")[0]
        if not number.isdigit():
            return False
        return int(number) <= self.number + 1 and answer == body(int(number))

    def is_last(self, answer: bytes) -> bool:
        return answer == body(self.number)
