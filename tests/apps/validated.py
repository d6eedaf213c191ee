"""Real applications inside the standard library's WSGI validator, which judges the server."""

import warnings
from wsgiref.validate import WSGIWarning, validator

import answers
import bodies
import closings
import documents
import early
import environs
import expected
import files
import headings
import hello
import kinds
import pages
import pieces
import ranges
import respond
import shapes
import sources
import statuses
import streams
import threads
import wrappers


@validator
def echo(environ, start_response):
    """Reads its body if there is one, and answers with it."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length) if length else b"no body"
    environ["wsgi.errors"].flush()
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Length", str(length))])
    return [body, b"!"]


@validator
def generated(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return (word for word in (b"in ", b"several ", b"blocks"))


@validator
def lines(environ, start_response):
    """The three other ways to read; the validator wants sizes given."""
    source = environ["wsgi.input"]
    first = source.readline()
    rest = b"|".join(source)
    return answers.plain(start_response, first + b"/" + rest)


@validator
def written(environ, start_response):
    write = start_response("201 Created", [("Content-Type", "text/plain")])
    write(b"written ")
    return [b"and returned"]


@validator
def wrapped(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return environ["wsgi.file_wrapper"](open(environ["tests.file"], "rb"), 8192)


@validator
def nothing(environ, start_response):
    start_response("204 No Content", [])
    return []


# Once for all threads: what catch_warnings() does, no thread has for itself before 3.14.
warnings.simplefilter("ignore", WSGIWarning)

# Every application of ours that keeps the PEP's rules, by the module that it is of. What is left
# out, and why, stands in tests/server/applications/test_validator.py.
MODULES = dict(
    (module.__name__, module)
    for module in [bodies, closings, documents, early, environs, expected, files, headings, hello]
    + [kinds, pages, pieces, ranges, respond, shapes, sources, statuses, streams, threads]
    + [wrappers]
)


def anyone(environ, start_response):
    """The application that PATH_INFO names as /module/name, inside the validator."""
    module, name = environ["PATH_INFO"].strip("/").split("/")[:2]
    environ["SCRIPT_NAME"] += "/%s/%s" % (module, name)
    environ["PATH_INFO"] = environ["PATH_INFO"][len("/%s/%s" % (module, name)) :]
    return validator(getattr(MODULES[module], name))(environ, start_response)
