"""Applications that show which interpreter of a pool serves, and that keep a processor busy."""

import itertools
import os
import subprocess
import sys
import threading
import time

import answers
import waiting


def who(environ, start_response):
    """Which interpreter this is, and what it is told of the others."""
    report = {
        "interpreter": id(sys.modules),
        "multiprocess": environ["wsgi.multiprocess"],
        "multithread": environ["wsgi.multithread"],
        "pid": os.getpid(),
    }
    return answers.as_json(start_response, report)


def held(environ, start_response):
    """The same, after the test has let it go."""
    waiting.tell(environ, "begun")
    waiting.wait(environ)
    return who(environ, start_response)


def computes(environ, start_response):
    """Work in Python alone, as much as the query string says."""
    total = 0
    for number in range(int(environ["QUERY_STRING"]) * 1000):
        total += number * number % 7
    return answers.plain(start_response, b"computed")


def holds_the_lock(environ, start_response):
    """One long step of Python, in the middle of which it never gives its lock up."""
    waiting.tell(environ, "begun")
    max(itertools.repeat(1, 150000000))
    return answers.plain(start_response, b"computed")


def helpers(environ, start_response):
    """A program and two threads, one of them a daemon, do their work in this interpreter."""
    done = []
    daemon = threading.Thread(target=lambda: done.append("daemon"))
    daemon.daemon = True
    for thread in (daemon, threading.Thread(target=lambda: done.append("thread"))):
        thread.start()
        thread.join(10)
    command = [sys.executable, "-c", "print('program')"]
    told = subprocess.Popen(command, stdout=subprocess.PIPE).communicate()[0]
    done.append(told.decode("ascii").strip())
    return answers.as_json(start_response, sorted(done))


def leaves_a_daemon(environ, start_response):
    """A daemon thread goes on for ever, and never rests."""

    def work():
        while True:
            sum(range(1000))

    daemon = threading.Thread(target=work)
    daemon.daemon = True
    daemon.start()
    time.sleep(0.05)
    return answers.plain(start_response, b"started")


def wakes(environ, start_response):
    """How often threads of this process wake up while the request sleeps for half a second."""
    before = wake_ups()
    time.sleep(0.5)
    return answers.as_json(start_response, wake_ups() - before)


def wake_ups():
    """Of all threads together, as the system counts them."""
    total = 0
    for thread in os.listdir("/proc/self/task"):
        try:
            with open("/proc/self/task/%s/status" % thread) as status:
                lines = dict(line.split(":", 1) for line in status)
        except IOError:
            continue  # it has ended
        total += int(lines["voluntary_ctxt_switches"])
    return total


def rests(environ, start_response):
    """Long enough for requests to meet."""
    time.sleep(0.02)
    return answers.plain(start_response, b"rested")
