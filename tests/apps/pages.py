"""Applications that answer with pages for mod_include, and some for such pages to include."""

import answers
import waiting

HTML = [("Content-Type", "text/html")]


def includes(environ, start_response):
    """A page in one block, which includes the URL that QUERY_STRING holds."""
    start_response("200 OK", HTML)
    return [page(environ)]


def page(environ):
    target = environ["QUERY_STRING"].encode("latin-1")
    return b'before;<!--#include virtual="' + target + b'" -->;after'


def includes_from_a_generator(environ, start_response):
    """The same in several blocks, each flushed through the filter."""
    start_response("200 OK", HTML)
    yield b"begin;"
    yield page(environ)
    yield b";end"


def includes_from_write(environ, start_response):
    start_response("200 OK", HTML)(page(environ))
    return []


def shows_variables(environ, start_response):
    """A page with includes that shows what mod_include finds in the request's variables."""
    start_response("200 OK", HTML)
    names = ("own_twice", "HTTP_X_SENT", "own_case", "REMOTE_ADDR", "PATH_INFO")
    shown = ['<!--#echo var="%s" -->' % name for name in names]
    return [";".join(shown).encode("latin-1")]


def where(environ, start_response):
    """What a sub-request or an internal redirect is told of its URL."""
    names = ("SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "REQUEST_METHOD")
    told = "|".join(environ[name] for name in names)
    return answers.plain(start_response, told.encode("latin-1"))


def told(environ, start_response):
    """What the variables are that QUERY_STRING names."""
    names = environ["QUERY_STRING"].split(",")
    values = ",".join(environ.get(name, "nothing") for name in names)
    return answers.plain(start_response, values.encode("latin-1"))


def redirected(environ, start_response):
    """An error document: tells what it was sent for, and answers with that status."""
    status = environ.get("REDIRECT_STATUS", "none")
    source = environ["wsgi.input"].read()
    told = [status, environ.get("REDIRECT_URL", "none"), environ["SCRIPT_NAME"]]
    told += [environ["PATH_INFO"], "%d bytes" % len(source)]
    body = "|".join(told).encode("latin-1")
    return answers.plain(start_response, body, status=status + " For An Error Document")


def reads_then_fails(environ, start_response):
    raise ValueError("failed with %d bytes" % len(environ["wsgi.input"].read()))


def fails(environ, start_response):
    raise ValueError("failed at once")


def reads(environ, start_response):
    """A body that a sub-request must not wait for."""
    return answers.plain(start_response, b"%d bytes" % len(environ["wsgi.input"].read()))


def forbidden(environ, start_response):
    """An error that the application answers itself."""
    return answers.plain(start_response, b"my own words", status="403 Forbidden")


def sets_a_cookie(environ, start_response):
    start_response("200 OK", HTML + [("Set-Cookie", "sub=1"), ("X-Sub", "request")])
    return [b"with a cookie"]


def breaks(environ, start_response):
    """Breaks in the middle of what a page includes."""
    start_response("200 OK", HTML)
    yield b"half"
    raise ValueError("broke in a sub-request")


def waits(environ, start_response):
    start_response("200 OK", HTML)
    waiting.tell(environ, "included")
    yield b"waited"
