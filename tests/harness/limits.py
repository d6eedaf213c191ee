"""What a server line, a process model or a Python cannot do, each with its reason.

A test that needs such a thing says so with `@pytest.mark.needs("threads")`, and is shown in the
grid as not run, for the reason that stands here. No test decides for itself.
"""

CLOSES_AFTER_CHUNKS = (
    "a Content-Length beside a chunked body is dropped by this server without a word, so we close "
    "the connection behind a chunked request: nothing can be smuggled as the next one"
)
NO_CGI_PASS_AUTH = "CGIPassAuth is a directive of Apache 2.4.13 and later"
NO_MODULE_LIST = "ClearModuleList and AddModule ended with Apache 1.3"
NO_HTTP2 = "HTTP/2 came with Apache 2.4"
NO_SUBSTITUTE = "mod_substitute came with Apache 2.2.7, and limits lines in 2.4 only"
NO_MACROS = "mod_macro came with Apache 2.4"
NO_MOD_PYTHON = "the mod_python installed here is built for Apache 2.4"
NO_CHROOT = "ChrootDir came with Apache 2.2.10"
NO_LIBRARY = (
    "a child with threads aborts where its root directory has no libgcc_s.so.1, with or without "
    "this module"
)
NO_SUEXEC = "suEXEC is of the same program as the server: the one at hand is for Apache 2.4"
NO_CHANGES_OF_USER = "mpm-itk and mod_ruid2 of today are for Apache 2.4, with the prefork model"
NO_OTHER_MOD_WSGI = "the other module of this name is installed for Apache 2.4"
NO_OWN_LOCK = "interpreters with a lock of their own came with Python 3.12"
NO_OLD_EXTENSIONS = (
    "a free-threaded Python refuses extension modules with a single phase of initialisation in "
    "any interpreter but its first one, as interpreters with a lock of their own do"
)
NO_LOCK = "a free-threaded Python has no lock that one thread could keep from another"
WAITS_FOR_REQUESTS = (
    "the models with threads end no process while a request is under way: their parent kills it "
    "after ten seconds"
)

EMBEDDED_ONLY = "the module has no Python here: applications' processes have"
OWN_PROCESS = "applications share no process here: each name has processes of its own"
CUSTOMERS_USER = (
    "a customer's application runs as the customer here, and reads what the customer can"
)
SHORT_HEADS = "a head of more than 128 KB does not fit into a packet between two processes"
SMALL_BODIES = (
    "a body of up to 64 KB is read before an application's process gets the request: a slow "
    "client is to keep none of its threads"
)

DRAINS = (
    "a process of an application waits for its requests before it ends, and is killed when the "
    "server gives it no more time"
)

