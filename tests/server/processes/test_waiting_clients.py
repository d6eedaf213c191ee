"""A client that hangs up while its request waits for a process: the request does not run.

Nothing else would end such a wait: the request would hold a thread of the server, and run for
nobody. A request that a process has begun runs to its end.
"""

import contextlib
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.harness import tls
from tests.harness.cells import Cell
from tests.harness.config import DEFAULT
from tests.harness.errorlog import until
from tests.harness.site import Site, message

pytestmark = pytest.mark.needs("processes")

NARROW = """
<Location /status>
    SetHandler mod_wsgi-status
</Location>
<Location /narrow>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application parallel::held
    SetEnv mod_wsgi.process narrow
    SetEnv mod_wsgi.processes 1
    SetEnv mod_wsgi.threads 1
</Location>
"""
CONFIG = DEFAULT + NARROW
OPTIONS = {"processes": 5}
GONE = "the client went away while its request waited for a process"


@contextlib.contextmanager
def busy(site: Site, name: str) -> Iterator[None]:
    """The only thread of the only process is busy."""
    answers: list[int] = []
    asking = threading.Thread(
        target=lambda: answers.append(site.get(f"/narrow?{name}").status_code)
    )
    asking.start()
    try:
        assert site.told(name) == "begun"
        yield
    finally:
        site.go(name)
        asking.join()
    assert answers == [200]


def wait_for_requests(site: Site, count: int) -> None:
    """Until so many requests are under way, or wait for the process."""

    def under_way() -> int:
        rows = site.get("/status?json").json()["applications"]
        return sum(row["in_flight"] for row in rows if row["process"] == "narrow")

    assert until(lambda: under_way() == count), under_way()


def assert_next_is_served(site: Site, name: str) -> None:
    site.go(name)
    assert site.get(f"/narrow?{name}").status_code == 200


def test_a_request_does_not_run_whose_client_has_gone_before(site: Site) -> None:
    site.go("never")
    with busy(site, "busy"):
        with site.connect() as connection:
            connection.sendall(message("/narrow?never"))
            wait_for_requests(site, 2)
        assert "info" in site.watch.wait_for(GONE)
    assert_next_is_served(site, "next")
    assert not (site.scratch / "never.told").exists()


def test_a_client_that_waits_is_served(site: Site) -> None:
    """It has sent its next request, too."""
    site.go("waits")
    site.go("waits_too")
    with site.connect() as connection:
        with busy(site, "for_long"), site.connect() as impatient:
            both = (
                message(f"/narrow?{name}", headers={"Connection": kept})
                for name, kept in (("waits", "keep-alive"), ("waits_too", "close"))
            )
            connection.sendall(b"".join(both))
            impatient.sendall(message("/narrow?gone"))
            wait_for_requests(site, 3)
            impatient.close()
            site.watch.wait_for(GONE)
        seen = b"".join(iter(lambda: connection.recv(65536), b""))
    assert seen.count(b"200 OK") == 2


def test_a_client_that_says_farewell_by_tls_has_gone(
    serve: Serve, cell: Cell, tmp_path: Path
) -> None:
    tls.need(cell)
    site = serve(
        tls.CONFIG + NARROW,
        processes=5,
        files=tls.certificate(tmp_path),
        values={"modules": str(cell.server.modules)},
    )
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    site.go("never")
    with busy(site, "busy"):
        with site.at("127.0.0.2").connect() as plain, context.wrap_socket(plain) as connection:
            connection.sendall(message("/narrow?never"))
            wait_for_requests(site, 2)
            connection.settimeout(0)
            with contextlib.suppress(ssl.SSLWantReadError):
                connection.unwrap()
        site.watch.wait_for(GONE)
    assert not (site.scratch / "never.told").exists()
