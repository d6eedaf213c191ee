"""Applications that write parts of lines to the log: whose are they?"""

import sys
import threading

import answers


def stdout(environ, start_response):
    sys.stdout.write(environ["QUERY_STRING"])
    return answers.plain(start_response, b"begun")


def stderr(environ, start_response):
    sys.stderr.write(environ["QUERY_STRING"])
    return answers.plain(start_response, b"begun")


def binary(environ, start_response):
    sys.stderr.buffer.write(environ["QUERY_STRING"].encode("ascii"))
    return answers.plain(start_response, b"begun")


def errors(environ, start_response):
    """Keeps the stream, so that its end is not the line's."""
    environ["wsgi.errors"].write(environ["QUERY_STRING"])
    sys._tests_kept_errors = environ["wsgi.errors"]
    return answers.plain(start_response, b"begun")


def by_statement(environ, start_response):
    """Python 2's print with a comma at its end: a space is due, in this request."""
    exec("print environ['QUERY_STRING'],")
    return answers.plain(start_response, b"begun")


def whole(environ, start_response):
    """A line of each stream."""
    for stream in (sys.stdout, sys.stderr, environ["wsgi.errors"]):
        stream.write("whole %s line\n" % environ["QUERY_STRING"])
    return answers.plain(start_response, b"written")


def whole_by_statement(environ, start_response):
    exec("print 'stated', environ['QUERY_STRING']")
    return answers.plain(start_response, b"written")


def of_threads(environ, start_response):
    """Two threads of a request take turns at the letters of their lines."""
    for stream in (environ["wsgi.errors"], sys.stderr):
        take_turns(stream, "abcdefgh\n", "ABCDEFGH")
    return answers.plain(start_response, b"written")


def take_turns(stream, first, second):
    turns = [threading.Semaphore(1), threading.Semaphore(0)]

    def work(number, letters):
        for position in range(9):
            turns[number].acquire()
            stream.write(letters[position : position + 1])
            turns[1 - number].release()

    workers = [threading.Thread(target=work, args=each) for each in enumerate((first, second))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(10)


def of_a_thread_that_ends(environ, start_response):
    """The next thread may well have the same number."""
    for part in ("of the first thread", "of the second"):
        worker = threading.Thread(target=sys.stderr.write, args=(part,))
        worker.start()
        worker.join(10)
    return answers.plain(start_response, b"written")


def without_end(environ, start_response):
    """Progress, as many programs show it: no line ever ends. Then a word past the streams."""
    for _ in range(100):
        sys.stderr.write("y" * 99000 + "\r")
    sys.__stderr__.write("all was written\n")
    sys.__stderr__.flush()
    return answers.plain(start_response, b"written")


def long_line(environ, start_response):
    """More than one line of a log takes, in characters of each kind."""
    texts = {
        "plain": u"x" * 50000,
        "wide": u"\u20ac" * 20000,
        "bad": u"\x01" * 20000,
        "backslashes": u"\\" * 30000,
    }
    environ["wsgi.errors"].write(texts[environ["QUERY_STRING"]] + u"\n")
    return answers.plain(start_response, b"written")
