"""Applications that use the server's objects from threads of their own."""

import sys
import threading

import answers
import waiting

TEXT = [("Content-Type", "text/plain")]
NO_ERROR = (None, None, None)


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


def at_once(function, count=4):
    """Runs the function in several threads, with each one's number, and waits for them."""
    workers = [threading.Thread(target=function, args=(number,)) for number in range(count)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(20)


def logs_from_many(environ, start_response):
    """Several threads write pieces of lines to the same streams; each piece arrives whole."""

    def work(number):
        for _ in range(50):
            for stream in (sys.stderr, environ["wsgi.errors"]):
                stream.write("<%d>" % number)
                stream.write("<%d>\n" % number)
                stream.flush()

    at_once(work)
    return answers.plain(start_response, b"logged")


def starts_from_many(environ, start_response):
    """Several threads ask to replace the head before it is sent, and one changes a list of it."""
    headers = [("X-Text", "x" * 100)] * 50
    start_response("200 OK", [("X-First", "first")])

    def work(number):
        for turn in range(50):
            if number == 0:
                headers[turn % 50 :] = [("X-Text", "x" * turn)] * 50
            elif number == 1:
                try:
                    start_response("200 OK", [("bad name", "x")], NO_ERROR)
                except ValueError:
                    pass
            else:
                start_response("200 OK", headers, NO_ERROR)

    at_once(work)
    return [start_response("200 OK", TEXT, NO_ERROR) and b"started"]
