"""Files with traps for a server that sends descriptors, and middleware around files."""

import gzip
import io
import os

import answers

TYPE = [("Content-Type", "application/octet-stream")]


class OnlyReads(object):
    def read(self, size=-1):
        return b""


def has_close(environ, start_response):
    wrapper = environ["wsgi.file_wrapper"]
    with_file = wrapper(open(environ["tests.file"], "rb"))
    report = {
        "with": hasattr(with_file, "close"),
        "without": hasattr(wrapper(OnlyReads()), "close"),
    }
    with_file.close()
    return answers.as_json(start_response, report)


def compressed(environ, start_response):
    """A GzipFile has a descriptor, whose bytes are not its own."""
    name = os.path.join(environ["tests.scratch"], "compressed-%d.gz" % os.getpid())
    target = gzip.open(name, "wb")
    target.write(b"compressed" * 1000)
    target.close()
    start_response("200 OK", TYPE)
    return environ["wsgi.file_wrapper"](gzip.open(name, "rb"))


class Other(io.FileIO):
    """A real file, as far as its descriptor goes, whose read() has a mind of its own."""

    done = False

    def read(self, size=-1):
        text = b"" if self.done else b"not what the descriptor has"
        self.done = True
        return text


def subclass_of_a_file(environ, start_response):
    start_response("200 OK", TYPE)
    return environ["wsgi.file_wrapper"](Other(environ["tests.file"], "r"))


def too_short(environ, start_response):
    """Promises more than the file has."""
    start_response("200 OK", TYPE + [("Content-Length", "1000000")])
    return environ["wsgi.file_wrapper"](open(environ["tests.file"], "rb"))


def changed_by_middleware(environ, start_response):
    """Middleware that sends the blocks of a wrapper, changed."""
    start_response("200 OK", TYPE)
    wrapped = environ["wsgi.file_wrapper"](io.BytesIO(b"middleware"))
    return (block.upper() for block in wrapped)


class Upper(object):
    """What middleware may put in the place of wsgi.file_wrapper."""

    def __init__(self, source, size=8192):
        self.source = source

    def __iter__(self):
        return iter([self.source.read().upper()])


def replaced_by_middleware(environ, start_response):
    environ["wsgi.file_wrapper"] = Upper
    start_response("200 OK", TYPE)
    return environ["wsgi.file_wrapper"](io.BytesIO(b"middleware"))
