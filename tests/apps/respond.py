"""Applications whose responses differ in form; each says in its name in what."""

import answers

TEXT = [("Content-Type", "text/plain")]


def one_block(environ, start_response):
    start_response("200 OK", TEXT)
    return [b"one block"]


def a_tuple(environ, start_response):
    start_response("200 OK", TEXT)
    return (b"a ", b"tuple")


def a_list_of_many(environ, start_response):
    start_response("200 OK", TEXT)
    return [b"%d," % number if bytes is not str else "%d," % number for number in range(3000)]


def a_generator(environ, start_response):
    """Calls start_response only during the first iteration, which PEP 3333 allows."""
    start_response("200 OK", TEXT)
    for word in (b"a ", b"gene", b"rator"):
        yield word


def an_iterator_class(environ, start_response):
    start_response("200 OK", TEXT)
    return Blocks([b"an ", b"iterator"])


class Blocks(object):
    """An iterator and nothing more: no len, no indexing, no close."""

    def __init__(self, blocks):
        self.blocks = list(blocks)

    def __iter__(self):
        return self

    def __next__(self):
        if not self.blocks:
            raise StopIteration
        return self.blocks.pop(0)

    next = __next__


def no_blocks(environ, start_response):
    start_response("200 OK", TEXT + [("X-Empty", "yes")])
    return []


def an_empty_generator(environ, start_response):
    start_response("200 OK", TEXT + [("X-Empty", "yes")])
    return iter(())


def empty_blocks(environ, start_response):
    """Empty blocks send nothing, and end nothing."""
    start_response("200 OK", TEXT)
    return iter([b"", b"between ", b"", b"", b"empty blocks", b""])


def written(environ, start_response):
    write = start_response("200 OK", TEXT)
    write(b"written ")
    write(b"and ")
    return [b"returned"]


def only_written(environ, start_response):
    write = start_response("200 OK", TEXT)
    write(b"only written")
    return []


def status(environ, start_response):
    """Answers with the status that the query string holds, %20 for a space."""
    wanted = environ["QUERY_STRING"].replace("%20", " ")
    bodiless = wanted[:3] in ("204", "304")
    start_response(wanted, [] if bodiless else TEXT)
    return [] if bodiless else [b"status body"]


def repeated_headers(environ, start_response):
    headers = [
        ("Content-Type", "text/plain"),
        ("X-First", "1"),
        ("Set-Cookie", "a=1; Path=/"),
        ("X-Between", "2"),
        ("Set-Cookie", "b=2; Path=/"),
        ("set-cookie", "c=3, with a comma"),
        ("WWW-Authenticate", 'Basic realm="one"'),
        ("WWW-Authenticate", 'Bearer realm="two"'),
        ("X-Last", ""),
    ]
    start_response("200 OK", headers)
    return [b"cookies"]


def latin_1_header(environ, start_response):
    start_response("200 OK", TEXT + [("X-Name", "caf\xe9")])
    return [b"latin-1"]


def binary(environ, start_response):
    """Every byte there is, many times: nothing may be changed on the way."""
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return [bytes(bytearray(range(256))) * 64] * 5


def with_length(environ, start_response):
    """Keeps what Content-Length promised, in several blocks."""
    start_response("200 OK", TEXT + [("Content-Length", "10")])
    return iter([b"01234", b"56789"])


def more_than_promised(environ, start_response):
    start_response("200 OK", TEXT + [("Content-Length", "10")])
    return iter([b"01234", b"56789ABC", b"DEF"])


def less_than_promised(environ, start_response):
    start_response("200 OK", TEXT + [("Content-Length", "10")])
    return iter([b"01234"])


def writes_more_than_promised(environ, start_response):
    write = start_response("200 OK", TEXT + [("Content-Length", "10")])
    write(b"01234")
    write(b"56789ABC")
    return []


def asked_to_start_late(environ, start_response):
    """Returns an iterable that calls start_response when it is first asked for a block."""

    def blocks():
        start_response("200 OK", TEXT)
        yield b"started late"

    return blocks()


def redirect(environ, start_response):
    """A redirect, whose status and Location belong to the application."""
    start_response("302 Found", TEXT + [("Location", "http://example.com/elsewhere")])
    return [b"elsewhere"]


def headers_that_servers_touch(environ, start_response):
    """Headers that a server may have an opinion about; the application's are to be left alone."""
    headers = [
        ("Content-Type", "text/x-own; charset=utf-8"),
        ("Content-Language", "de"),
        ("Content-Encoding", "x-own"),
        ("ETag", '"tag"'),
        ("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT"),
        ("Cache-Control", "no-store"),
    ]
    start_response("200 OK", headers)
    return [b"headers"]


def big(environ, start_response):
    """As many blocks of 64 KiB as the query string says, one after the other."""
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return (b"x" * 65536 for _ in range(int(environ["QUERY_STRING"])))


def query(environ, start_response):
    """The query string, so that concurrent requests can tell their answers apart."""
    return answers.plain(start_response, environ["QUERY_STRING"].encode("latin-1"))


def written_in_pieces(environ, start_response):
    write = start_response("200 OK", TEXT)
    for piece in (b"one ", b"two ", b"three"):
        write(piece)
    return [b" four"]


def written_in_pieces_with_length(environ, start_response):
    write = start_response("200 OK", TEXT + [("Content-Length", "18")])
    for piece in (b"one ", b"two ", b"three"):
        write(piece)
    return [b" four"]
