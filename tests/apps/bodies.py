"""Applications that read their request's body in the several ways that PEP 3333 offers."""

import hashlib
import threading

import answers
import waiting


def read_all(environ, start_response):
    return answers.plain(start_response, environ["wsgi.input"].read())


def read_by_seven(environ, start_response):
    """Sized reads to the end; the sizes of what they gave are told in a header."""
    blocks = list(iter(lambda: environ["wsgi.input"].read(7), b""))
    headers = [("Content-Type", "text/plain"), ("X-Longest", str(max(map(len, blocks or [b""]))))]
    start_response("200 OK", headers)
    return [b"".join(blocks)]


def read_minus_one(environ, start_response):
    return answers.plain(start_response, environ["wsgi.input"].read(-1))


def read_nothing(environ, start_response):
    """read(0) gives nothing and takes nothing."""
    source = environ["wsgi.input"]
    return answers.plain(start_response, b"%d:" % len(source.read(0)) + source.read())


def read_past_the_end(environ, start_response):
    """After the body every method gives its kind of nothing, and goes on doing so."""
    source = environ["wsgi.input"]
    source.read()
    nothing = [source.read(), source.read(10), source.readline(), source.readlines(), list(source)]
    told = ["" if each == b"" else each for each in nothing + [source.read()]]
    return answers.as_json(start_response, told)


def lines(environ, start_response):
    source = environ["wsgi.input"]
    return answers.as_json(start_response, texts(iter(source.readline, b"")))


def lines_of_four(environ, start_response):
    """readline(size): a line, or as much of one as size allows."""
    source = environ["wsgi.input"]
    return answers.as_json(start_response, texts(iter(lambda: source.readline(4), b"")))


def all_lines(environ, start_response):
    return answers.as_json(start_response, texts(environ["wsgi.input"].readlines()))


def lines_with_hint(environ, start_response):
    return answers.as_json(start_response, texts(environ["wsgi.input"].readlines(3)))


def iterated(environ, start_response):
    return answers.as_json(start_response, texts(environ["wsgi.input"]))


def mixed(environ, start_response):
    """A line, some bytes, the rest: each goes on where the other stopped."""
    source = environ["wsgi.input"]
    return answers.as_json(
        start_response, texts([source.readline(), source.read(3), source.read()])
    )


def texts(blocks):
    return [answers.text(block) for block in blocks]


def ignored(environ, start_response):
    """Leaves the body where it is."""
    return answers.plain(start_response, b"not read")


def half_read(environ, start_response):
    return answers.plain(start_response, environ["wsgi.input"].read(10))


def digest(environ, start_response):
    """Length and hash of a body of any size, held a block at a time."""
    seen, length = hashlib.sha256(), 0
    for block in iter(lambda: environ["wsgi.input"].read(65536), b""):
        seen.update(block)
        length += len(block)
    report = {"length": length, "sha256": seen.hexdigest()}
    return answers.as_json(start_response, report)


def read_by_length(environ, start_response):
    """Reads as frameworks do that know CONTENT_LENGTH only; tells what that has left."""
    length = environ.get("CONTENT_LENGTH")
    body = environ["wsgi.input"].read(int(length or 0))
    report = {
        "length": length,
        "sha256": hashlib.sha256(body).hexdigest(),
        "transfer": environ.get("HTTP_TRANSFER_ENCODING"),
        "rest": answers.text(environ["wsgi.input"].read()),
    }
    return answers.as_json(start_response, report)


def echo_as_it_comes(environ, start_response):
    """Answers with each line as soon as it is there."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return iter(environ["wsgi.input"].readline, b"")


def read_when_told(environ, start_response):
    """Reads only once the test has said so, so that it can see what came before."""
    waiting.wait(environ)
    return answers.plain(start_response, environ["wsgi.input"].read())


def error_name(environ, start_response):
    """What a read raises when the body cannot be had."""
    try:
        environ["wsgi.input"].read()
        waiting.tell(environ, "nothing")
    except Exception as error:
        waiting.tell(environ, "%s: %s" % (type(error).__name__, error))
    return answers.plain(start_response, b"tried to read")


def raises_another_error(environ, start_response):
    """One that looks like the failed read's, and has nothing to do with it."""
    try:
        environ["wsgi.input"].read()
    except IOError:
        pass
    raise IOError("another file")


