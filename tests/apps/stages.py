"""Applications that take a response through its stages (enum wsgi_stage in core/wsgi/wsgi.h)."""

import sys
import threading

HEAD = [("Content-Type", "text/plain")]
REFUSED = "200"  # a status without a reason


def say(environ, text):
    environ["wsgi.errors"].write(text + ".\n")


def fail():
    """What sys.exc_info() gives for an exception."""
    try:
        raise ValueError("the first head is to be replaced")
    except ValueError:
        return sys.exc_info()


def is_refused(start_response, *arguments):
    try:
        start_response(*arguments)
    except ValueError:
        return True
    return False


def stored_then_complete(environ, start_response):
    start_response("200 OK", HEAD)
    return [b"whole"]


def refused_then_stored(environ, start_response):
    assert is_refused(start_response, REFUSED, HEAD)
    assert is_refused(start_response, REFUSED, HEAD, fail())
    start_response("201 Created", HEAD, fail())
    return [b"whole"]


def stored_then_refused(environ, start_response):
    start_response("200 OK", HEAD)
    assert is_refused(start_response, REFUSED, HEAD, fail())
    return [b"of no head"]


def never_started(environ, start_response):
    return [b"of no head"]


def stored_then_replaced(environ, start_response):
    start_response("200 OK", HEAD)
    start_response("201 Created", HEAD, fail())
    return [b"whole"]


def begun_then_complete(environ, start_response):
    write = start_response("200 OK", HEAD + [("Content-Length", "8")])
    write(b"one ")
    write(b"two ")
    write(b"")
    return []


def begun_then_raised(environ, start_response):
    """Neither a head may follow one that was sent, nor anything a response that was broken off."""
    write = start_response("200 OK", HEAD)
    write(b"one ")
    environ["dropped"] = Dropped(environ, start_response, write)
    start_response("500 Error", HEAD, fail())


def begun_then_broken(environ, start_response):
    write = start_response("200 OK", HEAD)
    try:
        for _ in range(1000):
            write(b"x" * 1000)
    except IOError as error:
        say(environ, "write() raised: %s" % error)
    return [b"to nobody"]


class Dropped(object):
    """Its end is the application's last word."""

    def __init__(self, environ, start_response, write=None):
        self.errors = environ["wsgi.errors"]
        self.start_response = start_response
        self.write = write

    def __del__(self):
        try:
            write = self.start_response("200 OK", HEAD, fail())
            write(b"too late")
            self.errors.write("its head is accepted.\n")
        except ValueError:
            self.errors.write("its head comes too late.\n")
        if self.write is not None:
            self.write(b"too late")


def raised_at_once(environ, start_response):
    environ["dropped"] = Dropped(environ, start_response)
    raise KeyError("raised before start_response()")


def refused_then_raised(environ, start_response):
    environ["dropped"] = Dropped(environ, start_response)
    start_response(REFUSED, HEAD)


def stored_then_raised(environ, start_response):
    environ["dropped"] = Dropped(environ, start_response, start_response("200 OK", HEAD))
    raise KeyError("raised before the first byte")


class Misuser(object):
    """Its end does what PEP 3333 forbids."""

    def __init__(self, environ, function, *arguments):
        self.errors = environ["wsgi.errors"]
        self.function = function
        self.arguments = arguments

    def __del__(self):
        try:
            self.function(*self.arguments)
        except RuntimeError as error:
            self.errors.write("its end raised: %s.\n" % error)


def raised_then_started_again(environ, start_response):
    start_response("200 OK", HEAD)
    environ["dropped"] = Misuser(environ, start_response, "200 OK", HEAD)
    raise KeyError("raised before the first byte")


def raised_then_written_without_head(environ, start_response):
    write = start_response("200 OK", HEAD)
    assert is_refused(start_response, REFUSED, HEAD, fail())
    environ["dropped"] = Misuser(environ, write, b"of no head")
    raise KeyError("raised before the first byte")


def refused_while_it_waits(environ, start_response):
    """A thread waits to send the head while this one reads, and this one spoils it."""
    write = start_response("200 OK", HEAD)
    reading, outcome = threading.Event(), []

    def send():
        reading.wait()
        try:
            write(b"x")
        except RuntimeError as error:
            outcome.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    keep_the_lock()
    reading.set()
    environ["wsgi.input"].read(1)
    assert is_refused(start_response, REFUSED, HEAD, fail())
    thread.join()
    say(environ, "write() raised: %s" % outcome[0])
    return [b"of no head"]


def keep_the_lock():
    """From here on a thread lets another run only where it waits."""
    if sys.version_info[0] == 2:
        sys.setcheckinterval(1000000000)
    else:
        sys.setswitchinterval(100)
