"""A Django site that is mostly its admin: users, a model with a file, SQLite beside this file."""

import logging
import os

import django
from django.conf import settings

HERE = os.path.dirname(os.path.abspath(__file__))

logging.basicConfig(level=logging.ERROR)

settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.path.join(HERE, "db.sqlite3"),
            "OPTIONS": {"timeout": 20},
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
        "django.contrib.staticfiles",
    ],
    LOGGING_CONFIG=None,
    MEDIA_ROOT=os.path.join(HERE, "media"),
    MEDIA_URL="media/",
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    ROOT_URLCONF=__name__,
    SECRET_KEY="only for tests",
    STATIC_URL="static/",
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
)
django.setup()

from django.contrib import admin  # noqa: E402  (wants settings first)
from django.contrib.auth import get_user_model  # noqa: E402
from django.contrib.staticfiles.views import serve as serve_static  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection, models  # noqa: E402
from django.urls import re_path  # noqa: E402
from django.views.static import serve  # noqa: E402


class Document(models.Model):
    title = models.CharField(max_length=100)
    file = models.FileField(upload_to="documents")

    class Meta:
        app_label = "admin"

    def __str__(self):
        return self.title


admin.site.register(Document)


def install(name, password):
    """Makes the database, with a user who may do everything."""
    call_command("migrate", verbosity=0)
    with connection.schema_editor() as editor:
        editor.create_model(Document)
    get_user_model().objects.create_superuser(name, "", password)


urlpatterns = [
    re_path(r"^admin/", admin.site.urls),
    re_path(r"^media/(?P<path>.*)$", serve, {"document_root": settings.MEDIA_ROOT}),
    re_path(r"^static/(?P<path>.*)$", serve_static, {"insecure": True}),
]

application = get_wsgi_application()
