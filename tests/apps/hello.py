"""Applications that are found by the several ways to write mod_wsgi.application."""

import answers


def application(environ, start_response):
    """What `module` alone means."""
    return answers.plain(start_response, b"hello from application")


def named(environ, start_response):
    return answers.plain(start_response, b"hello from named")


class Framework(object):
    """An object with an application as its attribute, as Flask has it: `site.wsgi_app`."""

    def wsgi_app(self, environ, start_response):
        return answers.plain(start_response, b"hello from a dotted name")

    def __call__(self, environ, start_response):
        return answers.plain(start_response, b"hello from an instance")


site = Framework()


class AsClass(object):
    """The class itself is the application: an instance is the iterable."""

    def __init__(self, environ, start_response):
        self.start_response = start_response

    def __iter__(self):
        return iter(answers.plain(self.start_response, b"hello from a class"))


not_callable = "this is a string"
