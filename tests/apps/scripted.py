"""One application that plays any other: what it does is written in a header of the request.

A script names a form (what is returned), the acts before it is returned, the acts of its
iteration, and what close() does. An act is a list: its name and what it takes. Each call of
close() and each read is told (waiting.py).
"""

import json
import sys
import zlib

import waiting

# Blocks that are none, by the name that a script has for them.
BAD = {
    "text": b"text".decode("ascii"),
    "empty text": b"".decode("ascii"),
    "none": None,
    "number": 7,
    "bytearray": bytearray(b"array"),
}


class ScriptedError(Exception):
    """What a script raises when it says so."""


def native(text):
    return text if isinstance(text, str) else text.encode("latin-1")


YIELDS = ("yield", "yield bad")


def block(act):
    """Bytes: a character and how often it is repeated; or what is no block."""
    if act[0] == "yield bad":
        return BAD[act[1]]
    return act[1].encode("latin-1") * act[2]


class Player(object):
    def __init__(self, environ, start_response):
        self.environ = environ
        self.start_response = start_response
        self.write = None

    def perform(self, act):
        """Does what an act says."""
        name = act[0]
        if name == "write":
            self.write(block(act))
        elif name == "write bad":
            self.write(BAD[act[1]])
        elif name == "read":
            self.read(act[1])
        elif name == "start":
            self.write = self.start_response(*head(act))
        elif name == "restart":
            self.restart(act)
        elif name == "raise":
            raise ScriptedError("as the script says")

    def read(self, size):
        """Tells the size and the checksum of what was read."""
        got = self.environ["wsgi.input"].read(size)
        waiting.tell(self.environ, "%d %d" % (len(got), zlib.adler32(got) & 0xFFFFFFFF), ".read")

    def restart(self, act):
        """start_response with exc_info; what it raises is let through if the script says so."""
        try:
            raise ScriptedError("a reason to start again")
        except ScriptedError:
            try:
                self.write = self.start_response(*(head(act) + (sys.exc_info(),)))
            except Exception:
                if act[3] == "let through":
                    raise

    def iterate(self, acts):
        for act in acts:
            if act[0] in YIELDS:
                yield block(act)
            else:
                self.perform(act)


def head(act):
    return native(act[1]), [(native(name), native(value)) for name, value in act[2]]


class Iterable(object):
    """Iterates over what a generator gives, and is closed as the script says."""

    def __init__(self, environ, steps, closing):
        self.environ, self.steps, self.closing = environ, steps, closing

    def __iter__(self):
        return self.steps

    def close(self):
        waiting.tell(self.environ, "closed")
        if self.closing == "raises":
            raise ScriptedError("in close()")


class Sized(Iterable):
    """The same, and tells how many blocks it has."""

    def __init__(self, environ, steps, closing, size):
        Iterable.__init__(self, environ, steps, closing)
        self.size = size

    def __len__(self):
        return self.size


def play(environ, start_response):
    script = json.loads(environ["HTTP_X_SCRIPT"])
    player = Player(environ, start_response)
    for act in script["before"]:
        player.perform(act)
    form, steps = script["form"], script["steps"]
    if form in ("list", "tuple"):
        return {"list": list, "tuple": tuple}[form](block(act) for act in steps)
    if form == "sized":
        return Sized(environ, player.iterate(steps), script["closing"], len(steps))
    if form == "iterable":
        return Iterable(environ, player.iterate(steps), script["closing"])
    return player.iterate(steps)
