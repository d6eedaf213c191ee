# -*- coding: utf-8 -*-
"""A page that shows what the server hands to an application: its environ.

Every Python from 2.7 on runs it, and it needs nothing but the standard library.
"""

import platform
import sys

STYLE = """
:root { color-scheme: light dark; --ink: #1d2433; --soft: #68718a; --line: #dfe3ec;
        --paper: #fff; --desk: #f3f5f9; --accent: #0b6e4f; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e3e7f0; --soft: #98a1b8; --line: #313848; --paper: #1b202b;
          --desk: #12161e; --accent: #5cc79f; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 2.5rem 1rem 4rem; background: var(--desk); color: var(--ink);
       font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: auto; }
h1 { margin: 0; font-size: 1.8rem; }
h1 b { color: var(--accent); }
p { margin: .3rem 0 0; color: var(--soft); }
section { margin-top: 1.5rem; padding: 1rem 1.25rem; background: var(--paper);
          border: 1px solid var(--line); border-radius: .6rem; }
h2 { margin: 0 0 .4rem; font-size: 1rem; }
table { width: 100%; border-collapse: collapse; }
tr + tr { border-top: 1px solid var(--line); }
th, td { padding: .35rem 0; text-align: left; vertical-align: top;
         font: 13px/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
th { width: 36%; padding-right: 1rem; color: var(--soft); font-weight: normal; }
"""

PAGE = u"""<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>It works: mod_wsgi</title>
<style>{style}</style>
<main>
<h1>It works: <b>Python {version}</b> in {server}</h1>
<p>{process}. This is the environ of your request.</p>
{sections}
</main>
</html>
"""

REQUEST = ("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "SERVER_NAME",
           "SERVER_PORT", "SERVER_PROTOCOL", "CONTENT_TYPE", "CONTENT_LENGTH")


def application(environ, start_response):
    body = page(environ).encode("utf-8")
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8"),
                              ("Content-Length", str(len(body))),
                              ("Cache-Control", "no-store")])
    return [body]


def page(environ):
    kind = "a process of many threads" if environ["wsgi.multithread"] else "a process of its own"
    sections = [section(title, items) for title, items in grouped(environ)]
    return PAGE.format(style=STYLE, version=escape(platform.python_version()),
                       server=escape(environ.get("SERVER_SOFTWARE", "a server")),
                       process=escape("Answered by " + kind + ", " + sys.executable),
                       sections="\n".join(sections))


def grouped(environ):
    """What the request says, what the client says, what WSGI says, and the rest."""
    titles = ("Request", "Headers", "WSGI", "Server and configuration")
    groups = dict((title, []) for title in titles)
    for name in sorted(environ):
        if name in REQUEST:
            title = "Request"
        elif name.startswith("HTTP_"):
            title = "Headers"
        elif name.startswith("wsgi."):
            title = "WSGI"
        else:
            title = "Server and configuration"
        groups[title].append((name, environ[name]))
    return [(title, groups[title]) for title in titles]


def section(title, items):
    rows = [u"<tr><th>{0}<td>{1}".format(escape(name), escape(value)) for name, value in items]
    return u"<section><h2>{0}</h2><table>{1}</table></section>".format(title, "\n".join(rows))


def escape(value):
    """Text for HTML. A native string holds bytes, which are UTF-8 more often than not."""
    if not isinstance(value, str):
        value = repr(value)
    raw = value if isinstance(value, bytes) else value.encode("latin-1", "replace")
    text = raw.decode("utf-8", "replace")
    for plain, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(plain, entity)
    return text
