"""mod_wsgi.slow: the log tells where a request is that takes longer."""

import pytest

from tests.harness.site import Site, message, read_reply

CONFIG = """
@{base}
@{applications}
<Location /slow>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application slowly::application
    SetEnv mod_wsgi.directory "@{www}/code:@{apps}"
    SetEnv mod_wsgi.slow 1
</Location>
<Location /slow/own>
    SetEnv mod_wsgi.interpreter own
    SetEnv mod_wsgi.gil own
</Location>
"""

FILES = {
    "code/slowly.py": """
import waiting

def stuck(environ):
    waiting.wait(environ)

def application(environ, start_response):
    kind = environ["PATH_INFO"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    if kind == "/large":
        return [b"x" * 30000000]
    if kind != "/fast":
        stuck(environ)
    return [b"done"]
"""
}

TOLD = r"MW0513: /slow/{} takes longer than 1 s, in 'slowly::application' of the interpreter"


def told(site: Site) -> list[str]:
    return [line for line in site.watch.lines() if "MW0513" in line]


@pytest.mark.parametrize(
    "kind", ["shared", pytest.param("own", marks=pytest.mark.pythons("3.1[2-9]"))]
)
def test_a_request_that_takes_long_is_logged_once_with_its_stack(site: Site, kind: str) -> None:
    site.get("/slow/fast")
    with site.connect() as connection:
        connection.sendall(message(f"/slow/{kind}?slow-{kind}"))
        line = site.watch.wait_for(TOLD.format(kind))
        site.watch.wait_for(r"slowly\.py\", line \d+, in stuck")
        site.watch.wait_for(r"waiting\.wait\(environ\)")
        site.go(f"slow-{kind}")
        assert read_reply(connection).text == "done"
    assert "warn" in line
    assert told(site) == [line]


# The line of a process is behind the response, in a socket that nobody reads.
@pytest.mark.needs("python-in-the-module")
def test_a_response_that_waits_for_its_client_is_logged_as_such(site: Site) -> None:
    with site.connect() as connection:
        connection.sendall(message("/slow/large"))
        site.watch.wait_for(TOLD.format("large"))
        site.watch.wait_for("MW0514: no Python code of /slow/large runs now: its response waits")
        assert len(read_reply(connection).text) == 30000000
