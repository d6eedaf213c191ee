"""Applications that tell the types, and the range, of the things that the server gives."""

import sys
import types

import answers


def of_variables(environ, start_response):
    """The types of the keys and of the CGI values, and the highest code point of any of them."""
    native = [value for key, value in environ.items() if isinstance(value, str)]
    report = {
        "keys": names(environ),
        "values": names(value for key, value in environ.items() if not key.startswith("wsgi.")),
        "highest": max(ord(each) for text in native for each in text),
        "file": answers.text(environ["SCRIPT_FILENAME"]),
        "root": answers.text(environ["DOCUMENT_ROOT"]),
    }
    return answers.as_json(start_response, report)


def names(things):
    return sorted(set(type(thing).__name__ for thing in things))


def of_reads(environ, start_response):
    """The types of what each method of wsgi.input gives, before and at the end of the body."""
    source = environ["wsgi.input"]
    given = [source.read(2), source.readline(), source.readline(2), source.read(0), next(source)]
    given += source.readlines(1) + list(source)
    given += [source.read(), source.read(1), source.readline()]
    report = {"items": names(given), "lists": names([source.readlines(), source.readlines(1)])}
    return answers.as_json(start_response, report)


def of_callables(environ, start_response):
    """Every callable in environ but for the two streams: what a server could offer to bypass."""
    offered = [key for key, value in environ.items() if callable(value)]
    return answers.as_json(start_response, {"callables": sorted(map(answers.text, offered))})


def of_errors(environ, start_response):
    """What the methods of wsgi.errors take and return, and the exceptions for what they do not."""
    stream = environ["wsgi.errors"]
    returned = [stream.flush(), stream.writelines([]), stream.write("")]
    refused = []
    for call in (lambda: stream.write(1), lambda: stream.write(None), lambda: stream.write()):
        try:
            call()
        except TypeError:
            refused.append("TypeError")
    try:
        stream.write(b"bytes, not text\n")
        of_bytes = "accepted"
    except TypeError:
        of_bytes = "TypeError"
    report = {"returned": returned, "refused": refused, "bytes": of_bytes}
    return answers.as_json(start_response, report)


def of_start_response(environ, start_response):
    """That start_response gives something to call, and that nothing is kept of exc_info."""
    import gc
    import weakref

    alive = []

    class Marked(Exception):
        pass

    def fail_and_start():
        try:
            raise Marked("marked")
        except Marked:
            found = sys.exc_info()
            alive.append(weakref.ref(found[1]))
            return start_response("200 OK", [("Content-Type", "text/plain")], found)

    write = fail_and_start()
    if hasattr(sys, "exc_clear"):
        sys.exc_clear()
    gc.collect()
    write(b"callable;" if callable(write) else b"not callable;")
    return [b"kept" if alive[0]() is not None else b"forgotten"]


def of_native_functions(environ, start_response):
    """start_response and write are functions of the server, called with what the PEP says."""
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    kinds = (types.BuiltinFunctionType, types.FunctionType, types.MethodType)
    report = isinstance(start_response, kinds) and isinstance(write, kinds)
    write(b"functions" if report else b"something else")
    return []


def of_new_ones(environ, start_response):
    """What comes of making objects of the server's types: nothing that could be used."""
    told = []
    for thing in (environ["wsgi.input"], environ["wsgi.errors"], start_response):
        try:
            told.append(repr(type(thing)()))
        except TypeError:
            told.append("TypeError")
    return answers.as_json(start_response, told)
