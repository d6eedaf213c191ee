"""A TurboGears 2 site: a page, a form, files that can be stored."""

import logging
import os

from tg import MinimalApplicationConfigurator, TGController, expose, redirect, request

HERE = os.path.dirname(os.path.abspath(__file__))
GUESTS = os.path.join(HERE, "guests.txt")
UPLOADS = os.path.join(HERE, "uploads")

if not os.path.isdir(UPLOADS):
    os.mkdir(UPLOADS)

# It warns of everything that a minimal site leaves out.
logging.getLogger("tg").setLevel(logging.ERROR)

PAGE = u"""<!DOCTYPE html>
<title>TurboGears</title>
<p>Guests at %s: %s</p>
<form action="sign" method="post"><input name="name"><input type="submit"></form>
<form action="store" method="post" enctype="multipart/form-data">
<input type="file" name="file"><input type="submit"></form>
"""


class RootController(TGController):
    @expose(content_type="text/html")
    def index(self):
        guests = u""
        if os.path.exists(GUESTS):
            with open(GUESTS, "rb") as book:
                guests = book.read().decode("utf-8")
        return PAGE % (request.script_name, guests)

    @expose()
    def sign(self, name):
        with open(GUESTS, "ab") as book:
            book.write(name.encode("utf-8") + b";")
        redirect("/")

    @expose()
    def store(self, file):
        name = os.path.basename(file.filename)
        with open(os.path.join(UPLOADS, name), "wb") as stored:
            for block in iter(lambda: file.file.read(65536), b""):
                stored.write(block)
        redirect("/stored", {"name": name})

    @expose(content_type="application/octet-stream")
    def stored(self, name):
        with open(os.path.join(UPLOADS, os.path.basename(name)), "rb") as stored:
            return stored.read()


configurator = MinimalApplicationConfigurator()
configurator.update_blueprint({"root_controller": RootController()})
application = configurator.make_wsgi_app({}, {})
