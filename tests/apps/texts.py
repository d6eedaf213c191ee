"""Applications that use the log's streams, and wsgi.input, as Python's own streams of text and bytes."""

import io
import sys

import answers

FILE = type(sys.__stderr__)

# Of Python 2's file: "Undocumented. Don't use this; it may go away."
UNDOCUMENTED = set(["readinto"])


def streams(environ):
    return {"stdout": sys.stdout, "stderr": sys.stderr, "errors": environ["wsgi.errors"]}


def lack(environ, start_response):
    """The public names that a stream of Python's own has and ours have not."""
    missing = {}
    for name, stream in streams(environ).items():
        missing[name] = without(FILE, stream)
        if hasattr(sys.__stderr__, "buffer"):
            missing[name + ".buffer"] = without(io.BufferedWriter, stream.buffer)
    return answers.as_json(start_response, missing)


def without(kind, stream):
    names = set(name for name in dir(kind) if not name.startswith("_")) - UNDOCUMENTED
    return sorted(name for name in names if not has(stream, name))


def has(stream, name):
    """hasattr() of Python 2 hides every error."""
    try:
        getattr(stream, name)
    except AttributeError:
        return False
    return True


def attributes(environ, start_response):
    """What the streams say of themselves."""
    names = ("encoding", "mode", "newlines", "closed", "line_buffering", "write_through", "name")
    answer = {}
    for key, stream in streams(environ).items():
        answer[key] = dict((name, getattr(stream, name)) for name in names)
        answer[key]["errors"] = stream.errors
        answer[key]["can"] = [stream.readable(), stream.writable(), stream.seekable()]
        answer[key]["isatty"] = stream.isatty()
    return answers.as_json(start_response, answer)


def refusals(environ, start_response):
    """What a log can't do."""
    answer = {}
    for key, stream in streams(environ).items():
        calls = {
            "read": stream.read,
            "readline": stream.readline,
            "readlines": stream.readlines,
            "iteration": lambda stream=stream: list(stream),
            "fileno": stream.fileno,
            "tell": stream.tell,
            "seek": lambda stream=stream: stream.seek(0),
            "truncate": stream.truncate,
        }
        answer[key] = sorted(name for name, call in calls.items() if not is_refused(call))
    return answers.as_json(start_response, answer)


def is_refused(call):
    try:
        call()
    except io.UnsupportedOperation:
        return True
    return False


def kinds(environ, start_response):
    """Whether isinstance() takes them for what they are."""
    answer = {}
    for key, stream in streams(environ).items():
        answer[key] = [
            isinstance(stream, io.IOBase),
            isinstance(stream, io.TextIOBase),
            isinstance(stream.buffer, io.BufferedIOBase),
            isinstance(stream.buffer, io.TextIOBase),
            stream.buffer is stream.buffer,
        ]
    return answers.as_json(start_response, answer)


def sizes(environ, start_response):
    """What write() returns."""
    answer = {}
    for key, stream in streams(environ).items():
        answer[key] = [stream.write(b"caf\xc3\xa9\n".decode("utf-8")), stream.buffer.write(b"1234\n")]
    return answers.as_json(start_response, answer)


def bytes_and_text(environ, start_response):
    """Bytes and text make one line of the log, and what a bytes-like object holds is bytes."""
    for key, stream in streams(environ).items():
        stream.write("bytes ")
        stream.buffer.write(b"and ")
        stream.buffer.write(bytearray(b"text "))
        stream.buffer.writelines([memoryview(b"of "), key.encode("ascii")])
        stream.write("\n")
    return answers.plain(start_response, b"logged")


def closes(environ, start_response):
    """Who closes a stream ends its line, and nothing else."""
    for key, stream in streams(environ).items():
        with stream:
            stream.write("closed " + key)
        stream.buffer.close()
        stream.close()
        stream.write("open " + key + "\n")
        stream.buffer.write(b"and bytes\n")
    closed = [stream.closed or stream.buffer.closed for stream in streams(environ).values()]
    return answers.as_json(start_response, closed)


def wrapped(environ, start_response):
    """Wrappers of Python's own around the bytes, which close them when they are garbage."""
    for key, stream in streams(environ).items():
        for binary in (stream.buffer, stream.detach()):
            wrapper = io.TextIOWrapper(binary, encoding="utf-8", line_buffering=True)
            wrapper.write(("wrapped " + key + "\n").encode("ascii").decode("ascii"))
            del wrapper
        stream.write("unwrapped " + key + "\n")
    return answers.plain(start_response, b"logged")


