"""Applications whose threads give the server's objects code of their own to run, which waits.

The request must end nevertheless, and what follows in the thread is told that it has.
"""

import codecs
import sys
import threading

import answers

OVER = threading.Event()
TEXT = [("Content-Type", "text/plain")]
NO_ERROR = (None, None, None)


def wait():
    """Until a later request has come: this one has ended then. If not, it was held up."""
    if not OVER.wait(5) and not OVER.is_set():
        sys._tests_told.append("held")


def in_thread(function):
    """Runs it in a thread that is left alone. The second request lets it go on, and tells of it."""
    told = sys.__dict__.setdefault("_tests_told", [])
    workers = sys.__dict__.setdefault("_tests_workers", [])
    if workers:
        OVER.set()
        workers[0].join(10)
        assert not workers[0].is_alive()
        return " ".join(told).encode("ascii")
    begun = threading.Event()

    def work():
        try:
            function(begun)
            told.append("returned")
        except Exception as error:
            told.append(type(error).__name__)

    workers.append(threading.Thread(target=work))
    workers[0].daemon = True
    workers[0].start()
    begun.wait(10)
    return b"begun"


def lines(begun):
    yield "first\n"
    begun.set()
    wait()
    yield "second\n"


def writes_lines(environ, start_response):
    errors = environ["wsgi.errors"]
    return answers.plain(
        start_response, in_thread(lambda begun: errors.writelines(lines(begun)))
    )


class Index(object):
    def __init__(self, begun):
        self.begun = begun

    def __index__(self):
        self.begun.set()
        wait()
        return 5


def reads(environ, start_response):
    source = environ["wsgi.input"]
    return answers.plain(
        start_response, in_thread(lambda begun: source.readlines(Index(begun)))
    )


class Buffer(Index):
    """Python 3.12 and later ask it for its memory, others refuse it."""

    def __buffer__(self, flags):
        self.begun.set()
        wait()
        return memoryview(bytearray(10))


def finally_begun(function):
    def work(begun):
        try:
            function(begun)
        finally:
            begun.set()

    return work


def reads_into(environ, start_response):
    source = environ["wsgi.input"]

    @finally_begun
    def read(begun):
        source.readinto(Buffer(begun))

    return answers.plain(start_response, in_thread(read))


def writes_bytes(environ, start_response):
    binary = environ["wsgi.errors"].buffer

    @finally_begun
    def write(begun):
        binary.write(Buffer(begun))

    return answers.plain(start_response, in_thread(write))


class Shown(type(u"")):
    """Whoever shows it waits."""

    def __repr__(self):
        self.begun.set()
        wait()
        return "shown"


class ShownNative(str):
    __repr__ = Shown.__dict__["__repr__"]


def shown(text, begun):
    made = (ShownNative if isinstance(text, str) else Shown)(text)
    made.begun = begun
    return made


def starts_with(start_response, make):
    """start_response in a thread, with the arguments that are made there."""

    @finally_begun
    def start(begun):
        start_response(*make(begun) + (NO_ERROR,))

    body = in_thread(start)
    start_response("200 OK", TEXT, NO_ERROR)
    return [body]


def starts_with_status(environ, start_response):
    return starts_with(start_response, lambda begun: (shown("bad", begun), TEXT))


def starts_with_value(environ, start_response):
    return starts_with(
        start_response, lambda begun: ("200 OK", [("X-Bad", shown("\n", begun))])
    )


def starts_with_name(environ, start_response):
    return starts_with(start_response, lambda begun: ("200 OK", [(shown("\n", begun), "x")]))


def starts_with_length(environ, start_response):
    return starts_with(
        start_response, lambda begun: ("200 OK", [("Content-Length", shown("x", begun))])
    )


def starts_with_wide_text(environ, start_response):
    return starts_with(
        start_response, lambda begun: ("200 OK", [("X-Bad", shown(u"\u20ac", begun))])
    )


def starts_with_exception(environ, start_response):
    """Some Pythons make the exception where it is raised."""

    class Slow(ValueError):
        begun = None

        def __init__(self, *arguments):
            ValueError.__init__(self)
            self.begun.set()
            wait()

    @finally_begun
    def start(begun):
        Slow.begun = begun
        start_response("200 OK", TEXT, (Slow, "argument", None))

    write = start_response("200 OK", TEXT)
    if not hasattr(sys, "_tests_workers"):
        write(b"sent;")
    return [in_thread(start)]


def writes_what_cannot_be_shown(environ, start_response):
    """An application may say how such text is encoded."""
    errors = environ["wsgi.errors"]

    @finally_begun
    def write(begun):
        def escape(error):
            begun.set()
            wait()
            return u"?", error.end

        before = codecs.lookup_error("backslashreplace")
        codecs.register_error("backslashreplace", escape)
        try:
            errors.write(u"\ud800\n")
        finally:
            codecs.register_error("backslashreplace", before)

    return answers.plain(start_response, in_thread(write))


def replaced_traceback(environ, start_response):
    """An application may replace what makes text of exceptions, with anything."""
    import traceback

    kind = environ["QUERY_STRING"]
    answer = {
        "numbers": [1, None, 2.5],
        "bytes": [b"bytes\n", bytearray(b"more")],
        "none": None,
        "nothing": [],
        "text": "text",
        "mixed": ["good\n", 7, "also good\n"],
    }[kind]
    before = traceback.format_exception
    traceback.format_exception = lambda *arguments: answer
    environ["tests.before"] = Restore(traceback, before)
    raise ValueError("raised with " + kind)


class Restore(object):
    """Puts the function back when the request has ended."""

    def __init__(self, module, function):
        self.module, self.function = module, function

    def __del__(self):
        self.module.format_exception = self.function
