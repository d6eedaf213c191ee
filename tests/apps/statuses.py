"""Applications that try heads on start_response, and tell which of them it refused."""

import sys

import answers

TEXT = [("Content-Type", "text/plain")]

ODD = {
    "two-spaces": "200  OK",
    "leading-space": " 200 OK",
    "trailing-space": "200 OK ",
    "tab": "200\tOK",
    "interim": "100 Continue",
}


class Trial(object):
    """Calls start_response again and again: with exc_info, as the PEP wants for a second time."""

    def __init__(self, start_response):
        self.start_response = start_response

    def outcome(self, status, headers):
        """The name of what was raised, or nothing."""
        try:
            raise LookupError("a reason to start again")
        except LookupError:
            try:
                self.start_response(status, headers, sys.exc_info())
            except Exception as error:
                return type(error).__name__
        return ""

    def answer(self, text):
        body = text.encode("ascii")
        self.outcome("200 OK", TEXT)
        return [body]


def refused(environ, start_response):
    trial = Trial(start_response)
    return trial.answer(trial.outcome(ODD[environ["PATH_INFO"].strip("/")], TEXT))


def hop_by_hop(environ, start_response):
    """The header that QUERY_STRING names, in three cases of letters."""
    trial, name = Trial(start_response), environ["QUERY_STRING"]
    names = (name.lower(), name.upper(), name.title())
    return trial.answer("".join(trial.outcome("200 OK", [(each, "x")]) + " " for each in names))


def bytes_refused(environ, start_response):
    """Which of the 256 characters are refused in the middle of a name, a value, a reason."""
    trial = Trial(start_response)
    every = [bytes(bytearray([number])).decode("latin-1") for number in range(256)]
    if bytes is str:
        every = [each.encode("latin-1") for each in every]
    heads = {
        "name": lambda each: ("200 OK", [("X" + each + "Y", "value")]),
        "value": lambda each: ("200 OK", [("X-Name", "a" + each + "b")]),
        "reason": lambda each: ("200 O" + each + "K", TEXT),
    }
    report = dict(
        (where, [number for number in range(256) if trial.outcome(*make(every[number]))])
        for where, make in heads.items()
    )
    body = answers.as_json(lambda status, headers: None, report)
    trial.outcome("200 OK", TEXT)
    return body
