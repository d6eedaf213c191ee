"""Applications that show what the server put into environ."""

import answers


def as_json(environ, start_response):
    """Every string of environ, and the type of everything in it."""
    report = {
        "exact_dict": type(environ) is dict,
        "strings": dict(
            (answers.text(key), answers.text(value))
            for key, value in environ.items()
            if isinstance(value, str)
        ),
        "types": dict((answers.text(key), type(value).__name__) for key, value in environ.items()),
        "key_types": sorted(set(type(key).__name__ for key in environ)),
        "flags": dict(
            (key, environ[key])
            for key in ("wsgi.multithread", "wsgi.multiprocess", "wsgi.run_once")
        ),
        "wsgi.version": environ["wsgi.version"],
        "wsgi.version_type": type(environ["wsgi.version"]).__name__,
        "input_terminated": environ.get("wsgi.input_terminated"),
    }
    return answers.as_json(start_response, report)


def mount(environ, start_response):
    """Where the server thinks the application is mounted, and what is asked of it."""
    names = ("SCRIPT_NAME", "PATH_INFO", "REQUEST_URI")
    report = dict((name, answers.text(environ[name])) for name in names if name in environ)
    return answers.as_json(start_response, report)


def change(environ, start_response):
    """Empties its environ, which it may do; tells whether an earlier request's changes show."""
    stale = "tests.left_behind" in environ
    environ.clear()
    environ["tests.left_behind"] = "yes"
    return answers.as_json(start_response, {"stale": stale})


def methods(environ, start_response):
    """The four methods that PEP 3333 asks of wsgi.input, the three of wsgi.errors."""
    wanted = {
        "wsgi.input": ("read", "readline", "readlines", "__iter__"),
        "wsgi.errors": ("flush", "write", "writelines"),
    }
    report = dict(
        (key, [name for name in names if not hasattr(environ[key], name)])
        for key, names in wanted.items()
    )
    report["file_wrapper_is_type"] = isinstance(environ["wsgi.file_wrapper"], type)
    return answers.as_json(start_response, report)
