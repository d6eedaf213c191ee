"""Applications that write to the error log, each by another way."""

import logging
import sys
import warnings

import answers

EURO = b"\xe2\x82\xac".decode("utf-8")


def by_errors(environ, start_response):
    environ["wsgi.errors"].write("by wsgi.errors\n")
    return answers.plain(start_response, b"logged")


def without_line_end(environ, start_response):
    """A line that nobody ended is logged when the request ends."""
    environ["wsgi.errors"].write("no line end")
    return answers.plain(start_response, b"logged")


def in_pieces(environ, start_response):
    """Pieces make one line of the log; flush does not end a line early without cause."""
    for piece in ("in ", "several ", "pieces\nand", " another\n"):
        environ["wsgi.errors"].write(piece)
    return answers.plain(start_response, b"logged")


def by_writelines(environ, start_response):
    environ["wsgi.errors"].writelines(["first of writelines\n", "second of writelines\n"])
    environ["wsgi.errors"].flush()
    return answers.plain(start_response, b"logged")


def outside_ascii(environ, start_response):
    """Any unicode is accepted; bytes and text both, on 2.7."""
    environ["wsgi.errors"].write(EURO + b" or so\n".decode("ascii"))
    return answers.plain(start_response, b"logged")


def lone_surrogate(environ, start_response):
    environ["wsgi.errors"].write(b'"\\ud800 alone"'.decode("unicode-escape") + "\n")
    return answers.plain(start_response, b"logged")


def control_characters(environ, start_response):
    """Nothing that an application logs may forge a line or reach a terminal."""
    environ["wsgi.errors"].write("escape \x1b[2J and return \r[forged] and nul \0 end\n")
    return answers.plain(start_response, b"logged")


def a_very_long_line(environ, start_response):
    environ["wsgi.errors"].write("long " + "x" * 100000 + " end\n")
    return answers.plain(start_response, b"logged")


def percent_signs(environ, start_response):
    environ["wsgi.errors"].write("100%s %n %d of percent signs\n")
    return answers.plain(start_response, b"logged")


def by_stdout(environ, start_response):
    sys.stdout.write("by sys.stdout\n")
    sys.stdout.flush()
    return answers.plain(start_response, b"logged")


def by_print(environ, start_response):
    print("by print")
    return answers.plain(start_response, b"logged")


def by_print_statement(environ, start_response):
    """Python 2's remembers in the stream that a space is due."""
    exec('print "by", "a statement"')
    return answers.plain(start_response, b"logged")


def by_stderr(environ, start_response):
    sys.stderr.write("by sys.stderr\n")
    return answers.plain(start_response, b"logged")


def by_logging(environ, start_response):
    logger = logging.getLogger("tests.by_logging")
    if not logger.handlers:
        logger.addHandler(logging.StreamHandler())
    logger.warning("by the logging module")
    return answers.plain(start_response, b"logged")


def by_handler(environ, start_response):
    """By the module's own handler, which is there only in the server."""
    import mod_wsgi_log

    logger = logging.Logger("tests.by_handler")
    logger.addHandler(mod_wsgi_log.Handler())
    for level in ("debug", "info", "warning", "error", "critical"):
        getattr(logger, level)("%s by the handler", level)
    return answers.plain(start_response, b"logged")


def by_warnings(environ, start_response):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("by the warnings module")
    return answers.plain(start_response, b"logged")


def wrong_type(environ, start_response):
    """What is no string raises TypeError, as a text stream does."""
    try:
        environ["wsgi.errors"].write(42)
    except TypeError:
        return answers.plain(start_response, b"TypeError")
    return answers.plain(start_response, b"nothing was raised")


def before_it_reads(environ, start_response):
    """Where the body is cut short, the answer is the server's error page."""
    environ["wsgi.errors"].write("for the log alone\n")
    return answers.plain(start_response, environ["wsgi.input"].read())
