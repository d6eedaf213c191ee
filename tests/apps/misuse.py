"""Applications that break a rule of start_response or of the body, each in one way."""

import sys

import answers

TEXT = [("Content-Type", "text/plain")]
UNICODE = b"200 OK".decode("ascii")


class MyList(list):
    pass


# What start_response must refuse when it is called, by name.
REFUSED = {
    "status-without-reason": ("200", TEXT),
    "status-without-number": ("OK", TEXT),
    "status-of-two-digits": ("20 OK", TEXT),
    "status-of-four-digits": ("2000 OK", TEXT),
    "status-with-line-end": ("200 OK\r\nX-Injected: yes", TEXT),
    "status-with-trailing-line-end": ("200 OK\n", TEXT),
    "status-with-nul": ("200 OK\0", TEXT),
    "status-of-another-type": (200, TEXT),
    "status-as-bytes-or-unicode": (b"200 OK" if str is not bytes else UNICODE, TEXT),
    "status-outside-latin-1": (b"200 \xe2\x82\xac".decode("utf-8"), TEXT),
    "headers-as-tuple": ("200 OK", tuple(TEXT)),
    "headers-as-dict": ("200 OK", dict(TEXT)),
    "headers-as-none": ("200 OK", None),
    "header-of-one-part": ("200 OK", [("Content-Type",)]),
    "header-of-three-parts": ("200 OK", [("Content-Type", "text/plain", "more")]),
    "header-as-list": ("200 OK", [["Content-Type", "text/plain"]]),
    "header-as-string": ("200 OK", ["ab"]),
    "name-of-another-type": ("200 OK", [(1, "one")]),
    "name-empty": ("200 OK", [("", "empty")]),
    "name-with-colon": ("200 OK", [("X-Name:", "colon")]),
    "name-with-space": ("200 OK", [("X Name", "space")]),
    "name-with-line-end": ("200 OK", [("X-Name\r\nX-Injected", "yes")]),
    "name-outside-ascii": ("200 OK", [("X-N\xe9m", "accent")]),
    "value-of-another-type": ("200 OK", [("X-Number", 1)]),
    "value-none": ("200 OK", [("X-None", None)]),
    "value-with-line-end": ("200 OK", [("X-Name", "a\r\nX-Injected: yes")]),
    "value-with-folded-line": ("200 OK", [("X-Name", "a\r\n b")]),
    "value-with-lone-newline": ("200 OK", [("X-Name", "a\nb")]),
    "value-with-nul": ("200 OK", [("X-Name", "a\0b")]),
    "value-with-escape": ("200 OK", [("X-Name", "a\x1bb")]),
    "value-with-delete": ("200 OK", [("X-Name", "a\x7fb")]),
    "value-outside-latin-1": ("200 OK", [("X-Name", b"\xe2\x82\xac".decode("utf-8"))]),
    "length-no-number": ("200 OK", [("Content-Length", "many")]),
    "length-negative": ("200 OK", [("Content-Length", "-1")]),
    "connection": ("200 OK", [("Connection", "close")]),
    "keep-alive": ("200 OK", [("Keep-Alive", "timeout=5")]),
    "proxy-authenticate": ("200 OK", [("Proxy-Authenticate", "Basic")]),
    "proxy-authorization": ("200 OK", [("Proxy-Authorization", "Basic")]),
    "te": ("200 OK", [("TE", "trailers")]),
    "trailers": ("200 OK", [("Trailers", "X-Late")]),
    "transfer-encoding": ("200 OK", [("Transfer-Encoding", "chunked")]),
    "upgrade": ("200 OK", [("uPgRaDe", "websocket")]),
    "no-arguments": (),
    "one-argument": ("200 OK",),
    "four-arguments": ("200 OK", TEXT, None, None),
}


def refused(environ, start_response):
    """Tells what start_response raised for the case that PATH_INFO names."""
    try:
        start_response(*REFUSED[environ["PATH_INFO"].strip("/")])
    except Exception as error:
        body = type(error).__name__.encode("ascii")
        start_response("200 OK", TEXT, sys.exc_info())
        return [body]
    return [b"nothing was raised"]


