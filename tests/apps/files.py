"""Applications that answer with wsgi.file_wrapper; the file is the variable tests.file."""

import io
import os

import answers
import waiting

TYPE = [("Content-Type", "application/octet-stream")]


def wrap(environ, start_response, source, headers=(), size=None):
    start_response("200 OK", TYPE + list(headers))
    sizes = () if size is None else (size,)
    return environ["wsgi.file_wrapper"](source, *sizes)


def whole(environ, start_response):
    return wrap(environ, start_response, open(environ["tests.file"], "rb"))


def with_block_size(environ, start_response):
    return wrap(environ, start_response, open(environ["tests.file"], "rb"), size=4096)


def from_an_offset(environ, start_response):
    """A file that has been read from goes on where its reader stopped."""
    source = open(environ["tests.file"], "rb")
    source.read(1000)
    return wrap(environ, start_response, source)


def from_a_sought_place(environ, start_response):
    source = open(environ["tests.file"], "rb")
    source.seek(1234)
    return wrap(environ, start_response, source)


def last_bytes(environ, start_response):
    source = open(environ["tests.file"], "rb")
    source.seek(-4, 2)
    return wrap(environ, start_response, source)


def part(environ, start_response):
    """Content-Length says where to end."""
    source = open(environ["tests.file"], "rb")
    source.seek(100)
    return wrap(environ, start_response, source, [("Content-Length", "500")])


def unbuffered(environ, start_response):
    return wrap(environ, start_response, io.open(environ["tests.file"], "rb", buffering=0))


def empty(environ, start_response):
    source = open(environ["tests.file"], "rb")
    source.seek(0, 2)
    return wrap(environ, start_response, source)


def of_the_system(environ, start_response):
    """A regular file that has text, and a size of nothing."""
    return wrap(environ, start_response, open("/proc/version", "rb"))


def in_memory(environ, start_response):
    """No descriptor behind it: unfit for sendfile, and to be served all the same."""
    return wrap(environ, start_response, io.BytesIO(b"in memory" * 1000))


class OnlyReads(object):
    """A file-like object with read() and nothing else, as PEP 3333 requires at least."""

    def __init__(self, blocks):
        self.blocks = list(blocks)

    def read(self, size=-1):
        return self.blocks.pop(0) if self.blocks else b""


def only_reads(environ, start_response):
    return wrap(environ, start_response, OnlyReads([b"one ", b"two ", b"three"]))


class Closing(object):
    """A real file that tells the test when it is closed."""

    def __init__(self, environ):
        self.environ = environ
        self.source = open(environ["tests.file"], "rb")
        self.read = self.source.read
        self.fileno = self.source.fileno
        self.tell = self.source.tell

    def close(self):
        self.source.close()
        waiting.tell(self.environ, "closed")


def closes(environ, start_response):
    return wrap(environ, start_response, Closing(environ))


def iterated(environ, start_response):
    """Middleware may iterate over the wrapper, and send what it likes."""
    start_response("200 OK", TYPE)
    source = environ["wsgi.file_wrapper"](open(environ["tests.file"], "rb"), 1000)
    return [block[:1] for block in source]


def after_write(environ, start_response):
    """What was written comes before the file."""
    write = start_response("200 OK", TYPE)
    write(b"written first:")
    return environ["wsgi.file_wrapper"](io.BytesIO(b"then the file"))


def pipe(environ, start_response):
    """A descriptor that knows no offset and no size."""
    reading, writing = os.pipe()
    os.write(writing, b"through a pipe")
    os.close(writing)
    return wrap(environ, start_response, os.fdopen(reading, "rb"))


def text(environ, start_response):
    """A file opened as text cannot be sent: its blocks are no bytes."""
    return wrap(environ, start_response, io.StringIO(b"text".decode("ascii")))


def unsent(environ, start_response):
    """A wrapper that is made and thrown away sends nothing."""
    environ["wsgi.file_wrapper"](open(environ["tests.file"], "rb"))
    return answers.plain(start_response, b"something else")


def shrinking(environ, start_response):
    """A big file, which the test cuts while it is sent."""
    name = os.path.join(environ["tests.scratch"], environ["QUERY_STRING"])
    return wrap(environ, start_response, open(name, "rb"))


OPENED = []


def opens_another(environ, start_response):
    """Has a file open from now on: the descriptor may be one that was another file's before."""
    OPENED.append(open(answers.__file__.replace(".pyc", ".py"), "rb"))
    return answers.plain(start_response, b"opened")
