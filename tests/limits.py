"""What a server line, a process model or a Python cannot do, each with its reason.

A test that needs such a thing says so with `@pytest.mark.needs("threads")`, and is shown in the
grid as not run, for the reason that stands here. No test decides for itself.
"""

CLOSES_AFTER_CHUNKS = (
    "a Content-Length beside a chunked body is dropped by this server without a word, so we close "
    "the connection behind a chunked request: nothing can be smuggled as the next one"
)
NO_CGI_PASS_AUTH = "CGIPassAuth is a directive of Apache 2.4.13 and later"

LIMITS: dict[str, dict[str, str]] = {
    "apache1.3": {
        "threads": "Apache 1.3 knows no threads: a process serves one request at a time",
        "sendfile": "Apache 1.3 sends files through its own buffer",
        "cgi-pass-auth": NO_CGI_PASS_AUTH,
        "keep-alive-after-chunked": CLOSES_AFTER_CHUNKS,
    },
    "apache2.0": {
        "bare-204": "Apache 2.0 itself adds Content-Length: 0 to an answer without a body",
        "strict-chunks": "Apache 2.0 takes a chunk size that is no number for the last chunk",
        "cgi-pass-auth": NO_CGI_PASS_AUTH,
        "keep-alive-after-chunked": CLOSES_AFTER_CHUNKS,
    },
    "apache2.2": {
        "cgi-pass-auth": NO_CGI_PASS_AUTH,
        "keep-alive-after-chunked": CLOSES_AFTER_CHUNKS,
    },
    "prefork": {
        "threads": "the prefork model knows no threads: a process serves one request at a time",
    },
}


def reason(traits: tuple[str, ...], capability: str) -> str | None:
    """Why a cell of these traits lacks the capability; None where it has it."""
    assert any(capability in limits for limits in LIMITS.values()), (
        f"{capability!r} is in no row of tests/limits.py: add it there, with its reason"
    )
    reasons = (LIMITS.get(trait, {}).get(capability) for trait in traits)
    return next((each for each in reasons if each), None)
