"""Applications for a process that a test drives by its frames."""

from __future__ import print_function

import atexit
import os
import threading

import answers
import waiting


def large(environ, start_response):
    return answers.plain(start_response, b"0123456789" * 2000000)


def listed(environ, start_response):
    """A list of many small blocks."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"".join([b"%d," % number]) for number in range(10000)]


def its_own_file(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    path = os.path.splitext(__file__)[0] + ".py"
    return environ["wsgi.file_wrapper"](open(path, "rb"))


def raises(environ, start_response):
    raise RuntimeError("on purpose")


def raises_late(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"begun"
    raise RuntimeError("on purpose")


def huge_head(environ, start_response):
    start_response("200 OK", [("X-Huge", "x" * 140000)])
    return [b"never sent"]


def logs_from_a_thread(environ, start_response):
    """The thread has no request."""
    thread = threading.Thread(target=print, args=("from a thread of its own",))
    thread.start()
    thread.join()
    return answers.plain(start_response, b"logged")


def logs_much(environ, start_response):
    for number in range(5000):
        environ["wsgi.errors"].write("line %d\n" % number)
    return answers.plain(start_response, b"logged")


def facts(environ, start_response):
    told = dict((name, environ["wsgi." + name]) for name in ("multithread", "multiprocess"))
    return answers.as_json(start_response, told)


def waits(environ, start_response):
    waiting.wait(environ)
    return answers.plain(start_response, b"waited")


def logs_a_long_line(environ, start_response):
    environ["wsgi.errors"].write("x" * 7000 + "\n")
    return answers.plain(start_response, b"logged")


def registers(environ, start_response):
    """Tells the test at the process's end."""
    atexit.register(waiting.tell, dict(environ), "ended")
    return answers.plain(start_response, b"registered")


class Endless(object):
    def __init__(self, environ):
        self.environ = environ

    def __iter__(self):
        return self

    def __next__(self):
        return b"x" * 65536

    next = __next__

    def close(self):
        waiting.tell(self.environ, "closed")


def endless(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return Endless(environ)


def leaves_a_copy(environ, start_response):
    """A copy of the process that goes on when the request has ended."""
    if os.fork() == 0:
        waiting.wait(environ)
        waiting.tell(environ, "alive")
        os._exit(0)
    return answers.plain(start_response, b"forked")
