"""A small Django site: one view that fills a template with twenty rows."""

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.template import Context, Engine
from django.urls import path

TEMPLATE = """<!doctype html><title>{{ title }}</title><table>
{% for row in rows %}<tr><td>{{ row.number }}</td><td>{{ row.name }}</td></tr>
{% endfor %}</table>
"""
ROWS = [{"number": number, "name": "row <%d>" % number} for number in range(20)]

template = Engine().from_string(TEMPLATE)


def view(request):
    return HttpResponse(template.render(Context({"title": request.path, "rows": ROWS})))


urlpatterns = [path("page", view)]

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.clickjacking.XFrameOptionsMiddleware",
        ],
        ROOT_URLCONF=__name__,
        SECRET_KEY="only for the benchmark",
    )
    django.setup()

application = get_wsgi_application()
