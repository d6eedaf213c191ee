"""Responses that end in every way there is; each tells every call of its close().

PATH_INFO says how the response ends, QUERY_STRING where close() tells of it.
"""

import waiting

TEXT = [("Content-Type", "text/plain")]


class Closing(object):
    """Blocks, and a line for each call of close()."""

    def __init__(self, environ, blocks):
        self.environ, self.blocks = environ, blocks

    def __iter__(self):
        return iter(self.blocks)

    def close(self):
        waiting.tell(self.environ, "closed")


class ClosingFails(Closing):
    def close(self):
        Closing.close(self)
        raise ValueError("raised by close")


class Stepping(Closing):
    """Its own iterator, which has the one close() of both."""

    def __iter__(self):
        self.rest = iter(self.blocks)
        return self

    def __next__(self):
        return next(self.rest)

    next = __next__


class NeverIterates(Closing):
    def __iter__(self):
        raise ValueError("raised by iter")


class ClosingFile(Closing):
    """A file with blocks in it, for wsgi.file_wrapper."""

    def read(self, size=-1):
        return self.blocks.pop(0) if self.blocks else b""


def blocks_then_error(*blocks):
    for block in blocks:
        yield block
    raise ValueError("raised in the middle")


def refused(environ, start_response):
    """start_response raised, and the application went on."""
    try:
        start_response("200", TEXT)
    except ValueError:
        pass
    return Closing(environ, [b"one"])


def with_head(make, status="200 OK", headers=TEXT):
    def answer(environ, start_response):
        start_response(status, headers)
        return make(environ)

    return answer


def promising(length, make):
    return with_head(make, headers=TEXT + [("Content-Length", length)])


def written(environ, start_response):
    start_response("200 OK", TEXT + [("Content-Length", "3")])(b"one")
    return Closing(environ, [b"never asked for"])


ENDINGS = {
    "well": with_head(lambda environ: Closing(environ, [b"one", b"two"])),
    "by-itself": with_head(lambda environ: Stepping(environ, [b"one", b"two"])),
    "without-blocks": with_head(lambda environ: Closing(environ, [])),
    "without-a-body": with_head(lambda environ: Closing(environ, [b"x"]), "304 Not Modified", []),
    "at-its-length": promising("3", lambda environ: Closing(environ, [b"one", b"two"])),
    "beyond-its-length": promising("2", lambda environ: Closing(environ, [b"one", b"two"])),
    "all-written": written,
    "of-a-file": with_head(
        lambda environ: environ["wsgi.file_wrapper"](ClosingFile(environ, [b"one", b"two"]))
    ),
    "short": promising("9", lambda environ: Closing(environ, [b"one"])),
    "before-a-block": with_head(lambda environ: Closing(environ, blocks_then_error())),
    "between-blocks": with_head(lambda environ: Closing(environ, blocks_then_error(b"one"))),
    "before-iteration": with_head(lambda environ: NeverIterates(environ, [])),
    "of-a-wrong-type": with_head(lambda environ: Closing(environ, [b"one", 2])),
    "without-a-head": lambda environ, start_response: Closing(environ, [b"one"]),
    "with-a-refused-head": refused,
    "failing-twice": with_head(lambda environ: ClosingFails(environ, blocks_then_error(b"one"))),
    "failing-at-last": with_head(lambda environ: ClosingFails(environ, [b"one"])),
}


def ending(environ, start_response):
    return ENDINGS[environ["PATH_INFO"].strip("/")](environ, start_response)


def endless(environ, start_response):
    """Goes on until its client has gone; a bound keeps a broken server from going on for ever."""
    start_response("200 OK", TEXT)
    return Closing(environ, (b"x" * 65536 for _ in range(20000)))


def slowly(environ, start_response):
    """Its close() takes as long as the test says."""
    start_response("200 OK", TEXT)
    return ClosingSlowly(environ, [b"one", b"two"])


class ClosingSlowly(Closing):
    def close(self):
        waiting.wait(self.environ)
        Closing.close(self)


def without_its_attribute(environ, start_response):
    start_response("200 OK", TEXT)
    return ClosingMissing([b"one", b"two"])


class ClosingMissing(list):
    @property
    def close(self):
        raise KeyError("close cannot be had")
