"""Applications that show what lives on between requests, and who shares it with whom."""

import os
import sys
import threading

import answers

COUNT = []
LOCAL = threading.local()


def mark(environ, start_response):
    """Writes the query string into sys, which an interpreter has for itself; tells what stood there.

    The module's own count tells whether two requests met the same copy of this module.
    """
    COUNT.append(1)
    before = getattr(sys, "tests_mark", None)
    if environ["QUERY_STRING"]:
        sys.tests_mark = environ["QUERY_STRING"]
    report = {
        "pid": os.getpid(),
        "before": before,
        "count": len(COUNT),
        "modules": id(sys.modules),
    }
    return answers.as_json(start_response, report)


def path(environ, start_response):
    return answers.as_json(start_response, {"path": sys.path, "argv": sys.argv})


def main_thread(environ, start_response):
    """Whether this is Python's first interpreter, as far as Python code can tell."""
    try:
        import _xxsubinterpreters as interpreters
    except ImportError:
        try:
            import _interpreters as interpreters
        except ImportError:
            return answers.as_json(start_response, {"main": None})
    same = interpreters.get_current() == interpreters.get_main()
    return answers.as_json(start_response, {"main": bool(same)})


def local(environ, start_response):
    """Counts in threading.local: each thread's own, and kept between its requests."""
    LOCAL.count = getattr(LOCAL, "count", 0) + 1
    report = {"pid": os.getpid(), "thread": threading.current_thread().ident, "count": LOCAL.count}
    return answers.as_json(start_response, report)


def thread(environ, start_response):
    """A thread of the application's own does its work and is joined."""
    done = []
    worker = threading.Thread(target=done.append, args=("worked",))
    worker.start()
    worker.join(10)
    return answers.as_json(start_response, {"done": done})


def process(environ, start_response):
    report = {
        "pid": os.getpid(),
        "uid": os.getuid(),
        "version": list(sys.version_info[:2]),
        "release": ".".join(map(str, sys.version_info[:3])),
        "prefix": sys.prefix,
    }
    return answers.as_json(start_response, report)


def imports(environ, start_response):
    """Imports the module that the query string names, and tells where it came from."""
    module = __import__(environ["QUERY_STRING"])
    return answers.as_json(start_response, {"file": module.__file__, "said": module.SAID})


def frames(environ, start_response):
    """How many frames are below this one: the server calls an application from none."""
    below, frame = 0, sys._getframe().f_back
    while frame is not None:
        below, frame = below + 1, frame.f_back
    return answers.as_json(start_response, {"pid": os.getpid(), "below": below})


def modules(environ, start_response):
    """What is imported in this interpreter, and in Python's first one if one can look there."""
    told = {"here": sorted(sys.modules), "first": None}
    path = os.path.join(environ["tests.scratch"], "modules.first")
    try:
        import _interpreters as interpreters
    except ImportError:
        try:
            import _xxsubinterpreters as interpreters
        except ImportError:
            return answers.as_json(start_response, told)
    first = interpreters.get_main()
    look = "import sys; open(%r, 'w').write(' '.join(sys.modules))" % path
    interpreters.run_string(first[0] if isinstance(first, tuple) else first, look)
    with open(path) as stream:
        told["first"] = sorted(stream.read().split())
    return answers.as_json(start_response, told)
