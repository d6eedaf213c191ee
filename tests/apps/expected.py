"""Applications that meet a client which waits for 100 Continue, and read late or not at all."""

import answers
import waiting

TEXT = [("Content-Type", "text/plain")]


def reads_nothing(environ, start_response):
    return answers.plain(start_response, b"not read")


def generates(environ, start_response):
    """The same, in blocks whose number nobody knows beforehand."""
    start_response("200 OK", TEXT)
    return (word for word in (b"not ", b"read"))


def reads_after_its_first_block(environ, start_response):
    """By then it is too late to ask the client to go on; what the read gives is told."""
    start_response("200 OK", TEXT)
    yield b"first;"
    waiting.tell(environ, outcome(environ["wsgi.input"].read))
    yield b"second"


def reads_after_its_last_byte(environ, start_response):
    """When the length that was announced has been sent, in close()."""
    start_response("200 OK", TEXT + [("Content-Length", "5")])
    return ReadsWhenClosed(environ)


class ReadsWhenClosed(object):
    def __init__(self, environ):
        self.environ = environ

    def __iter__(self):
        return iter([b"whole"])

    def close(self):
        waiting.tell(self.environ, outcome(self.environ["wsgi.input"].read))


def fails(environ, start_response):
    raise ValueError("raised before anything was read")


def outcome(call):
    """What the call gave: an exception is as good as no bytes here."""
    try:
        return "%d bytes" % len(call())
    except Exception as error:
        return type(error).__name__
