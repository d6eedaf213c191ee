"""Iterables of odd shapes, and bodies that go wrong in the middle."""

import sys

import waiting

TEXT = [("Content-Type", "text/plain")]


class Watched(object):
    """An iterable that tells the test which attributes anybody asked of it."""

    def __init__(self, environ, blocks):
        self.environ, self.blocks, self.asked = environ, blocks, []

    def __getattribute__(self, name):
        if name not in ("environ", "blocks", "asked"):
            self.asked.append(name)
        return object.__getattribute__(self, name)

    def __iter__(self):
        return iter(self.blocks)

    def close(self):
        waiting.tell(self.environ, ",".join(sorted(set(self.asked))))


def watched(environ, start_response):
    start_response("200 OK", TEXT)
    return Watched(environ, [b"watched ", b"body"])


class OldSequence(object):
    """Iterable only by the old protocol of indexes."""

    def __getitem__(self, index):
        return [b"by ", b"index"][index]


def by_index(environ, start_response):
    start_response("200 OK", TEXT)
    return OldSequence()


class Sized(object):
    """Says how many blocks it has, or raises when asked."""

    def __init__(self, blocks, size):
        self.blocks, self.size = blocks, size

    def __iter__(self):
        return iter(self.blocks)

    def __len__(self):
        if self.size is None:
            raise ValueError("no length to be had")
        return self.size


def sized_one(environ, start_response):
    start_response("200 OK", TEXT)
    return Sized([b"the only block"], 1)


def sized_two(environ, start_response):
    start_response("200 OK", TEXT)
    return Sized([b"one ", b"two"], 2)


def size_raises(environ, start_response):
    start_response("200 OK", TEXT)
    return Sized([b"size ", b"raises"], None)


def a_string(environ, start_response):
    """Bytes are an iterable of their own: of bytes on 2.7, of numbers on 3."""
    start_response("200 OK", TEXT)
    return b"abc"


def a_set(environ, start_response):
    start_response("200 OK", TEXT)
    return set([b"the only element"])


class Promised(object):
    """More blocks than Content-Length has room for; tells how many were taken."""

    def __init__(self, environ):
        self.environ, self.taken = environ, 0

    def __iter__(self):
        for _ in range(50):
            self.taken += 1
            yield b"01234"

    def close(self):
        waiting.tell(self.environ, "%d" % self.taken)


def promises_ten(environ, start_response):
    start_response("200 OK", TEXT + [("Content-Length", "10")])
    return Promised(environ)


def promises_nothing(environ, start_response):
    """Content-Length: 0, and blocks all the same."""
    start_response("200 OK", TEXT + [("Content-Length", "0")])
    return iter([b"", b"more than nothing"])


def short_list(environ, start_response):
    start_response("200 OK", TEXT + [("Content-Length", "10")])
    return [b"01234"]


def short_written(environ, start_response):
    write = start_response("200 OK", TEXT + [("Content-Length", "10")])
    write(b"01234")
    return []


def written_to_its_length(environ, start_response):
    """All that was promised is written; what is returned adds nothing."""
    write_thousands(start_response)
    return []


def written_beyond_its_length(environ, start_response):
    """All that was promised is written, and more is returned."""
    write_thousands(start_response)
    return [b"more"]


def write_thousands(start_response):
    """As many bytes as were promised, in two writes: enough for a filter to work on."""
    write = start_response("200 OK", TEXT + [("Content-Length", "6000")])
    write(b"0123456789" * 300)
    write(b"9876543210" * 300)


def nothing_of_ten(environ, start_response):
    start_response("200 OK", TEXT + [("Content-Length", "10")])
    return iter([])


def long_list(environ, start_response):
    start_response("200 OK", TEXT + [("Content-Length", "10")])
    return [b"01234", b"56789ABC", b"DEF"]


class Failing(object):
    """Raises after so many blocks; tells that it was closed, and raises again if asked to."""

    def __init__(self, environ, blocks, close_raises=False):
        self.environ, self.blocks, self.close_raises = environ, blocks, close_raises

    def __iter__(self):
        for block in self.blocks:
            yield block
        raise ValueError("raised after %d blocks" % len(self.blocks))

    def close(self):
        waiting.tell(self.environ, "closed")
        if self.close_raises:
            raise KeyError("raised by close")


def fails_before_the_first(environ, start_response):
    start_response("200 OK", TEXT)
    return Failing(environ, [])


def fails_after_an_empty_one(environ, start_response):
    start_response("200 OK", TEXT)
    return Failing(environ, [b""])


