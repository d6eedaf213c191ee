"""Asks a compiler what it and its system lack that newer ones have.

The sources choose by themselves what they do instead (core/atomic.h, core/fd.h). So the question
is a file that includes those headers. Only two flags are chosen here.
"""

import os
import shutil
import tempfile

from . import Problem, run

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


def ask(compiler, defines=()):
    # type: (Sequence[str], Sequence[str]) -> list[str]
    """What a compiler lacks: keys of LACKS. It is called in the folder of the sources.

    The words of the compiler are those that it is always called with, such as ["gcc", "-m32"].
    """
    told = _does(compiler, QUESTION, "-E", *defines) or ""
    lacking = [line.split()[1] for line in told.splitlines() if line.startswith("LACKS ")]
    if _does(compiler, "int probe;\n", "-c", "-fno-plt") is None:
        if _does(compiler, "int probe;\n", "-c") is None:
            raise Problem(
                "%s compiles nothing: is it a C compiler with its library?" % compiler[0]
            )
        lacking.append("-fno-plt")
    if _does(compiler, CLOCK) is None and _does(compiler, CLOCK, "-lrt") is not None:
        lacking.append("-lrt")
    return lacking


def _does(compiler, source, *words):
    # type: (Sequence[str], str, str) -> str | None
    """What it prints for this source and these words. None if it fails."""
    folder = tempfile.mkdtemp()
    path, made = os.path.join(folder, "probe.c"), os.path.join(folder, "probe")
    try:
        with open(path, "w") as written:
            written.write(source)
        into = [] if "-E" in words else ["-o", made]
        ended = run(list(compiler) + AS_ALWAYS + into + [path] + list(words))
    finally:
        shutil.rmtree(folder)
    if ended is None:
        raise Problem("there is no compiler %s: install gcc, or set CC" % compiler[0])
    return ended[1] if ended[0] == 0 else None


def table(lacking):
    # type: (Sequence[str]) -> Iterator[str]
    """Lines for people. None if nothing is lacking."""
    if lacking:
        yield "this compiler and its system lack"
    for key in lacking:
        yield "    %-24s %s" % LACKS[key]
