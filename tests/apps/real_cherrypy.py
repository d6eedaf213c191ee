"""A CherryPy site: a page, a form whose answer a session remembers, files that can be stored."""

import os

import cherrypy
from cherrypy.lib.static import serve_file

HERE = os.path.dirname(os.path.abspath(__file__))
SESSIONS = os.path.join(HERE, "sessions")
UPLOADS = os.path.join(HERE, "uploads")

for folder in (SESSIONS, UPLOADS):
    if not os.path.isdir(folder):
        os.mkdir(folder)

# "embedded" is CherryPy's own word for life inside another server.
cherrypy.config.update({"environment": "embedded"})

PAGE = """<!DOCTYPE html>
<title>CherryPy</title>
<p>Welcome, %s, to %s</p>
<form action="introduce" method="post"><input name="name"><input type="submit"></form>
<form action="store" method="post" enctype="multipart/form-data">
<input type="file" name="file"><input type="submit"></form>
"""


class Site(object):
    @cherrypy.expose
    def index(self):
        name = cherrypy.session.get("name", u"stranger")
        return (PAGE % (name, cherrypy.request.script_name)).encode("utf-8")

    @cherrypy.expose
    def introduce(self, name):
        cherrypy.session["name"] = name
        raise cherrypy.HTTPRedirect("./")

    @cherrypy.expose
    def store(self, file):
        name = os.path.basename(file.filename)
        with open(os.path.join(UPLOADS, name), "wb") as stored:
            for block in iter(lambda: file.file.read(65536), b""):
                stored.write(block)
        raise cherrypy.HTTPRedirect("stored?name=" + name)

    @cherrypy.expose
    def stored(self, name):
        path = os.path.join(UPLOADS, os.path.basename(name))
        return serve_file(path, "application/octet-stream", "attachment")


CONFIG = {
    "/": {
        "response.headers.Content-Type": "text/html; charset=utf-8",
        "tools.sessions.on": True,
        "tools.sessions.storage_class": cherrypy.lib.sessions.FileSession,
        "tools.sessions.storage_path": SESSIONS,
    }
}

# The mount is the server's affair: None means SCRIPT_NAME.
application = cherrypy.Application(Site(), script_name=None, config=CONFIG)
