"""Applications whose response takes its time: who sees a block when, and who is told of the end."""

import answers
import waiting
from numbered import piece


class Blocks(object):
    """An iterable that tells the test when it is closed, and how far it had come."""

    def __init__(self, environ, blocks):
        self.environ = environ
        self.blocks = blocks
        self.taken = 0

    def __iter__(self):
        for block in self.blocks:
            self.taken += 1
            yield block

    def close(self):
        waiting.tell(self.environ, "closed after %d" % self.taken)


def waits_between_blocks(environ, start_response):
    """The first block must reach the client before the second is asked for."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return first_then_wait(environ)


def first_then_wait(environ):
    yield b"first\n"
    waiting.wait(environ)
    yield b"second\n"


def waits_after_write(environ, start_response):
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"first\n")
    waiting.wait(environ)
    return [b"second\n"]


def waits_before_the_first(environ, start_response):
    """Headers wait for the first block that is not empty."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return empty_then_wait(environ)


def empty_then_wait(environ):
    yield b""
    waiting.wait(environ)
    yield b"first\n"


def closes(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return Blocks(environ, [b"one", b"two", b"three"])


def closes_after_error(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return Blocks(environ, one_then_error())


def one_then_error():
    yield b"one"
    raise ValueError("raised after the first block")


def closes_a_list(environ, start_response):
    """A list that can be closed is closed too."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ClosingList(environ)


class ClosingList(list):
    def __init__(self, environ):
        list.__init__(self, [b"from ", b"a list"])
        self.environ = environ

    def close(self):
        waiting.tell(self.environ, "closed a list")


def close_raises(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return FailingClose([b"whole ", b"body"])


class FailingClose(list):
    def close(self):
        raise ValueError("raised by close")


def endless(environ, start_response):
    """Goes on until its client has gone; a bound keeps a broken server from going on for ever."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return Blocks(environ, (b"x" * 65536 for _ in range(20000)))


def endless_writes(environ, start_response):
    """The same by write(), which has no other way to say that the client has gone."""
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    written = 0
    try:
        for written in range(20000):
            write(b"x" * 65536)
        waiting.tell(environ, "wrote everything")
    except Exception as error:
        waiting.tell(environ, "%s after %d" % (type(error).__name__, written))
        raise
    return []


def fails_when_left(environ, start_response):
    """Its client has gone, and then something of its own goes wrong."""
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    try:
        for _ in range(20000):
            write(b"x" * 65536)
    except Exception:
        raise ValueError("could not clean up")
    return []


def does_its_work_slowly(environ, start_response):
    """Tells that it has begun, and ends when the test says so."""
    waiting.tell(environ, "begun")
    waiting.wait(environ)
    return answers.plain(start_response, b"done")


def pieces(environ, start_response):
    """As many as the query string says."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return (piece(number) for number in range(int(environ["QUERY_STRING"])))