def wraps_the_error(environ, start_response):
    """As frameworks do: their own exception in the place of the failed read's."""
    try:
        environ["wsgi.input"].read()
    except IOError:
        raise IOError("the framework's own")


def read_outside(environ, start_response):
    """An error while reading is the server's to answer."""
    return answers.plain(start_response, b"%d" % len(environ["wsgi.input"].read()))


KEPT = []


def keep(environ, start_response):
    """Keeps this request's objects past its end."""
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    KEPT[:] = [environ["wsgi.input"].read, start_response, write]
    return [b"kept"]


def use_kept(environ, start_response):
    """Uses what an earlier request of this process has left: an error, never its freed memory."""
    if not KEPT:
        return answers.as_json(start_response, {})
    read, start, write = KEPT
    calls = {
        "read": read,
        "start_response": lambda: start("200 OK", []),
        "write": lambda: write(b"x"),
    }
    report = dict((name, outcome(call)) for name, call in calls.items())
    return answers.as_json(start_response, report)


def outcome(call):
    try:
        return "returned %r" % (call(),)
    except Exception as error:
        return type(error).__name__


def has_a_bug(environ, start_response):
    """The failed read is dealt with; what follows it has nothing to do with it."""
    try:
        environ["wsgi.input"].read()
    except IOError:
        pass
    return answers.plain(start_response, b"%d" % (1 // 0))


def mixed_often(environ, start_response):
    """Pieces of lines, lines and bytes in turn, to the end."""
    source, got = environ["wsgi.input"], []
    reads = [
        lambda: source.readline(3),
        source.readline,
        lambda: source.read(2),
        lambda: source.readline(1),
        lambda: source.readline(0) + source.read(0) + source.read(1),
        lambda: b"".join(source.readlines(1)),
    ]
    while not got or any(got[-len(reads) :]):
        got.extend(read() for read in reads)
    return answers.as_json(start_response, [each for each in texts(got) if each])


def raises_from_the_error(environ, start_response):
    """A kind of its own in the place of the failed read's, with what that one said."""
    try:
        environ["wsgi.input"].read()
    except IOError as error:
        raise ValueError(*error.args)


def reads_while_it_answers(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return begins_then_reads(environ)


def begins_then_reads(environ):
    yield b"begun"
    yield environ["wsgi.input"].read()


def reads_when_closed(environ, start_response):
    """Takes what is left of the body, so that nobody else has to."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ReadsWhenClosed(environ)


class ReadsWhenClosed(object):
    def __init__(self, environ):
        self.environ = environ

    def __iter__(self):
        return iter([b"answered"])

    def close(self):
        self.environ["wsgi.input"].read()


def reads_in_a_thread(environ, start_response):
    """The request's thread raises what the other one met, after it has met an error itself."""
    met = []

    def read():
        try:
            environ["wsgi.input"].read()
        except IOError as error:
            met.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    read()
    raise met[0]


def answers_for_itself(environ, start_response):
    """A failed read is something to tell the client, as frameworks do."""
    try:
        environ["wsgi.input"].read()
    except IOError:
        pass
    start_response("400 Bad Request", [("Content-Type", "text/plain")])
    return [b"what was sent cannot be read"]


def writes_without_reading(environ, start_response):
    """One that is gone while it sends cannot be written to, either."""
    try:
        environ["wsgi.input"].read()
    except IOError:
        pass
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    for _ in range(1000):
        write(b"x" * 65536)
    return []


def tells_what_it_reads(environ, start_response):
    """Tells that it has begun, then what it has read, or that it could not."""
    waiting.tell(environ, "begun")
    try:
        waiting.tell(environ, answers.text(environ["wsgi.input"].read()))
    except IOError:
        waiting.tell(environ, "IOError")
    return answers.plain(start_response, b"tried to read")
