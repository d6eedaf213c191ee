"""Applications that ask odd things of wsgi.input and wsgi.errors."""

import answers
import waiting


def count_lines(environ, start_response):
    """Lines and bytes of a body, a line at a time."""
    lines = size = 0
    for line in iter(environ["wsgi.input"].readline, b""):
        lines += 1
        size += len(line)
    return answers.plain(start_response, b"%d %d" % (lines, size))


def odd_sizes(environ, start_response):
    """What is no size, and then the body, of which nothing is lost."""
    source, raised = environ["wsgi.input"], []
    for size in ("3", 1.5, 2 ** 100, []):
        try:
            source.read(size)
        except Exception as error:
            raised.append(type(error).__name__)
    return answers.plain(start_response, " ".join(raised).encode("ascii") + b" " + source.read())


def none_for_size(environ, start_response):
    source = environ["wsgi.input"]
    got = [source.read(None), source.readline(None), source.read(-5)]
    return answers.plain(start_response, b"|".join(got))


def big_sizes(environ, start_response):
    """Far more than there is: what is there."""
    source = environ["wsgi.input"]
    return answers.plain(start_response, source.read(2 ** 40) + b"|" + source.read(2 ** 40))


def flushes_errors(environ, start_response):
    """A line without its end is in the log when flush() returns."""
    environ["wsgi.errors"].write("an unfinished line")
    environ["wsgi.errors"].flush()
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"waiting")
    waiting.wait(environ)
    return [b"done"]
