"""Applications that start programs, and that would handle signals."""

import errno
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


def handles_signals_in_c(environ, start_response):
    """The functions that the module signal is made of, where they have a module of their own."""
    name = "_signal" if "_signal" in sys.builtin_module_names else "signal"
    c_part = __import__(name)
    told = [c_part.signal(signal.SIGCONT, signal.SIG_IGN), c_part.alarm(1)]
    time.sleep(1.5)
    return answers.as_json(start_response, told)


def interrupts(environ, start_response):
    """What a program does to be interrupted as by Ctrl-C."""
    _thread.interrupt_main()
    return answers.plain(start_response, b"interrupted")


def popen(command):
    subprocess.Popen(command).wait()


def popen_with_all_files(command):
    subprocess.Popen(command, close_fds=False).wait()


def popen_as_posix_spawn(command):
    """How subprocess starts a program that is given nothing else."""
    subprocess.Popen(command, close_fds=False, restore_signals=False).wait()


def in_thread(command):
    worker = threading.Thread(target=popen, args=(command,))
    worker.start()
    worker.join()


def system(command):
    os.system("exec " + " ".join(command))


def os_popen(command):
    os.popen("exec " + " ".join(command)).close()


def os_popen_that_fails(environ, start_response):
    """Why os.popen fails, and whether this process has a child then."""
    reason, has_child = None, True
    try:
        os.popen("exit")
    except OSError as error:
        reason = errno.errorcode[error.errno]
    try:
        os.waitpid(-1, os.WNOHANG)
    except OSError as error:
        has_child = error.errno != errno.ECHILD
    return answers.as_json(start_response, [reason, has_child])


def posix_spawn(command):
    os.waitpid(os.posix_spawn(command[0], command, os.environ), 0)


def spawnv(command):
    os.spawnv(os.P_WAIT, command[0], command)


def fork(command):
    pid = os.fork()
    if pid == 0:
        os.execv(command[0], command)
    os.waitpid(pid, 0)


def starts(environ, start_response):
    """What a program has that is started as the query string says: signals, and open files."""
    path = os.path.join(environ["tests.scratch"], environ["QUERY_STRING"])
    look = os.path.join(os.path.dirname(os.path.abspath(__file__)), "look.py")
    globals()[environ["QUERY_STRING"]]([sys.executable, look, path])
    with open(path, "rb") as file:
        return answers.plain(start_response, file.read())


def waiting_copy():
    pid = os.fork()
    if pid == 0:
        signal.pause()
    return pid


def told_to_end(environ, start_response):
    """How a program and a copy end that are told to."""
    program = subprocess.Popen(["sleep", "30"])
    program.terminate()
    status = [program.wait()]
    if environ["QUERY_STRING"] == "fork":
        pid = waiting_copy()
        time.sleep(0.1)
        os.kill(pid, signal.SIGTERM)
        status.append(-os.WTERMSIG(os.waitpid(pid, 0)[1]))
    return answers.as_json(start_response, status)


def add_one(number):
    return number + 1


def pooled(environ, start_response):
    """Two copies of this process work for it, and are told to end."""
    import multiprocessing

    new = hasattr(multiprocessing, "get_context")
    pool = (multiprocessing.get_context("fork") if new else multiprocessing).Pool(2)
    done = pool.map(add_one, range(10))
    pool.terminate()
    pool.join()
    return answers.as_json(start_response, done)


def left_behind(environ, start_response):
    """A program that goes on when the server is gone, which ends its whole process group."""
    command = "(trap '' TERM; exec sleep 60) & echo $! > %s/left"
    os.system(command % environ["tests.scratch"])
    with open(os.path.join(environ["tests.scratch"], "left")) as file:
        return answers.as_json(start_response, int(file.read()))


def start_one_after_another(until):
    while time.time() < until:
        subprocess.Popen(["true"]).wait()


def keeps_starting(environ, start_response):
    """Threads that start programs for some seconds, whatever becomes of the process."""
    for _ in range(2):
        worker = threading.Thread(target=start_one_after_another, args=(time.time() + 3,))
        worker.daemon = True
        worker.start()
    return answers.as_json(start_response, "begun")


def thread_signals(environ, start_response):
    """What a thread of the application knows of its signals."""
    found = []

    def look():
        with open("/proc/thread-self/status") as status:
            found.append(status.read())

    worker = threading.Thread(target=look)
    worker.start()
    worker.join()
    _thread.start_new_thread(look, ())
    while len(found) < 2:
        time.sleep(0.01)
    return answers.as_json(start_response, found)
