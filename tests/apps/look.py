"""A program, not an application: writes what it was started with to a file, its one argument."""

import os
import sys


def files():
    for fd in os.listdir("/proc/self/fd"):
        try:
            yield "file %s %s\n" % (fd, os.readlink("/proc/self/fd/" + fd))
        except OSError:
            pass  # the folder itself, closed by now


if __name__ == "__main__":
    found = list(files())
    with open("/proc/self/status") as status:
        signals = [line for line in status if line.startswith("Sig")]
    with open(sys.argv[1], "w") as report:
        report.writelines(signals + found)
