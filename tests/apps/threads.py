"""Applications that use the server's objects from threads of their own."""

import threading

import answers
import waiting

TEXT = [("Content-Type", "text/plain")]


def run(function):
    """What the function gives in another thread, which is waited for."""
    got = []

    def work():
        try:
            got.append(function())
        except Exception as error:
            got.append(type(error).__name__.encode("ascii"))

    worker = threading.Thread(target=work)
    worker.start()
    worker.join(20)
    return got[0] if got else b"never ended"


def reads(environ, start_response):
    """Reads its body in another thread."""
    return answers.plain(start_response, run(environ["wsgi.input"].read))


def starts_and_writes(environ, start_response):
    """start_response and write() in another thread, in order."""

    def work():
        write = start_response("200 OK", TEXT)
        write(b"from a thread;")
        return b"and its maker"

    return [run(work)]


def reads_while_it_answers(environ, start_response):
    """One thread reads the body while another sends the response: both use one connection."""
    source, seen = environ["wsgi.input"], []

    def work():
        for block in iter(lambda: source.read(1000), b""):
            seen.append(len(block))

    worker = threading.Thread(target=work)
    worker.start()
    write = start_response("200 OK", TEXT)
    for _ in range(500):
        write(b"x" * 2000)
    worker.join(20)
    return [b";read %d" % sum(seen)]


def writes_from_many(environ, start_response):
    """Several threads write at once; each block arrives whole."""
    write = start_response("200 OK", TEXT)
    letters = [letter.encode("ascii") for letter in "abcdefgh"]
    workers = [threading.Thread(target=write_often, args=(write, letter)) for letter in letters]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(20)
    return []


def write_often(write, letter):
    for _ in range(100):
        write(letter * 999 + b"\n")


def reads_after_its_end(environ, start_response):
    """A thread that goes on after its request is told so."""
    source, ended = environ["wsgi.input"], environ["QUERY_STRING"]
    scratch = environ["tests.scratch"]

    def work():
        names = {"QUERY_STRING": ended, "tests.scratch": scratch}
        waiting.wait(names)
        try:
            source.read()
            waiting.tell(names, "read")
        except Exception as error:
            waiting.tell(names, type(error).__name__)

    threading.Thread(target=work).start()
    return answers.plain(start_response, b"ended")
