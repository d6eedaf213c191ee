"""Applications that end their process in the middle of a request, in several ways."""

import os
import signal

import answers
import waiting


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def leave():
    os._exit(3)


def crash():
    os.kill(os.getpid(), signal.SIGSEGV)
    signal.pause()


WAYS = {"kill": kill, "leave": leave, "crash": crash}


def die(environ):
    WAYS[environ["QUERY_STRING"]]()


def before_the_head(environ, start_response):
    die(environ)


def behind_the_head(environ, start_response):
    """The first part has come to the client by then."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"a part"
    die(environ)


def within_a_length(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "100")])
    yield b"a part"
    die(environ)


def while_it_reads(environ, start_response):
    environ["wsgi.input"].read(10)
    die(environ)


def pid(environ, start_response):
    return answers.plain(start_response, str(os.getpid()).encode("ascii"))


def slow(environ, start_response):
    """Answers when the test lets it. The name of the process comes first."""
    waiting.tell(environ, str(os.getpid()))
    waiting.wait(environ)
    return answers.plain(start_response, b"whole")
