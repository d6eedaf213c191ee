"""A module that ends with app.run(): the log says where its load hangs, and the server can end."""

import os
import signal
import socket
import time

import pytest

from tests.conftest import Serve
from tests.harness.cells import Cell
from tests.harness.errorlog import until
from tests.harness.site import Site, message

# The bound of core/application/loading.c, and time for a busy machine.
BOUND = 10
PATIENCE = BOUND + 10

# The servers kill a process after nine seconds or more.
BEFORE_KILLED = 6

FILES = {
    "site/runs.py": """
try:
    from socketserver import TCPServer
except ImportError:
    from SocketServer import TCPServer

def run():
    TCPServer(("127.0.0.1", 0), None).serve_forever()

def application(environ, start_response):
    start_response("200 OK", [])
    return [b"loaded after all"]

run()
""",
    "site/takes_its_time.py": f"""
import time

time.sleep({BOUND + 1})

def application(environ, start_response):
    start_response("200 OK", [])
    return [b"loaded"]
""",
}

CONFIG = """
<Location />
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application {application}
    SetEnv mod_wsgi.interpreter slow
    SetEnv mod_wsgi.directory "@{{www}}/site"
</Location>
"""


def ask(site: Site, path: str = "/") -> socket.socket:
    connection = site.connect()
    connection.settimeout(PATIENCE)
    connection.sendall(message(path))
    return connection


def wait_for(site: Site, words: str) -> None:
    assert until(lambda: words in "\n".join(site.watch.lines()), PATIENCE), words


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1], ids=["stop", "graceful"])
def test_a_load_that_never_ends_is_told_and_lets_the_server_end(
    serve: Serve, cell: Cell, number: signal.Signals
) -> None:
    server = (cell.server.line, cell.server.mpm)
    if number == signal.SIGUSR1 and server in (("1.3", "prefork"), ("2.0", "prefork")):
        pytest.skip("a process of this server heeds the signal when its request has ended")
    site = serve(CONFIG.format(application="runs"), files=FILES, processes=1)
    site.tolerates(".")
    begun = time.monotonic()
    connections = [ask(site) for _ in range(1 if cell.server.mpm == "prefork" else 3)]
    wait_for(site, "is still being loaded after")
    assert time.monotonic() - begun >= BOUND - 1
    wait_for(site, "serve_forever()")
    told = "\n".join(site.watch.lines())
    assert told.count("is still being loaded after") == 1
    assert "'runs' is still being loaded after 10 s, in the interpreter 'slow'" in told
    assert 'runs.py", line' in told
    processes = set(site.children())
    begun = time.monotonic()
    os.kill(site.pid, number)
    gone = until(lambda: not processes & set(site.children()), BEFORE_KILLED)
    seconds = time.monotonic() - begun
    for connection in connections:
        connection.close()
    told = "\n".join(site.watch.lines())
    assert gone, told
    assert "SIGKILL" not in told, seconds


@pytest.mark.slow
def test_a_load_that_takes_long_is_told_and_serves(serve: Serve) -> None:
    site = serve(CONFIG.format(application="takes_its_time"), files=FILES, processes=1)
    site.tolerates(".")
    for _ in range(2):
        assert site.get("/", timeout=PATIENCE).text == "loaded"
    told = [line for line in site.watch.lines() if "is still being loaded" in line]
    assert len(told) == 1
