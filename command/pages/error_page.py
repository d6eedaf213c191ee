"""Shows the last error of the log as a page, to a browser of this machine only.

mod_wsgi serve has Apache call it for status 500. It runs on every Python from 2.7 on.
"""

import os
import re

TAIL = 65536
MOST_LINES = 300
PREFIX = re.compile(r"^(?:\[[^\]]*\] ?)+")
QUIET = re.compile(r"^(?:\[[^\]]*\] ?)*?\[(?:\w+:)?(?:info|debug|notice|trace\d)\]")
# Apache writes bytes that are no plain letters by their numbers, and doubles a backslash.
ESCAPES = re.compile(br"\\(x[0-9a-fA-F]{2}|[\\bnrtv])")
CONTROLS = {b"b": b"\b", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v", b"\\": b"\\"}
CHAINED = ("During handling of the above exception", "The above exception was the direct cause")
BEGIN = "Traceback (most recent call last):"
OURS = "mod_wsgi: "
LOOPBACK = re.compile(r"^(?:localhost|127(?:\.\d+){3}|\[::1\])(?::\d+)?$")

PAGE = u"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>%(title)s</title>
<style>
body { font: 16px/1.5 sans-serif; margin: 2em auto; max-width: 60em; padding: 0 1em }
pre { background: #f4f4f4; border-left: 4px solid #b00; overflow-x: auto; padding: 1em }
h1 { font-size: 1.4em }
</style>
</head>
<body>
<h1>%(title)s</h1>
<p>The application failed at <code>%(url)s</code>. The end of the error log:</p>
<pre>%(text)s</pre>
<p>Only <code>mod_wsgi serve</code> shows this page, and only to this machine.</p>
</body>
</html>
"""


def application(environ, start_response):
    host = environ.get("HTTP_HOST", "")
    if environ.get("REDIRECT_STATUS") != "500" or not LOOPBACK.match(host):
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"no error\n"]
    lines = last_error(log(environ), environ)
    body = (PAGE % page(lines, environ)).encode("utf-8")
    headers = [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
        ("Cache-Control", "no-store"),
    ]
    start_response("500 Internal Server Error", headers)
    return [body]


def log(environ):
    """The end of the log, as lines of text."""
    with open(os.environ["SERVE_LOG"], "rb") as stream:
        stream.seek(0, 2)
        stream.seek(max(0, stream.tell() - TAIL))
        lines = stream.read().split(b"\n")
    return [unescaped(line).decode("utf-8", "replace") for line in lines]


def unescaped(line):
    """The line's bytes before Apache has made them safe for a terminal."""
    return ESCAPES.sub(original, line) if line.startswith(b"[") else line


def original(found):
    text = found.group(1)
    return CONTROLS.get(text) or bytes(bytearray([int(text[1:], 16)]))


def last_error(lines, environ):
    """What belongs to the last error: those of this connection, where the log tells connections."""
    client = u"[client %s:%s]" % (environ.get("REMOTE_ADDR"), environ.get("REMOTE_PORT"))
    lines = [line for line in lines if client in line] or lines
    lines = [line for line in lines if not QUIET.match(line)]
    bare = [PREFIX.sub("", line) for line in lines]
    begins = [number for number, line in enumerate(bare) if line.startswith(BEGIN)]
    ours = [number for number, line in enumerate(bare) if line.startswith(OURS)]
    while len(begins) > 1 and is_chained(bare[: begins[-1]]):
        begins.pop()
    begin = max(begins[-1:] or ours[-1:] or [0])
    # The line before a traceback says what failed.
    if begin and begin - 1 in ours:
        begin -= 1
    return bare[begin:][:MOST_LINES]


def is_chained(lines):
    """Whether these lines end with the word that the next traceback is of the same error."""
    said = [line for line in lines if line.strip()]
    return said[-1:] != [] and said[-1].startswith(CHAINED)


def page(lines, environ):
    """The texts of the page, escaped."""
    said = [line for line in lines if line and not line[:1].isspace() and OURS not in line]
    title = said[-1] if said else (lines or [u"Internal Server Error"])[0]
    return {
        "title": escaped(title),
        "url": escaped(environ.get("REDIRECT_URL", "")),
        "text": escaped(u"\n".join(lines)),
    }


def escaped(text):
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    for character, entity in (
        (u"&", u"&amp;"),
        (u"<", u"&lt;"),
        (u">", u"&gt;"),
        (u'"', u"&quot;"),
        (u"'", u"&#39;"),
    ):
        text = text.replace(character, entity)
    return text