def uncaught(environ, start_response):
    """The same, left for the server to answer."""
    start_response(*REFUSED[environ["PATH_INFO"].strip("/")])
    return [b"nothing was raised"]


def never_starts(environ, start_response):
    return [b"no start_response"]


def never_starts_and_sends_nothing(environ, start_response):
    return []


def returns_none(environ, start_response):
    start_response("200 OK", TEXT)


def returns_a_number(environ, start_response):
    start_response("200 OK", TEXT)
    return 42


def yields_text(environ, start_response):
    start_response("200 OK", TEXT)
    return [b"text, not bytes".decode("ascii")]


def yields_none(environ, start_response):
    start_response("200 OK", TEXT)
    return iter([None])


def writes_text(environ, start_response):
    write = start_response("200 OK", TEXT)
    write(b"text, not bytes".decode("ascii"))
    return []


def starts_twice(environ, start_response):
    start_response("200 OK", TEXT)
    start_response("200 OK", TEXT)
    return [b"started twice"]


def starts_again_after_a_refusal(environ, start_response):
    """The second call is fatal without exc_info, also where the first one raised."""
    try:
        start_response("200", TEXT)
    except ValueError:
        pass
    start_response("200 OK", TEXT)
    return [b"started again"]


def replaces_its_head(environ, start_response):
    """An error before anything was sent: exc_info replaces status and headers."""
    start_response("200 OK", TEXT + [("X-First", "1")])
    try:
        raise ValueError("found out late")
    except ValueError:
        start_response("503 Not Now", TEXT + [("X-Second", "2")], sys.exc_info())
    return [b"replaced"]


def replaces_too_late(environ, start_response):
    """Once the head is sent, exc_info's own exception comes back out of start_response."""
    write = start_response("200 OK", TEXT)
    write(b"sent")
    try:
        raise KeyError("found out too late")
    except KeyError:
        start_response("503 Not Now", TEXT, sys.exc_info())
    return [b"never reached"]


def tells_what_comes_back(environ, start_response):
    """The same, caught: the very exception, with its traceback."""
    write = start_response("200 OK", TEXT)
    write(b"sent;")
    marker = KeyError("marker")
    try:
        raise marker
    except KeyError:
        try:
            start_response("503 Not Now", TEXT, sys.exc_info())
        except KeyError as error:
            deep = sys.exc_info()[2].tb_next is not None
            return [b"same" if error is marker else b"other", b";deep" if deep else b";flat"]
    return [b"nothing came back"]


def none_for_exc_info(environ, start_response):
    """exc_info of None is the same as none at all."""
    start_response("200 OK", TEXT, None)
    return [b"fine"]


def changes_its_list_later(environ, start_response):
    """The headers are what they were when start_response was called."""
    headers = TEXT + [("X-Kept", "1")]
    start_response("200 OK", headers)
    headers.append(("X-Late", "2"))
    return [b"changed"]


def list_subclass(environ, start_response):
    """PEP 3333 wants a list; a subclass is one for every purpose here."""
    start_response("200 OK", MyList(TEXT))
    return [b"subclass"]


def returns_text(environ, start_response):
    """A string is an iterable of strings: unicode here, for bytes would be a body on 2.7."""
    start_response("200 OK", TEXT)
    return b"text".decode("ascii")


def yields_text_behind_bytes(environ, start_response):
    start_response("200 OK", TEXT)
    return [b"bytes", b"text".decode("ascii")]


def yields_a_bytearray(environ, start_response):
    start_response("200 OK", TEXT)
    return [bytearray(b"bytes that change")]


def yields_a_memoryview(environ, start_response):
    start_response("200 OK", TEXT)
    try:
        view = memoryview
    except NameError:  # Python 2.6
        view = buffer
    return iter([view(b"bytes of another")])


def writes_a_bytearray(environ, start_response):
    start_response("200 OK", TEXT)(bytearray(b"bytes that change"))
    return []


def raises_behind_a_whole_write(environ, start_response):
    """All that was promised is sent; what happens then is for the log."""
    start_response("200 OK", TEXT + [("Content-Length", "5")])(b"whole")
    raise ValueError("raised behind the whole body")