def fails_in_the_middle(environ, start_response):
    start_response("200 OK", TEXT)
    return Failing(environ, [b"one;"])


def fails_after_the_last(environ, start_response):
    start_response("200 OK", TEXT + [("Content-Length", "8")])
    return Failing(environ, [b"one;", b"two;"])


def fails_twice(environ, start_response):
    start_response("200 OK", TEXT)
    return Failing(environ, [b"one;"], close_raises=True)


def starts_again_in_the_generator(environ, start_response):
    """Before the first block is sent exc_info replaces the head, also from a generator."""
    start_response("200 OK", TEXT)
    yield b""
    try:
        raise ValueError("found out late")
    except ValueError:
        start_response("503 Not Now", TEXT, sys.exc_info())
    yield b"replaced"


def starts_too_late(environ, start_response):
    """A block before start_response was called."""
    yield b"too early"
    start_response("200 OK", TEXT)


def writes_before_it_starts(environ, start_response):
    """A write() left over from a refused start is no way around start_response."""
    write = start_response("200 OK", TEXT)
    try:
        start_response("bad", [], (ValueError, ValueError("x"), None))
    except ValueError:
        pass
    write(b"without a head")
    return []


def writes_from_the_generator(environ, start_response):
    write = start_response("200 OK", TEXT)
    write(b"1")
    yield b"2"
    write(b"3")
    yield b"4"


def writes_while_waiting(environ, start_response):
    """What write() took is with the client before write() returns."""
    write = start_response("200 OK", TEXT)
    write(b"")
    write(b"first\n")
    waiting.wait(environ)
    write(b"second\n")
    return []


def late_replacement(environ, start_response):
    """start_response with exc_info out of write()'s own failure."""
    write = start_response("200 OK", TEXT + [("Content-Length", "3")])
    try:
        write(b"too long")
    except ValueError:
        start_response("500 Too Long", TEXT, sys.exc_info())
    return [b"replaced"]


def bodiless(environ, start_response):
    """A body where the status that QUERY_STRING holds allows none."""
    status = {"204": "204 No Content", "304": "304 Not Modified"}[environ["QUERY_STRING"]]
    start_response(status, [("ETag", '"tag"'), ("Set-Cookie", "a=1")])
    return [b"never to be sent"]


def cased_headers(environ, start_response):
    """Content-Type and Content-Length in letters of every case are one header each."""
    style = {"lower": str.lower, "upper": str.upper, "title": str.title}[environ["QUERY_STRING"]]
    headers = [(style("content-type"), "text/x-own"), (style("content-length"), "5")]
    start_response("200 OK", headers)
    return iter([b"12", b"345"])


def doubled_length(environ, start_response):
    start_response("200 OK", [("Content-Length", "5"), ("CONTENT-LENGTH", "6")])
    return [b"12345"]


def doubled_type(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("content-type", "text/html")])
    return [b"12345"]


class Ghost(object):
    """Dies with its environ, when the response is decided: nothing may change it any more."""

    def __init__(self, start_response):
        self.start_response = start_response

    def __del__(self):
        headers = [("X-Ghost-%d" % number, "g" * 500) for number in range(50)]
        try:
            self.start_response("500 Ghost", headers, (ValueError, ValueError("ghost"), None))
        except Exception:
            pass


def haunted(environ, start_response):
    """A destructor calls start_response after the response was complete but not yet sent."""
    environ["tests.ghost"] = Ghost(start_response)
    start_response("200 OK", TEXT + [("X-Living", "l" * 300)])
    return [b"living"]


class CountsDown(object):
    """An iterator whose length is what is left of it."""

    def __init__(self, blocks):
        self.blocks = list(blocks)

    def __len__(self):
        return len(self.blocks)

    def __iter__(self):
        return self

    def __next__(self):
        if not self.blocks:
            raise StopIteration
        return self.blocks.pop(0)

    next = __next__


def counts_down(environ, start_response):
    start_response("200 OK", TEXT)
    return CountsDown([b"one ", b"two"])


def bodiless_with_length(environ, start_response):
    """A length where there is nothing to measure."""
    start_response("204 No Content", [("Content-Length", "5")])
    return [b"12345"] if environ["QUERY_STRING"] == "body" else []


def a_long_line(environ, start_response):
    """A short line, and one that a filter may find too long."""
    start_response("200 OK", TEXT)
    yield b"first\n"
    yield b"a" * 900000 + b"\n"
