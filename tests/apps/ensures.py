"""Applications that use an extension module which calls PyGILState_Ensure (extension/gilstate.c)."""

import json
import threading

import answers

LOCAL = threading.local()


def application(environ, start_response):
    """One more, in each of the ways; and in which interpreter a callback finds itself."""
    import gilstate

    import ctypes  # where one with its own lock refuses it, gilstate is refused first

    signature = ctypes.CFUNCTYPE(ctypes.c_int)
    marked = globals().setdefault("MARK", object())
    report = {
        "inside": gilstate.inside(1),
        "outside": gilstate.outside(2),
        "elsewhere": gilstate.elsewhere(3),
        "callback": gilstate.callback(lambda: globals()["MARK"] is marked),
        "ctypes": bool(signature(lambda: globals()["MARK"] is marked)()),
        "local": count(),
    }
    return answers.as_json(start_response, report)


def count():
    """How many requests this thread has served in this interpreter."""
    LOCAL.count = getattr(LOCAL, "count", 0) + 1
    return [threading.current_thread().ident, LOCAL.count]


def page(environ, start_response):
    """A page that includes another application, of another interpreter, while it is made."""
    start_response("200 OK", [("Content-Type", "text/html")])
    yield b'<!--#include virtual="/included" -->'
    yield b" and more"


def calling_page(environ, start_response):
    """The same, where extensions call back before, in between and after."""
    import gilstate

    start_response("200 OK", [("Content-Type", "text/html")])
    yield json.dumps(gilstate.callback(lambda: "LOCAL" in globals())).encode("ascii")
    yield b' <!--#include virtual="/two" --> '
    yield json.dumps(gilstate.callback(lambda: "LOCAL" in globals())).encode("ascii")
