"""Odd heads: what start_response makes of them, told by the answer itself."""

import sys

import waiting

TEXT = [("Content-Type", "text/plain")]


class Text(str):
    """A subclass of the native string."""


class Pair(tuple):
    """A subclass of tuple, as a named tuple is one."""


class Lengthy(Exception):
    pass


def caught():
    try:
        raise Lengthy("a reason to start again")
    except Lengthy:
        return sys.exc_info()


# What may be handed over as exc_info before anything was sent: odd, and no error.
ODD_EXC_INFO = {
    "nones": lambda: (None, None, None),
    "without-traceback": lambda: (Lengthy, Lengthy("without"), None),
    "real": caught,
}

# What may not: no tuple of three.
BAD_EXC_INFO = {
    "empty": lambda: (),
    "two": lambda: (None, None),
    "four": lambda: (None, None, None, None),
    "list": lambda: list(caught()),
    "number": lambda: 1,
    "exception": lambda: caught()[1],
}

LENGTHS = {
    "empty": "",
    "plus": "+5",
    "space-before": " 5",
    "space-behind": "5 ",
    "hexadecimal": "0x5",
    "underscore": "1_0",
    "fraction": "5.0",
    "list": "5, 5",
    "overflowing": "9223372036854775808",
    "overflowing-far": "9" * 40,
}


def case(environ):
    return environ["PATH_INFO"].strip("/")


def starts_with(environ, start_response):
    """A first call with an odd exc_info, as good as one without."""
    start_response("200 OK", TEXT, ODD_EXC_INFO[case(environ)]())
    return [b"started"]


def starts_again_with(environ, start_response):
    """A second call replaces the first, whatever the exception was."""
    start_response("404 Not Here", TEXT)
    start_response("200 OK", TEXT, ODD_EXC_INFO[case(environ)]())
    return [b"started"]


def refuses(environ, start_response):
    """What start_response raises for what is no exc_info."""
    start_response("404 Not Here", TEXT)
    raised = b"nothing"
    try:
        start_response("200 OK", TEXT, BAD_EXC_INFO[case(environ)]())
    except Exception as error:
        raised = type(error).__name__.encode("ascii")
    start_response("200 OK", TEXT, caught())
    return [raised]


def comes_back(environ, start_response):
    """Once the head is sent an error comes back, also where there is no exception in the tuple."""
    write = start_response("200 OK", TEXT)
    write(b"sent;")
    try:
        start_response("200 OK", TEXT, ODD_EXC_INFO[case(environ)]())
    except Exception as error:
        write(type(error).__name__.encode("ascii"))
    return []


def promises(environ, start_response):
    """A Content-Length that is no number of bytes: an error at the call."""
    raised = b"nothing"
    try:
        start_response("200 OK", TEXT + [("Content-Length", LENGTHS[case(environ)])])
    except Exception as error:
        raised = type(error).__name__.encode("ascii")
    start_response("200 OK", TEXT, caught())
    return [raised]


def of_subclasses(environ, start_response):
    """Strings and tuples of types of their own are strings and tuples."""
    headers = [
        Pair((Text("Content-Type"), Text("text/plain"))),
        Pair((Text("X-Own"), Text("kept"))),
        Pair(("Content-Length", Text("3"))),
    ]
    start_response(Text("202 Of Its Own"), headers)
    return [b"own"]


def of_many_lines(environ, start_response):
    """As many headers of 8000 bytes as PATH_INFO says; tells what write() makes of the client."""
    headers = TEXT + [("X-Long", "x" * 8000)] * int(case(environ))
    write = start_response("200 OK", headers)
    try:
        write(b"behind a big head")
        waiting.tell(environ, "written")
    except Exception as error:
        waiting.tell(environ, type(error).__name__)
        raise
    return []
