"""Applications that fork: what the copies do, and how they end."""

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

import answers

TEXT = [("Content-Type", "text/plain")]

# What sys.exit() is given, by the query string.
CODES = {"nothing": None, "3": 3, "words": "last words"}


def ending(copy):
    """How a copy ended, as multiprocessing tells it: its status, or less than zero: its signal."""
    for _ in range(1000):
        pid, status = os.waitpid(copy, os.WNOHANG)
        if pid == copy:
            return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        time.sleep(0.01)
    os.kill(copy, signal.SIGKILL)
    os.waitpid(copy, 0)
    return "hangs"


def report(start_response, copy):
    return answers.as_json(start_response, {"pid": os.getpid(), "ending": ending(copy)})


def asked_of_copy(work):
    """What a copy finds out: the result of work(), which is text, and how the copy ended."""
    ours, theirs = os.pipe()
    copy = os.fork()
    if copy == 0:
        try:
            os.write(theirs, work().encode("ascii"))
        finally:
            os._exit(7)
    os.close(theirs)
    end = ending(copy)
    with os.fdopen(ours) as pipe:
        return {"said": pipe.read(), "ending": end}


def exits(environ, start_response):
    """The copy ends with the code that the query string names."""
    copy = os.fork()
    if copy == 0:
        sys.exit(CODES[environ["QUERY_STRING"]])
    return report(start_response, copy)


def returns(environ, start_response):
    """The copy goes on as if it were the original."""
    copy = os.fork()
    if copy == 0:
        return answers.plain(start_response, b"of the copy")
    return report(start_response, copy)


def raises(environ, start_response):
    copy = os.fork()
    if copy == 0:
        raise ValueError("in the copy")
    return report(start_response, copy)


def streams(environ, start_response):
    """The copy is made in the middle of a response, and goes on with it."""
    start_response("200 OK", TEXT)
    yield b"before;"
    copy = os.fork()
    yield b"after;"
    yield str(ending(copy) if copy != 0 else "copy").encode("ascii")


def uses_the_request(environ, start_response):
    """The copy reads and writes what is the original's."""

    def work():
        write = start_response("200 OK", TEXT)
        for use in (lambda: write(b"of the copy"), environ["wsgi.input"].read):
            try:
                use()
                return "could"
            except RuntimeError as error:
                said = str(error)
        environ["wsgi.errors"].write("the copy logs\n")
        return said

    return answers.as_json(start_response, asked_of_copy(work))


def starts_threads(environ, start_response):
    """The copy does its work in a thread of its own."""

    def work():
        done = []
        thread = threading.Thread(target=lambda: done.append("worked"))
        thread.start()
        thread.join()
        return done[0]

    return answers.as_json(start_response, asked_of_copy(work))


def from_a_thread(environ, start_response):
    """A thread of the application forks, and the copy leaves by the end of that thread."""
    copies = []

    def work():
        copy = os.fork()
        if copy != 0:
            copies.append(copy)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)
    return report(start_response, copies[0])


def listening():
    """Descriptors of listening sockets."""
    found = []
    for fd in range(256):
        try:
            if not stat.S_ISSOCK(os.fstat(fd).st_mode):
                continue
            asked = socket.fromfd(fd, socket.AF_INET, socket.SOCK_STREAM)
        except (OSError, socket.error):
            continue
        if asked.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            found.append(str(fd))
        asked.close()
    return found


def listens(environ, start_response):
    """The listening sockets of the process, and of a copy: the application has one of its own."""
    own = socket.socket()
    own.bind(("127.0.0.1", 0))
    own.listen(1)
    told = asked_of_copy(lambda: ",".join(listening()))
    told.update(here=listening(), own=str(own.fileno()))
    own.close()
    return answers.as_json(start_response, told)


def stays(environ, start_response):
    """The copy lives on by itself."""
    copy = os.fork()
    if copy == 0:
        time.sleep(60)
        os._exit(0)
    os.setpgid(copy, copy)  # the server ends its group
    return answers.as_json(start_response, {"copy": copy})


def handles_signals(environ, start_response):
    """What signal.signal() does in a copy."""

    def work():
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        return str(signal.getsignal(signal.SIGUSR2) == signal.SIG_IGN)

    return answers.as_json(start_response, asked_of_copy(work))


def square(pipe, number):
    pipe.send(number * number)


def processes(environ, start_response):
    """Work done by a copy, as multiprocessing makes it before Python 3.14."""
    import multiprocessing

    if hasattr(multiprocessing, "get_context"):
        multiprocessing = multiprocessing.get_context("fork")
    threading.current_thread()  # now it is known as a foreign one
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=square, args=(theirs, 5))
    process.start()
    done = ours.recv() if ours.poll(10) else "no answer"
    process.join(10)
    return answers.as_json(start_response, [done, process.exitcode])


def prepares_programs(environ, start_response):
    """A program started with preexec_fn: a copy runs Python code first."""
    command = [sys.executable, "-S", "-c", "import os; print(os.environ['SAID'])"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, preexec_fn=lambda: os.putenv("SAID", "x"),
        env=dict(os.environ, SAID="prepared"),
    )
    told = process.communicate()[0]
    return answers.as_json(start_response, [told.decode("ascii").strip(), process.returncode])


def output_of(command):
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    return process.communicate()[0].decode("ascii").strip()


def starts_programs(environ, start_response):
    """All ways to start a program that run no Python code in a copy."""
    told = [
        output_of(["/bin/echo", "subprocess"]),
        os.popen("echo popen").read().strip(),
        os.system("exit 5") >> 8,
    ]
    if hasattr(os, "posix_spawn"):
        told.append(ending(os.posix_spawn("/bin/sh", ["sh", "-c", "exit 6"], os.environ)))
    return answers.as_json(start_response, told)
