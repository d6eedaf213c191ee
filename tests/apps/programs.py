"""Applications that start programs, and that would handle signals."""

import os
import signal
import subprocess
import sys
import threading
import time

import answers

try:
    import _thread
except ImportError:
    import thread as _thread


def program(environ, start_response):
    """The output of a program, and how it ended."""
    command = [sys.executable, "-c", "import os; print(os.getppid()); raise SystemExit(3)"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    told = process.communicate()[0]
    report = {"parent": int(told), "status": process.returncode, "pid": os.getpid()}
    return answers.as_json(start_response, report)


def square(pipe, numbers):
    pipe.send([number * number for number in numbers])


def spawned(environ, start_response):
    """Work done by a process that multiprocessing starts afresh."""
    import multiprocessing

    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=square, args=(theirs, [1, 2, 3]))
    process.start()
    done = ours.recv() if ours.poll(20) else "no answer"
    process.join(10)
    return answers.as_json(start_response, done)


def forked(environ, start_response):
    """A copy of this process ends with a status of its own, at once."""
    try:
        pid = os.fork()
    except RuntimeError as error:
        return answers.as_json(start_response, {"refused": str(error)})
    if pid == 0:
        os._exit(7)
    status = os.waitpid(pid, 0)[1]
    return answers.as_json(start_response, {"status": os.WEXITSTATUS(status)})


def handles_signals(environ, start_response):
    """Takes the signals that Apache steers its processes with."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_IGN)
    return answers.plain(start_response, b"handled")


def alarmed(environ, start_response):
    """Asks for signals that end a process which does not handle them; tells what was answered."""
    told = [signal.alarm(1), signal.setitimer(signal.ITIMER_REAL, 0.1)]
    if hasattr(signal, "raise_signal"):
        signal.raise_signal(signal.SIGTERM)
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.current_thread().ident, signal.SIGALRM)
    time.sleep(1.5)
    return answers.as_json(start_response, told)


def interrupts(environ, start_response):
    """What a program does to be interrupted as by Ctrl-C."""
    _thread.interrupt_main()
    return answers.plain(start_response, b"interrupted")
