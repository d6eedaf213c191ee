"""Applications that tell what is kept in memory, of objects and of responses."""

import gc
import os
import weakref

import answers


class Readable(object):
    def read(self, size=-1):
        return b""


def file_wrappers_in_circles(environ, start_response):
    """Tells how many files live on that only their own wrappers lead to."""
    alive = []
    for _ in range(10):
        source = Readable()
        source.wrapper = environ["wsgi.file_wrapper"](source)
        alive.append(weakref.ref(source))
    del source
    gc.collect()
    count = len([ref for ref in alive if ref() is not None])
    return answers.plain(start_response, ("%d" % count).encode("ascii"))


def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")


sizes = []


def many_blocks_once(environ, start_response):
    """The second response has three million blocks; the third tells what is left of it."""
    sizes.append(resident())
    if len(sizes) == 2:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"x"] * 3000000
    grown = sizes[-1] - sizes[0]
    return answers.plain(start_response, ("%d" % grown).encode("ascii"))


def empty_block_first(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"", b"x"]


def bound_of_its_own(environ, start_response):
    """Changes what the server's environment said before the process served."""
    os.environ["MOD_WSGI_MAX_INTERPRETERS"] = "1"
    sum(range(200000))
    return answers.plain(start_response, b"set")
