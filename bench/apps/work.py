"""What the benchmarks serve: one callable for each workload."""

import os

PLAIN = ("Content-Type", "text/plain")
PAGE = b"<p>A paragraph of a page, as templates make it.</p>\n" * 197
BLOCK = b"b" * 65536
PIECE = b"p" * 100
FILE_SIZE = 100 * 1024 * 1024


def hello(environ, start_response):
    start_response("200 OK", [PLAIN, ("Content-Length", "13")])
    return [b"Hello, world!"]


def page(environ, start_response):
    headers = [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Length", str(len(PAGE))),
        ("Cache-Control", "private, max-age=0"),
        ("Vary", "Cookie"),
        ("X-Frame-Options", "DENY"),
        ("Set-Cookie", "session=0123456789abcdef; Path=/; HttpOnly"),
    ]
    start_response("200 OK", headers)
    return [PAGE]


def blocks(environ, start_response):
    start_response("200 OK", [PLAIN, ("Content-Length", str(16 * len(BLOCK)))])
    return iter([BLOCK] * 16)


def echo(environ, start_response):
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    start_response("200 OK", [PLAIN, ("Content-Length", str(len(body)))])
    return [body]


def stream(environ, start_response):
    start_response("200 OK", [PLAIN])
    for _ in range(100):
        yield PIECE


def file(environ, start_response):
    start_response("200 OK", [PLAIN, ("Content-Length", str(FILE_SIZE))])
    stream = open(os.environ["BENCH_FILE"], "rb")
    wrapper = environ.get("wsgi.file_wrapper")
    return wrapper(stream, 65536) if wrapper else iter(lambda: stream.read(65536), b"")
