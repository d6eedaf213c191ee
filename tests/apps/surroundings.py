"""Applications that show and change os.environ, as their children see it, too."""

import ctypes
import json
import os
import subprocess

try:
    from urllib.parse import parse_qsl
except ImportError:
    from urlparse import parse_qsl

AT_IMPORT = dict(os.environ)

os.environ.setdefault("TESTS_SETTINGS", AT_IMPORT.get("TESTS_WANTED", __name__))


def answer(start_response, what):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(what).encode("ascii")]


def change(environ):
    """Sets what the query says."""
    for name, value in parse_qsl(environ["QUERY_STRING"]):
        os.environ[name] = value


def shown(environ, start_response):
    """os.environ at the import and now, in each of its forms; and what of it the request has."""
    import posix

    change(environ)
    forms = {"os": dict(os.environ), "posix": posix.environ}
    if hasattr(os, "environb"):
        forms["bytes"] = dict(os.environb)
    told = {"import": AT_IMPORT, "request": sorted(environ), "c": of_process()}
    for name, form in forms.items():
        told[name] = dict((as_text(key), as_text(form[key])) for key in form)
    return answer(start_response, told)


def of_process():
    """What C libraries of this process find."""
    library = ctypes.CDLL(None)
    library.getenv.restype = ctypes.c_char_p
    names = ("TESTS_SECRET", "PATH")
    found = [(name, library.getenv(name.encode("ascii"))) for name in names]
    return dict((name, value and as_text(value)) for name, value in found)


def as_text(name):
    return name if isinstance(name, str) else name.decode("utf-8", "surrogateescape")


def of_children(environ, start_response):
    """The environment of programs, by the way that they were started."""
    change(environ)
    told = {
        "Popen": output(["env"]),
        "shell": output("env", shell=True),
        "descriptors": output(["env"], close_fds=False),
        "named": output(["env"], env={"PATH": os.environ["PATH"], "ONLY": "this"}),
    }
    path = os.path.join(environ["tests.scratch"], "environment-%d" % os.getpid())
    os.system("env >%s" % path)
    with open(path) as file:
        told["system"] = parsed(file.read())
    told["popen"] = parsed(os.popen("env").read())
    return answer(start_response, told)


def of_spawned(environ, start_response):
    """The same for os.spawn and so os.exec, which needs an interpreter that may fork."""
    path = os.path.join(environ["tests.scratch"], "environment-%d" % os.getpid())
    code = os.spawnlp(os.P_WAIT, "sh", "sh", "-c", "env >%s" % path)
    with open(path) as file:
        return answer(start_response, {"code": code, "spawnlp": parsed(file.read())})


def output(command, **options):
    child = subprocess.Popen(command, stdout=subprocess.PIPE, **options)
    return parsed(child.communicate()[0].decode("utf-8", "replace"))


def parsed(text):
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
