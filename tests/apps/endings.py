"""Applications with something left to do when their interpreter or their process ends.

Each tells its test by files (waiting.py), since a process that ends answers nobody.
"""

import atexit
import itertools
import os
import sys
import threading
import time

import answers
import waiting


def at_exit(environ, start_response):
    """Registers a function for the end, which tells that it ran."""
    atexit.register(waiting.tell, environ, "ran")
    return answers.plain(start_response, b"registered")


def raises_at_exit(environ, start_response):
    def fail():
        raise ValueError("raised at the end")

    atexit.register(waiting.tell, environ, "ran all the same")
    atexit.register(fail)
    return answers.plain(start_response, b"registered")


def takes_its_time_at_exit(environ, start_response):
    """Registers a function that is done well before any server loses its patience."""

    def work():
        waiting.tell(environ, "begun")
        time.sleep(1)
        waiting.tell(environ, "ended")

    atexit.register(work)
    return answers.plain(start_response, b"registered")


def slow_at_exit(environ, start_response):
    """Registers a function that takes longer than any server waits."""
    atexit.register(time.sleep, 60)
    return answers.plain(start_response, b"registered")


def thread(environ, start_response):
    """Leaves a thread behind that has to be waited for: it needs half a second to end."""

    def work():
        waiting.wait(environ)
        time.sleep(0.5)
        waiting.tell(environ, "ended by itself")

    start(work)
    return answers.plain(start_response, b"started")


def start(work):
    """A thread to wait for: one that a thread of the server starts is a daemon unless it says so."""
    worker = threading.Thread(target=work)
    worker.daemon = False
    worker.start()


def endless_thread(environ, start_response):
    """Leaves a thread behind that nobody can wait for."""
    start(lambda: time.sleep(60))
    return answers.plain(start_response, b"started")


def daemon(environ, start_response):
    """Leaves a thread behind that nobody is to wait for, and that is never idle."""

    def work():
        while True:
            sum(range(1000))

    for _ in range(2):
        worker = threading.Thread(target=work)
        worker.daemon = True
        worker.start()
    return answers.plain(start_response, b"started")


def talkative(environ, start_response):
    """Leaves a thread behind that writes to the log for as long as it can."""

    def work():
        while True:
            sys.stderr.write("still talking\n")
            time.sleep(0.0005)

    worker = threading.Thread(target=work)
    worker.daemon = True
    worker.start()
    return answers.plain(start_response, b"started")


def local(environ, start_response):
    """Keeps an object for this thread of the server; its end is told."""
    KEPT.object = Told(environ)
    return answers.plain(start_response, b"kept")


class Told(object):
    def __init__(self, environ):
        self.path = waiting.path(environ, ".told")

    def __del__(self, opened=open):
        with opened(self.path, "w") as stream:
            stream.write("gone")


KEPT = threading.local()


def sleeps(environ, start_response):
    """A request that is under way for long, and waits without Python's lock."""
    atexit.register(waiting.tell, environ, "ran", ".end.told")
    waiting.tell(environ, "begun")
    time.sleep(60)
    return answers.plain(start_response, b"slept")


def computes(environ, start_response):
    """A request that is under way for long, and never rests: in Python's code, and in malloc's."""
    atexit.register(waiting.tell, environ, "ran", ".end.told")
    waiting.tell(environ, "begun")
    end = time.time() + 60
    while time.time() < end:
        for size in range(1000, 2000):
            bytearray(size)
    return answers.plain(start_response, b"computed")


def computes_beside_another(environ, start_response):
    """The same, and a thread of its own wants the lock as well."""
    daemon(environ, lambda status, headers: None)
    return computes(environ, start_response)


def streams(environ, start_response):
    """A response that goes on for long, in small pieces that follow each other at once."""
    atexit.register(waiting.tell, environ, "ran", ".end.told")
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"begun;"
    waiting.tell(environ, "begun")
    end = time.time() + 60
    while time.time() < end:
        yield b"more;"


def keeps_the_lock(environ, start_response):
    """A request that is under way for long, and lets no other thread run Python's code."""
    waiting.tell(environ, "begun")
    sum(itertools.repeat(1, 10**10))
    return answers.plain(start_response, b"counted")


def process(environ, start_response):
    return answers.plain(start_response, str(os.getpid()).encode("ascii"))
