"""Asks a compiler what it and its system lack that newer ones have.

The sources choose by themselves what they do instead (core/atomic.h, core/fd.h). So the question
is a file that includes those headers. Only two flags are chosen here.
"""

import os
import tempfile

from . import Problem, run, unique

TYPED = False
if TYPED:
    from typing import Iterator, Sequence

QUESTION = """
#include <time.h>
#include <unistd.h>
#include "atomic.h"
#include "fd.h"
#ifdef __linux__
#include <sys/epoll.h>
#include <sys/syscall.h>
#endif
#if WSGI_ATOMICS == WSGI_ATOMICS_SYNC
LACKS atomic
#elif WSGI_ATOMICS == WSGI_ATOMICS_MUTEX
LACKS sync
#endif
#if WSGI_FD_MARKS
LACKS cloexec
#endif
#if WSGI_O_PATH == 0
LACKS o_path
#endif
#if CLOCK_MONOTONIC_COARSE == CLOCK_MONOTONIC
LACKS coarse
#endif
#if !defined(EPOLL_CLOEXEC) || defined(WSGI_FALLBACKS)
LACKS eventfd
#endif
#if !defined(SYS_memfd_create) || defined(WSGI_FALLBACKS)
LACKS memfd
#endif
"""

AS_ALWAYS = ["-std=c99", "-D_GNU_SOURCE", "-Icore"]

# What is lacking, and what is done without it.
LACKS = {
    "-fno-plt": ("-fno-plt", "is left out: calls of libraries take a little longer"),
    "-lrt": ("clocks in the C library", "are in librt, which is linked"),
    "atomic": ("__atomic", "__sync counts"),
    "sync": ("__atomic and __sync", "a mutex counts: the server's processes share no figures"),
    "cloexec": ("close on exec at once", "descriptors are marked when they have been made"),
    "o_path": ("O_PATH", "the directories above an .htaccess file must be readable"),
    "coarse": ("clocks of the last tick", "the exact clock is asked"),
    "eventfd": ("eventfd, epoll_create1", "a pipe, epoll_create"),
    "memfd": ("memory with seals", "no notes between processes, no figures over a restart"),
}

CLOCK = """
#include <time.h>
int main(void) { struct timespec now; return clock_gettime(CLOCK_REALTIME, &now); }
"""


class Compiler(object):
    """A compiler with the words that it is always called with, such as ["gcc", "-m32"]."""

    def __init__(self, words):
        # type: (Sequence[str]) -> None
        self.words = list(words)

    def does(self, source, words):
        # type: (str, Sequence[str]) -> str | None
        """What it prints for this source and these words. None if it fails."""
        folder = tempfile.mkdtemp()
        path, made = os.path.join(folder, "probe.c"), os.path.join(folder, "probe")
        try:
            with open(path, "w") as written:
                written.write(source)
            ended = run(self.words + AS_ALWAYS + ["-o", made, path] + list(words))
            if ended is None:
                raise Problem("there is no compiler %s: install gcc, or set CC" % self.words[0])
            if ended[0] != 0:
                return None
            if not os.path.exists(made):
                return ""
            with open(made, "rb") as read:
                return read.read().decode("latin-1") if "-E" in words else ""
        finally:
            for name in (path, made):
                if os.path.exists(name):
                    os.remove(name)
            os.rmdir(folder)

    def knows(self, flag):
        # type: (str) -> bool
        return self.does("int probe;\n", ["-c", flag]) is not None

    def links(self, words):
        # type: (Sequence[str]) -> bool
        return self.does(CLOCK, words) is not None


def ask(words, defines=()):
    # type: (Sequence[str], Sequence[str]) -> list[str]
    """What this compiler lacks: keys of LACKS. It is run in the folder of the sources."""
    compiler = Compiler(words)
    if not compiler.knows("-O2"):
        raise Problem("%s compiles nothing: is it a C compiler with its library?" % words[0])
    told = compiler.does(QUESTION, ["-E"] + list(defines)) or ""
    lacking = [line.split()[1] for line in told.splitlines() if line.startswith("LACKS ")]
    if not compiler.knows("-fno-plt"):
        lacking.append("-fno-plt")
    if not compiler.links([]) and compiler.links(["-lrt"]):
        lacking.append("-lrt")
    return unique(lacking)


def table(lacking):
    # type: (Sequence[str]) -> Iterator[str]
    """Lines for people. None if nothing is lacking."""
    if lacking:
        yield "this compiler and its system lack"
    for key in lacking:
        yield "    %-24s %s" % LACKS[key]
