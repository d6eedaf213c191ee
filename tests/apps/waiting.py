"""How an application and its test wait for each other: by files in a folder both know.

The folder is the variable tests.scratch, the names come from the query string, and no wait is
longer than ten seconds, so that a broken server makes a failed test and not a hanging one.
"""

import os
import time


def path(environ, name=""):
    return os.path.join(environ["tests.scratch"], environ["QUERY_STRING"] + name)


def wait(environ, name=".go"):
    """Until the test has made the file."""
    for _ in range(1000):
        if os.path.exists(path(environ, name)):
            return
        time.sleep(0.01)
    raise RuntimeError("the test never made " + path(environ, name))


def tell(environ, text, name=".told"):
    """For the test to read: the file appears whole or not at all, with a line for each telling.

    So what is told twice shows, and a test that compares the whole has counted as well.
    """
    whole = path(environ, name)
    # Two requests may tell at once, in one process or in two.
    part = "%s.%d-%d.part" % (whole, os.getpid(), id(environ))
    lines = [text]
    if os.path.exists(whole):
        with open(whole) as stream:
            lines.insert(0, stream.read())
    with open(part, "w") as stream:
        stream.write("\n".join(lines))
    os.rename(part, whole)
