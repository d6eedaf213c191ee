"""Which Python serves, and as whom."""

import os
import sys

import answers


def application(environ, start_response):
    told = {"version": "%d.%d" % sys.version_info[:2], "pid": os.getpid(), "uid": os.getuid()}
    return answers.as_json(start_response, told)
