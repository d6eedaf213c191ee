"""Applications that use an extension module which calls PyGILState_Ensure (extension/gilstate.c)."""

import threading

import answers

LOCAL = threading.local()


def application(environ, start_response):
    """One more, in each of the ways; and in which interpreter a callback finds itself."""
    import gilstate

    marked = globals().setdefault("MARK", object())
    report = {
        "inside": gilstate.inside(1),
        "outside": gilstate.outside(2),
        "elsewhere": gilstate.elsewhere(3),
        "callback": gilstate.callback(lambda: globals()["MARK"] is marked),
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
