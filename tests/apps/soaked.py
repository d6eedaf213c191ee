"""What ./dev soak asks for: answers that the client can compute, too, from its own query.

So an answer that is short, or another's, or mixed with another's, shows.
"""

import time

import answers
from patterns import pattern

BLOCK = 8192
KEPT = []
MOST_KEPT = 256  # megabytes: what a process without a bound of its own grows to


def asked(environ):
    """A name, and a number."""
    name, number = environ["QUERY_STRING"].split("-")
    return name, int(number)


def whole(environ, start_response):
    """So many bytes, of a known length."""
    return answers.plain(start_response, pattern(*asked(environ)))


def parts(environ, start_response):
    """So many bytes, in parts, of a length that nobody is told."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    body = pattern(*asked(environ))
    return (body[place : place + BLOCK] for place in range(0, len(body), BLOCK))


def echo(environ, start_response):
    """The request's body."""
    return answers.plain(start_response, environ["wsgi.input"].read())


def slow(environ, start_response):
    """So many bytes, after two seconds."""
    time.sleep(2)
    return answers.plain(start_response, pattern(*asked(environ)))


def leak(environ, start_response):
    """Keeps a megabyte with each request."""
    if len(KEPT) == MOST_KEPT:
        del KEPT[:]
    KEPT.append(bytearray(1 << 20))
    return answers.plain(start_response, pattern(*asked(environ)))
