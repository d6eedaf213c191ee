"""A Django site in one file: pages, a form, an upload, a session, a file, a stream, an error."""

import hashlib
import logging

import django
from django.conf import settings

logging.basicConfig()

settings.configure(
    ALLOWED_HOSTS=["*"],
    FILE_UPLOAD_MAX_MEMORY_SIZE=100000,
    INSTALLED_APPS=["django.contrib.sessions"],
    LOGGING_CONFIG=None,
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
    ],
    ROOT_URLCONF=__name__,
    SECRET_KEY="only for tests",
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402  (wants settings first)
from django.http import FileResponse, HttpResponse, StreamingHttpResponse  # noqa: E402

try:
    from django.urls import re_path
except ImportError:
    from django.conf.urls import url as re_path


def page(request, name):
    answer = HttpResponse("page %s under %s" % (name, request.META["SCRIPT_NAME"]))
    answer["X-Full-Path"] = request.get_full_path()
    return answer


def form(request):
    return HttpResponse("%s likes %s" % (request.POST["name"], request.POST.getlist("like")[-1]))


def upload(request):
    content = hashlib.sha256()
    for block in request.FILES["file"].chunks():
        content.update(block)
    return HttpResponse("%s %s" % (request.FILES["file"].name, content.hexdigest()))


def visits(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    return HttpResponse("visit %d" % request.session["visits"])


def stream(request):
    return StreamingHttpResponse(("%d," % number for number in range(1000)))


def file(request):
    return FileResponse(open(request.META["tests.file"], "rb"))


def broken(request):
    raise ValueError("raised in a view")


urlpatterns = [
    re_path(r"^page/(.*)$", page),
    re_path(r"^form$", form),
    re_path(r"^upload$", upload),
    re_path(r"^visits$", visits),
    re_path(r"^stream$", stream),
    re_path(r"^file$", file),
    re_path(r"^broken$", broken),
]

application = get_wsgi_application()
