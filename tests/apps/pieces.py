"""Responses of many small pieces: the server may put some together, and must not keep any back."""

import itertools
import os
import threading
import time

import waiting
from numbered import piece

TEXT = [("Content-Type", "text/plain")]


def many(environ, start_response):
    """As many as the query string says."""
    start_response("200 OK", TEXT)
    for number in range(int(environ["QUERY_STRING"])):
        yield piece(number)


def equal(environ, start_response):
    start_response("200 OK", TEXT)
    for _ in range(2000):
        yield b"12345"


def written(environ, start_response):
    """Half of them by write(), the last of which come in one list."""
    write = start_response("200 OK", TEXT)
    for number in range(500):
        write(piece(number))
    return [piece(number) for number in range(500, 1000)]


def written_then_yielded(environ, start_response):
    write = start_response("200 OK", TEXT)
    for number in range(500):
        write(piece(number))
    return (piece(number) for number in range(500, 1000))


def of_a_length(environ, start_response):
    """With a Content-Length that is right, or wrong by what the query string says."""
    blocks = [piece(number) for number in range(100)]
    length = sum(len(block) for block in blocks) + int(environ["QUERY_STRING"] or 0)
    start_response("200 OK", TEXT + [("Content-Length", "%d" % length)])
    return iter(blocks)


def three(environ, start_response):
    start_response("200 OK", TEXT)
    for word in (b"first;", b"second;", b"third;"):
        yield word


def then_waits(environ, start_response):
    for word in three(environ, start_response):
        yield word
    waiting.wait(environ)
    yield b"fourth"


def then_keeps_the_lock(environ, start_response):
    """Some seconds in one long step of Python, in the middle of which it never lets its lock go."""
    for word in three(environ, start_response):
        yield word
    max(itertools.repeat(1, 150000000))
    yield b"fourth"


def then_reads(environ, start_response):
    """What the client sends when it has seen what was yielded before."""
    for word in three(environ, start_response):
        yield word
        time.sleep(0.0001)
    yield environ["wsgi.input"].read()


def then_fails(environ, start_response):
    for word in three(environ, start_response):
        yield word
        time.sleep(0.0001)
    raise ValueError("raised after the third piece")


def and_logs(environ, start_response):
    """A line of the log for each."""
    start_response("200 OK", TEXT)
    for number in range(300):
        yield piece(number)
        environ["wsgi.errors"].write("logged beside piece %d.\n" % number)


def endless(environ, start_response):
    """Tells how many were taken when it is closed; a bound keeps a broken server from going on."""
    start_response("200 OK", TEXT)
    taken = 0
    try:
        for taken in itertools.islice(itertools.count(), 20000000):
            yield b"more;"
    finally:
        waiting.tell(environ, "%d" % taken)


def now_and_then(environ, start_response):
    """One at a time, with pauses; tells how many were taken."""
    start_response("200 OK", TEXT)
    taken = 0
    try:
        for taken in range(200):
            yield b"more;"
            time.sleep(0.02)
    finally:
        waiting.tell(environ, "%d" % taken)


def forks(environ, start_response):
    """A copy of the process leaves with the next piece; the original waits for it."""
    for word in three(environ, start_response):
        yield word
    time.sleep(0.05)  # the second one is being sent
    copy = os.fork()
    yield b"x" * 20000
    yield b"%d" % os.waitpid(copy, 0)[1]


class Dropped(object):
    def __init__(self, write):
        self.write = write

    def __del__(self):
        self.write(b"written ")
        self.write(b"too late")


def writes_when_dropped(environ, start_response):
    """The first request fails before it has sent anything, and writes all the same."""
    write = start_response("200 OK", TEXT)
    if "seen" not in SEEN:
        SEEN.append("seen")
        environ["dropped"] = Dropped(write)
        raise ValueError("raised before the first piece")
    write(b"one ")
    return iter([b"two ", b"three"])


SEEN = []


def written_by_two(environ, start_response):
    """Another thread is at the last bytes of the Content-Length when the application returns."""
    write = start_response("200 OK", TEXT + [("Content-Length", "10")])
    write(b"first")
    begun = threading.Event()

    def work():
        begun.set()
        write(b"other")

    threading.Thread(target=work).start()
    begun.wait()
    time.sleep(0.1)
    return iter([])
