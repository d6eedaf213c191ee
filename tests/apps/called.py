"""Every kind of callable there is, as an application; each tells how it was called."""

import functools

import answers

TEXT = [("Content-Type", "text/plain")]


def say(start_response, text):
    return answers.plain(start_response, text)


def with_any_arguments(*args, **keywords):
    """Takes whatever the server gives: two positional arguments and nothing else."""
    environ, start_response = args[:2]
    counts = "%d %d %s" % (len(args), len(keywords), type(environ).__name__)
    return say(start_response, counts.encode("ascii"))


with_a_lambda = lambda environ, start_response: say(start_response, b"a lambda")  # noqa: E731


class Plain(object):
    """Its instances, their methods, and its class and static methods are applications."""

    def __call__(self, environ, start_response):
        return say(start_response, b"an instance")

    def method(self, environ, start_response):
        return say(start_response, b"a method")

    @classmethod
    def of_class(cls, environ, start_response):
        return say(start_response, b"a class method")

    @staticmethod
    def of_nobody(environ, start_response):
        return say(start_response, b"a static method")


class AsClass(object):
    """The class is called, and its instance is the response."""

    def __init__(self, environ, start_response):
        start_response("200 OK", TEXT)

    def __iter__(self):
        yield b"a class"


class Shy(object):
    """Notes every attribute that anybody asks of it: the server has none to ask for."""

    asked = []

    def __getattribute__(self, name):
        Shy.asked.append(name)
        return object.__getattribute__(self, name)

    def __call__(self, environ, start_response):
        told = ",".join(Shy.asked) or "nothing"
        return say(start_response, b"asked for " + told.encode("ascii"))


def with_more(more, environ, start_response):
    return say(start_response, more)


instance = Plain()
shy = Shy()
partial = functools.partial(with_more, b"a partial function")

COUNT = []


def counted(environ, start_response):
    """How often this was called, in a process that serves it alone."""
    COUNT.append(1)
    return say(start_response, b"%d" % len(COUNT))
