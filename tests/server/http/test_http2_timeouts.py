"""HTTP/2 where a request hangs in C code, and the child of the server that has it is to end."""

import pytest

from tests.conftest import Serve
from tests.harness.cells import Cell
from tests.harness.errorlog import until
from tests.harness.http2 import CONFIG, conversation

pytestmark = [pytest.mark.needs("http2"), pytest.mark.needs("python-in-the-module")]

HANGS = (
    CONFIG
    + """
<Location /hangs>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application hangs
    SetEnv mod_wsgi.directory "@{www}"
    SetEnv mod_wsgi.timeout 1
</Location>
"""
)
FILES = {
    "hangs.py": """
import time


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/call":
        time.sleep(300)
    return parts()


def parts():
    for _ in range(40):
        yield b"."
        time.sleep(0.5)
    yield b"last"
"""
}


def test_streams_beside_one_that_hangs_end_whole(serve: Serve, cell: Cell) -> None:
    """The threads of HTTP/2 are not among those that the server counts."""
    if not (cell.server.modules / "mod_http2.so").is_file():
        pytest.skip("mod_http2: this Apache was built without it")
    if cell.server.mpm == "prefork":
        pytest.skip("other servers have no such end of one process with threads")
    values = {"modules": str(cell.server.modules)}
    site = serve(HANGS, files=FILES, values=values, processes=1, deaths=True)
    site.expects("MW0516: /hangs/call has sent nothing for 1 s")
    site.expects("MW0644: /hangs/call does not end")
    before = site.children()
    with conversation(site) as talk:
        talk.connection.settimeout(30)
        talk.ask("/hangs/call")
        whole = talk.ask("/hangs/parts")
        assert until(lambda: "MW0644" in "".join(site.watch.lines()), 20)
        site.get("/hello/named")
        talk.receive_until(lambda: whole.is_over)
        assert whole.ended
        assert whole.body == b"." * 40 + b"last"
    assert until(lambda: not set(before) & set(site.children()), 20)
