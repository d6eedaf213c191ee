"""Applications that raise, each at another moment."""

import sys

TEXT = [("Content-Type", "text/plain")]


def at_the_call(environ, start_response):
    raise ValueError("raised at the call")


def before_the_first_block(environ, start_response):
    start_response("200 OK", TEXT)
    raise ValueError("raised before the first block")


def in_the_generator(environ, start_response):
    start_response("200 OK", TEXT)
    raise ValueError("raised in the generator")
    yield b"never reached"


def after_the_first_block(environ, start_response):
    start_response("200 OK", TEXT)
    yield b"the first block"
    raise ValueError("raised after the first block")


def after_the_first_block_of_a_promised_length(environ, start_response):
    start_response("200 OK", TEXT + [("Content-Length", "1000")])
    yield b"the first block"
    raise ValueError("raised short of the promise")


def leaves(environ, start_response):
    """SystemExit ends the request, never the process."""
    sys.exit("an application said exit")


def interrupts(environ, start_response):
    raise KeyboardInterrupt("an application said interrupt")


def deep(environ, start_response):
    """A traceback of two of the application's own functions and a cause."""
    try:
        return inner()
    except KeyError:
        raise ValueError("an outer error\nof two lines")


def inner():
    raise KeyError("inner")


def recursive(environ, start_response):
    return recursive(environ, start_response)


def outside_ascii(environ, start_response):
    raise ValueError(b"\xe2\x82\xac and \x00 and \x1b[31m".decode("utf-8"))
