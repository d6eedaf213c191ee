"""A real application inside the standard library's WSGI validator, which judges the server."""

from wsgiref.validate import validator

import answers


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
