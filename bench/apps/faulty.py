"""Does what its query says: what the faults of bench/faults need. faulty.php does the same."""

import os
import signal
import time


def application(environ, start_response):
    what, _, value = environ["QUERY_STRING"].partition("=")
    if what == "sleep":
        time.sleep(float(value))
    if what == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "hog":
        kept = [b"x" * (1 << 20) for _ in range(int(value))]
        del kept
    headers = [("Content-Type", "text/plain")]
    start_response("200 OK", headers)
    return {"after": after, "echo": echo}.get(what, pid)(environ)


def pid(environ):
    return [str(os.getpid()).encode()]


def after(environ):
    """Ends its process behind the head and a part of the body."""
    yield b"a part"
    time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGKILL)


def echo(environ):
    """Sends back what it reads, as it comes."""
    while True:
        block = environ["wsgi.input"].read(65536)
        if not block:
            return
        yield block
