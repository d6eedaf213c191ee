"""What this Python says of itself: an application, and a program that prints the same.

Run by a virtual environment's own command it prints what the application in that environment is
to answer.
"""

import json
import subprocess
import sys

import site

try:
    import sysconfig
except ImportError:  # Python 2.6
    sysconfig = None

NAMES = (
    "prefix",
    "exec_prefix",
    "base_prefix",
    "base_exec_prefix",
    "real_prefix",
    "executable",
    "_base_executable",
    "_home",
    "_stdlib_dir",
    "platlibdir",
)

# What is the process's, and so the server's: the text encoding does not depend on the environment.
OF_THE_PROCESS = ("utf8_mode", "n_fields", "n_sequence_fields", "n_unnamed_fields")


def flags():
    return dict(
        (name, getattr(sys.flags, name))
        for name in dir(sys.flags)
        if not name.startswith("_")
        and name not in OF_THE_PROCESS
        and not callable(getattr(sys.flags, name))
    )


def here():
    facts = dict((name, getattr(sys, name, None)) for name in NAMES)
    facts["path"] = [entry for entry in sys.path if not __file__.startswith(entry + "/")]
    facts["flags"] = flags()
    if hasattr(subprocess, "_args_from_interpreter_flags"):
        facts["options for children"] = subprocess._args_from_interpreter_flags()
    facts["user site"] = site.ENABLE_USER_SITE
    facts["prefixes of site"] = list(getattr(site, "PREFIXES", ()))
    facts["site is"] = site.__file__.replace(".pyc", ".py")
    if sysconfig:
        facts["paths"] = sysconfig.get_paths()
        facts["variables"] = dict(
            (name, sysconfig.get_config_var(name))
            for name in ("prefix", "exec_prefix", "base", "platbase", "installed_base")
        )
    customs = [sys.modules.get(name) for name in ("sitecustomize", "usercustomize")]
    facts["customs"] = [getattr(each, "__file__", None) for each in customs]
    facts["by .pth"] = sorted(name for name in sys.modules if name.startswith("by_pth"))
    return facts


def child(command):
    told = subprocess.Popen(command, stdout=subprocess.PIPE).communicate()[0]
    return told.decode("utf-8")


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(here()).encode("ascii")]


def of_a_child(environ, start_response):
    """What a Python that the application starts with sys.executable says of itself."""
    start_response("200 OK", [("Content-Type", "application/json")])
    return [child([sys.executable, __file__.replace(".pyc", ".py")]).encode("ascii")]


if __name__ == "__main__":
    print(json.dumps(here()))
