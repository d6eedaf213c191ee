"""A Flask site in one file, with the same pages as the Django one."""

import hashlib

from flask import Flask, Response, make_response, request, send_file, session

application = Flask(__name__)
application.secret_key = "only for tests"


@application.route("/page/")
@application.route("/page/<path:name>")
def page(name=""):
    answer = make_response("page %s under %s" % (name, request.environ["SCRIPT_NAME"]))
    answer.headers["X-Full-Path"] = request.script_root + request.full_path
    return answer


@application.route("/form", methods=["POST"])
def form():
    return "%s likes %s" % (request.form["name"], request.form.getlist("like")[-1])


@application.route("/upload", methods=["POST"])
def upload():
    content = hashlib.sha256()
    for block in iter(lambda: request.files["file"].read(65536), b""):
        content.update(block)
    return "%s %s" % (request.files["file"].filename, content.hexdigest())


@application.route("/visits")
def visits():
    session["visits"] = session.get("visits", 0) + 1
    return "visit %d" % session["visits"]


@application.route("/stream")
def stream():
    return Response("%d," % number for number in range(1000))


@application.route("/file")
def file():
    return send_file(request.environ["tests.file"])


@application.route("/broken")
def broken():
    raise ValueError("raised in a view")
