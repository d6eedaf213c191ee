"""Tells build.sh what it has to know of a server and of the Python that runs this."""

import sys

from . import Problem, pythons, servers


def main():
    # type: () -> None
    """Prints assignments of the shell, for the apxs that is named, or for the newest server."""
    try:
        apxs = servers.choose_apxs(apxs=sys.argv[1] or None)
        written = assignments(apxs, pythons.choose(sys.executable))
    except Problem as problem:
        sys.exit("build.sh: %s" % problem)
    sys.stdout.write("\n".join(written) + "\n")


def assignments(apxs, python):
    # type: (str, pythons.Python) -> list[str]
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
        ("libraries", ["-L" + python.libdir] + ["-l" + name for name in libraries]),
    ]
    return [name + "='" + " ".join(map(checked, words)) + "'" for name, words in facts]


def checked(word):
    # type: (str) -> str
    """The word, if the shell cannot take it for another. SCons can quote, and build.sh cannot."""
    if set(word) & set(" \t\n'\"\\$`*?["):
        raise Problem("the shell would not read %s as it is: build with scons" % word)
    return word
