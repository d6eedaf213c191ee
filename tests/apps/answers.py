"""What the applications share: native strings as text, and an answer as JSON."""

import json


def text(native):
    """A native string, as the text that JSON can carry: one code point for each byte."""
    return native.decode("latin-1") if isinstance(native, bytes) else native


def plain(start_response, body, status="200 OK"):
    """A body of bytes, as plain text of a known length."""
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    start_response(status, headers)
    return [body]


def as_json(start_response, value):
    return plain(start_response, json.dumps(value).encode("ascii"))
