"""Responses that a server may cut to the ranges of bytes that a client asks for.

Each has the bytes of the file tests.file, with validators for If-Range.
"""

import io

HEADERS = [
    ("Content-Type", "application/octet-stream"),
    ("ETag", '"tag"'),
    ("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT"),
]


class Alone(object):
    """One block, and says so."""

    def __init__(self, block):
        self.block = block

    def __len__(self):
        return 1

    def __iter__(self):
        return iter([self.block])


def content(environ):
    with open(environ["tests.file"], "rb") as source:
        return source.read()


def blocks(environ):
    whole = content(environ)
    return [whole[start : start + 1000] for start in range(0, len(whole), 1000)]


def a_list(environ, start_response):
    start_response("200 OK", HEADERS)
    return [content(environ)]


def a_list_of_many(environ, start_response):
    start_response("200 OK", HEADERS)
    return blocks(environ)


def a_small_list(environ, start_response):
    """What is sent without Python's lock, in one go."""
    start_response("200 OK", HEADERS)
    return [content(environ)[:10000]]


def a_block(environ, start_response):
    start_response("200 OK", HEADERS)
    return Alone(content(environ))


def a_block_of_its_length(environ, start_response):
    whole = content(environ)
    start_response("200 OK", HEADERS + [("Content-Length", str(len(whole)))])
    return iter([whole])


def written(environ, start_response):
    whole = content(environ)
    write = start_response("200 OK", HEADERS + [("Content-Length", str(len(whole)))])
    write(whole)
    return []


def a_file(environ, start_response):
    start_response("200 OK", HEADERS)
    return environ["wsgi.file_wrapper"](open(environ["tests.file"], "rb"))


def a_file_of_its_length(environ, start_response):
    start_response("200 OK", HEADERS + [("Content-Length", str(len(content(environ))))])
    return environ["wsgi.file_wrapper"](open(environ["tests.file"], "rb"), 4096)


def a_file_from_an_offset(environ, start_response):
    """Ranges are of what is sent, not of what the file has."""
    source = open(environ["tests.file"], "rb")
    source.seek(1000)
    start_response("200 OK", HEADERS + [("Content-Length", "100000")])
    return environ["wsgi.file_wrapper"](source)


def in_pieces(environ, start_response):
    """Each goes out before the next one is made, so nothing can be cut out of them."""
    start_response("200 OK", HEADERS + [("Content-Length", str(len(content(environ))))])
    return (block for block in blocks(environ))


def of_unknown_length(environ, start_response):
    start_response("200 OK", HEADERS)
    return (block for block in blocks(environ))


def in_memory(environ, start_response):
    """A file without a descriptor is read and sent in blocks."""
    start_response("200 OK", HEADERS)
    return environ["wsgi.file_wrapper"](io.BytesIO(content(environ)))


def cut_by_the_application(environ, start_response):
    part = [("Content-Range", "bytes 100-299/1000")]
    start_response("206 Partial Content", HEADERS + part)
    return [content(environ)[100:300]]


def not_found(environ, start_response):
    start_response("404 Not Found", HEADERS)
    return [content(environ)]
