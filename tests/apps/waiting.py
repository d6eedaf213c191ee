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
    """For the test to read: the file appears whole or not at all."""
    part = path(environ, name) + ".part"
    with open(part, "w") as stream:
        stream.write(text)
    os.rename(part, path(environ, name))