def reconfigured(environ, start_response):
    """reconfigure() takes what io.TextIOWrapper takes."""
    for stream in streams(environ).values():
        stream.reconfigure(encoding="utf-8", errors="strict", line_buffering=True)
        stream.reconfigure(newline="\n", write_through=True)
        for arguments, keywords in (((1,), {}), ((), {"unknown": 1})):
            try:
                stream.reconfigure(*arguments, **keywords)
                return answers.plain(start_response, b"nothing was raised")
            except TypeError:
                pass
    return answers.plain(start_response, b"reconfigured")


def faults(environ, start_response):
    """faulthandler with no file, and with each of ours, writes to the log."""
    import faulthandler

    faulthandler.enable()
    faulthandler.enable(sys.stderr, True)
    faulthandler.enable(file=sys.stdout)
    enabled = faulthandler.is_enabled()
    faulthandler.dump_traceback(all_threads=False)
    faulthandler.dump_traceback(environ["wsgi.errors"], False)
    faulthandler.dump_traceback_later(100, False, sys.stderr)
    faulthandler.dump_traceback_later(100, file=None)
    faulthandler.cancel_dump_traceback_later()
    faulthandler.disable()
    return answers.as_json(start_response, enabled)


def faults_in_a_file(environ, start_response):
    """A file of the application's own stays what faulthandler writes to."""
    import faulthandler

    path = environ["tests.scratch"] + "/faults"
    before = sys.stderr
    for names_it in (True, False):
        with open(path, "w") as sys.stderr:
            faulthandler.dump_traceback(**({"file": sys.stderr} if names_it else {}))
        sys.stderr = before
        with open(path) as stream:
            if "faults_in_a_file" not in stream.read():
                return answers.plain(start_response, b"not there")
    return answers.plain(start_response, b"there")


def by_the_file(environ, start_response):
    """sys.__stderr__ is a file: the server's own error log."""
    sys.__stderr__.write("by sys.__stderr__\n")
    sys.__stderr__.flush()
    return answers.as_json(start_response, [sys.__stderr__.fileno(), sys.__stdout__ is sys.stdout])


def keeps_names(environ, start_response):
    """A stream takes attributes and weak references, and goes when it is garbage."""
    import gc
    import weakref

    errors = environ.pop("wsgi.errors")
    errors.itself = [errors]
    errors.buffer.other = errors
    reference = weakref.ref(errors)
    del errors
    gc.collect()
    return answers.as_json(start_response, reference() is None)


def input_wrapped(environ, start_response):
    """Python's own buffer around the body, and its text, and then the body by itself."""
    source = environ["wsgi.input"]
    kind = environ["QUERY_STRING"]
    if kind == "buffered":
        got = io.BufferedReader(source).read()
    elif kind == "lines":
        got = b"".join(io.BufferedReader(source, 7))
    elif kind == "text":
        got = io.TextIOWrapper(io.BufferedReader(source), encoding="latin-1").read()
    else:
        got = u"".join(io.TextIOWrapper(source, encoding="latin-1", newline=""))
    got = got if isinstance(got, bytes) else got.encode("latin-1")
    return answers.plain(start_response, got + source.read() + source.read1(5))


def input_in_parts(environ, start_response):
    """readinto() and read1() between other reads: each byte once, in order."""
    source, seen = environ["wsgi.input"], []
    room = bytearray(10)
    while True:
        count = source.readinto(room)
        seen += [bytes(room[:count]), source.read1(3), source.readline(4), source.read(2)]
        seen.append(source.read1(0))
        if not count:
            break
    assert source.readinto(bytearray()) == 0
    return answers.plain(start_response, b"".join(seen))


def input_says(environ, start_response):
    """What wsgi.input says of itself, also after close()."""
    source = environ["wsgi.input"]
    said = []
    for _ in range(2):
        said.append([source.readable(), source.writable(), source.seekable(), source.closed])
        source.close()
        source.flush()
    for wrong in (b"read-only", 7):
        try:
            source.readinto(wrong)
            said.append("nothing")
        except (TypeError, BufferError):
            said.append("refused")
    return answers.as_json(start_response, said)


def input_after_its_end(environ, start_response):
    """A reader around the body of a request that is over."""
    kept = getattr(sys, "_tests_kept_reader", None)
    sys._tests_kept_reader = io.BufferedReader(environ["wsgi.input"])
    if kept is None:
        return answers.plain(start_response, b"kept")
    try:
        kept.read()
        return answers.plain(start_response, b"nothing was raised")
    except RuntimeError:
        kept.close()
        return answers.plain(start_response, b"RuntimeError")
