"""One application that plays any other: what it does is written in a header of the request.

A script names a form (what is returned), the acts before it is returned, the acts of its
iteration, and what close() does. An act is a list: its name and what it takes.
"""

import json
import sys


class ScriptedError(Exception):
    """What a script raises when it says so."""


def native(text):
    return text if isinstance(text, str) else text.encode("latin-1")


def block(act):
    """Bytes: a character and how often it is repeated."""
    return act[1].encode("latin-1") * act[2]


class Player(object):
    def __init__(self, start_response):
        self.start_response = start_response
        self.write = None

    def perform(self, act):
        """Does what an act says; gives a block where it is one to be yielded."""
        name = act[0]
        if name == "yield":
            return block(act)
        if name == "write":
            self.write(block(act))
        elif name == "start":
            self.write = self.start_response(*head(act))
        elif name == "restart":
            self.restart(act)
        elif name == "raise":
            raise ScriptedError("as the script says")
        return None

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
            given = self.perform(act)
            if given is not None:
                yield given


def head(act):
    return native(act[1]), [(native(name), native(value)) for name, value in act[2]]


class Iterable(object):
    """Iterates over what a generator gives, and is closed as the script says."""

    def __init__(self, steps, closing):
        self.steps, self.closing = steps, closing

    def __iter__(self):
        return self.steps

    def close(self):
        if self.closing == "raises":
            raise ScriptedError("in close()")


class Sized(Iterable):
    """The same, and tells how many blocks it has."""

    def __init__(self, steps, closing, size):
        Iterable.__init__(self, steps, closing)
        self.size = size

    def __len__(self):
        return self.size


def play(environ, start_response):
    script = json.loads(environ["HTTP_X_SCRIPT"])
    player = Player(start_response)
    for act in script["before"]:
        player.perform(act)
    form, steps = script["form"], script["steps"]
    if form in ("list", "tuple"):
        return {"list": list, "tuple": tuple}[form](block(act) for act in steps)
    if form == "sized":
        return Sized(player.iterate(steps), script["closing"], len(steps))
    if form == "iterable":
        return Iterable(player.iterate(steps), script["closing"])
    return player.iterate(steps)