LIMITS: dict[str, dict[str, str]] = {
    "apache1.3": {
        "threads": "Apache 1.3 knows no threads: a process serves one request at a time",
        "sender": "Apache 1.3 gives a slow client up by a jump out of its one thread's writing",
        "sendfile": "Apache 1.3 sends files through its own buffer",
        "cgi-pass-auth": NO_CGI_PASS_AUTH,
        "keep-alive-after-chunked": CLOSES_AFTER_CHUNKS,
        "failing-filter": NO_SUBSTITUTE,
        "answer-after-timeout": "Apache 1.3 gives up the connection when its Timeout is over",
        "filters": "Apache 1.3 has no filters: a handler writes straight to the client",
        "input-programs": "Apache 1.3 has no filters: a handler reads straight from the client",
        "http2": NO_HTTP2,
        "macros": NO_MACROS,
        "mod-python": NO_MOD_PYTHON,
        "changes-of-user": NO_CHANGES_OF_USER,
        "chroot": NO_CHROOT,
        "suexec": NO_SUEXEC,
        "other-mod-wsgi": NO_OTHER_MOD_WSGI,
    },
    "apache2.0": {
        "input-programs": "the mod_ext_filter of Apache 2.0 knows no filters of requests",
        "bare-204": "Apache 2.0 itself adds Content-Length: 0 to an answer without a body",
        "failing-filter": NO_SUBSTITUTE,
        "strict-chunks": "Apache 2.0 takes a chunk size that is no number for the last chunk",
        "cgi-pass-auth": NO_CGI_PASS_AUTH,
        "keep-alive-after-chunked": CLOSES_AFTER_CHUNKS,
        "module-list": NO_MODULE_LIST,
        "http2": NO_HTTP2,
        "macros": NO_MACROS,
        "mod-python": NO_MOD_PYTHON,
        "changes-of-user": NO_CHANGES_OF_USER,
        "chroot": NO_CHROOT,
        "suexec": NO_SUEXEC,
        "other-mod-wsgi": NO_OTHER_MOD_WSGI,
    },
    "apache2.2": {
        "failing-filter": NO_SUBSTITUTE,
        "cgi-pass-auth": NO_CGI_PASS_AUTH,
        "keep-alive-after-chunked": CLOSES_AFTER_CHUNKS,
        "module-list": NO_MODULE_LIST,
        "http2": NO_HTTP2,
        "macros": NO_MACROS,
        "mod-python": NO_MOD_PYTHON,
        "changes-of-user": NO_CHANGES_OF_USER,
        "suexec": NO_SUEXEC,
        "other-mod-wsgi": NO_OTHER_MOD_WSGI,
    },
    "apache2.4": {"module-list": NO_MODULE_LIST},
    "embedded": {"processes": "an application that is embedded has no process of its own"},
    "prefork": {
        "http2": "mod_http2 works with models that have threads only, says its manual",
        "threads": "the prefork model knows no threads: a process serves one request at a time",
    },
    "worker": {
        "end-beside-a-request": WAITS_FOR_REQUESTS,
        "changes-of-user": NO_CHANGES_OF_USER,
        "chroot": NO_LIBRARY,
    },
    "event": {
        "end-beside-a-request": WAITS_FOR_REQUESTS,
        "changes-of-user": NO_CHANGES_OF_USER,
        "chroot": NO_LIBRARY,
    },
    "processes": {
        "end-beside-a-request": DRAINS,
        "python-in-the-module": EMBEDDED_ONLY,
        "servers-user": CUSTOMERS_USER,
        "shared-process": OWN_PROCESS,
        "long-heads": SHORT_HEADS,
        "small-bodies-as-they-come": SMALL_BODIES,
    },
    "py2.7": {
        "exception-history": "an exception of Python 2 does not know which one was being handled",
        "own-lock": NO_OWN_LOCK,
        "spawn": "multiprocessing of Python 2 only forks",
    },
    **{
        f"py3.{minor}": {
            "own-lock": NO_OWN_LOCK,
            "spawn": "multiprocessing's pools before 3.8 may log a traceback when they end",
        }
        for minor in range(6, 8)
    },
    **{f"py3.{minor}": {"own-lock": NO_OWN_LOCK} for minor in range(8, 12)},
}


LIMITS["py2.6"] = {
    **LIMITS["py2.7"],
    "virtualenv": "no tool of today makes an environment for Python 2.6, nor installs into one",
    "wrapped-input": "the io of Python 2.6 wraps only streams of its own classes",
}

# What is true of every Python of a kind, whatever its version.
LIMITS["free-threaded"] = {"old-extensions": NO_OLD_EXTENSIONS, "shared-lock": NO_LOCK}
LIMITS["locked"] = {
    "free-threads": "one thread at a time runs Python here: only a free-threaded Python runs more"
}


def reason(traits: tuple[str, ...], capability: str) -> str | None:
    """Why a cell of these traits lacks the capability; None where it has it."""
    assert any(capability in limits for limits in LIMITS.values()), (
        f"{capability!r} is in no row of tests/harness/limits.py: add it there, with its reason"
    )
    reasons = (LIMITS.get(trait, {}).get(capability) for trait in traits)
    return next((each for each in reasons if each), None)
