"""Tells build.sh what it has to know of a server and of the Python that runs this."""

import os
import shlex
import sys

from . import Problem, compilers, pythons, servers


def main():
    # type: () -> None
    """Prints assignments of the shell, for the apxs that is named, or for the newest server."""
    try:
        apxs = servers.choose_apxs(apxs=sys.argv[1] or None)
        lacking = compilers.ask(shlex.split(os.environ.get("CC", "cc")))
        written = assignments(apxs, pythons.choose(sys.executable), lacking)
    except Problem as problem:
        sys.exit("build.sh: %s" % problem)
    sys.stderr.write("".join("build.sh: %s\n" % line for line in compilers.table(lacking)))
    sys.stdout.write("\n".join(written) + "\n")


def assignments(apxs, python, lacking):
    # type: (str, pythons.Python, list[str]) -> list[str]
    """NAME='WORDS', one for each fact. The shell takes lists apart at spaces."""
    line = servers.line_of(apxs)
    includes = [word for folder in servers.includes(apxs) for word in ("-isystem", folder)]
    libraries = [python.library] + list(python.libs)
    facts = [
        ("line", [line]),
        ("adapter", ["apache13" if line == "1.3" else "apache2x"]),
        ("server_flags", servers.flags(apxs) + includes),
        ("modules", [servers.query(apxs, "LIBEXECDIR")]),
        ("python", [python.name]),
        ("executable", [python.executable]),
        ("python_flags", ["-isystem", python.include]),
        ("rpath", [] if python.system_library else ["-Wl,-rpath=" + python.libdir]),
        ("no_plt", [] if "-fno-plt" in lacking else ["-fno-plt"]),
        ("clocks", ["-lrt"] if "-lrt" in lacking else []),
        ("libraries", ["-L" + python.libdir] + ["-l" + name for name in libraries]),
    ]
    return [name + "='" + " ".join(map(checked, words)) + "'" for name, words in facts]


def checked(word):
    # type: (str) -> str
    """The word, if the shell cannot take it for another. SCons can quote, and build.sh cannot."""
    if set(word) & set(" \t\n'\"\\$`*?["):
        raise Problem("the shell would not read %s as it is: build with scons" % word)
    return word
