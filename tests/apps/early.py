"""Applications that answer before they have the request's body, or a part of it only."""

import waiting

TEXT = [("Content-Type", "text/plain")]
ANSWER = b"an early answer"


class Alone(object):
    """One block, and says so; close() takes until the test lets it go on."""

    def __init__(self, environ):
        self.environ = environ

    def __len__(self):
        return 1

    def __iter__(self):
        return iter([ANSWER])

    def close(self):
        waiting.wait(self.environ)


def lists(environ, start_response):
    start_response("200 OK", TEXT)
    return [ANSWER]


def lists_and_tells_the_length(environ, start_response):
    start_response("200 OK", TEXT + [("Content-Length", str(len(ANSWER)))])
    return [ANSWER]


def generates(environ, start_response):
    start_response("200 OK", TEXT)
    return (block for block in (ANSWER[:3], ANSWER[3:]))


def generates_its_length(environ, start_response):
    start_response("200 OK", TEXT + [("Content-Length", str(len(ANSWER)))])
    return (block for block in (ANSWER[:3], ANSWER[3:]))


def writes(environ, start_response):
    write = start_response("200 OK", TEXT)
    write(ANSWER[:3])
    write(ANSWER[3:])
    return []


def writes_its_length(environ, start_response):
    write = start_response("200 OK", TEXT + [("Content-Length", str(len(ANSWER)))])
    write(ANSWER)
    return []


def reads_ten_bytes(environ, start_response):
    start_response("200 OK", TEXT)
    return [ANSWER if len(environ["wsgi.input"].read(10)) == 10 else b"the body is short"]


def reads_a_line(environ, start_response):
    """In the middle of its answer."""
    start_response("200 OK", TEXT)
    yield ANSWER[:3]
    environ["wsgi.input"].readline()
    yield ANSWER[3:]


def refuses(environ, start_response):
    start_response("403 Forbidden", TEXT)
    return [ANSWER]


def redirects(environ, start_response):
    start_response("303 See Other", [("Location", "http://example.com/")])
    return []


def has_no_content(environ, start_response):
    start_response("204 No Content", [])
    return []


def has_a_lot(environ, start_response):
    """More than the server and the system keep."""
    start_response("200 OK", TEXT)
    return [b"a lot of it;" * 100000] * 10


def closes_late(environ, start_response):
    start_response("200 OK", TEXT)
    return Alone(environ)
