"""The application of the image: replace it by yours."""

import os
import pwd


def application(environ, start_response):
    who = pwd.getpwuid(os.geteuid()).pw_name
    text = "%s from %s\n" % (os.environ.get("GREETING", "Hello"), who)
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [text.encode("utf-8")]
