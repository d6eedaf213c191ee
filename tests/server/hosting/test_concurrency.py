"""At most so many requests at the same time: of one application, and of all of a customer.

Without it one application that sleeps can hold all threads of the server, and the others' pages
wait. Whoever comes too late hears it at once, and when to come again.
"""

import contextlib
import os
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.conftest import Serve
from tests.harness.accounts import ALICE, MALLORY, give
from tests.harness.config import DEFAULT
from tests.harness.errorlog import until
from tests.harness.site import Site

SECTION = """
<Location {path}>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application parallel::held
    SetEnv mod_wsgi.interpreter {name}
    SetEnv mod_wsgi.concurrency {most}
</Location>
"""
CONFIG = (
    DEFAULT
    + SECTION.format(path="/three", name="crowd", most=3)
    + SECTION.format(path="/one", name="crowd", most=1)
    + SECTION.format(path="/off", name="crowd", most="off")
    + """
<Location /status>
    SetHandler mod_wsgi-status
</Location>
<Location /page>
    ErrorDocument 503 /busy.txt
</Location>
"""
    + SECTION.format(path="/page", name="paged", most=1)
)
FILES = {"busy.txt": "come again"}
OPTIONS = {"processes": 10, "deaths": True}
REFUSED = (
    r"MW0520: 'parallel::held' in the \w+ '\w+' has \d requests at the same time, as many as "
    r"mod_wsgi.concurrency allows: refused since the last such line: \d+, the last of them /\w+$"
)


def forget(site: Site, *names: str) -> None:
    """What a test has left that is run again."""
    for name in names:
        for left in site.scratch.glob(f"{name}.*"):
            left.unlink()


@contextlib.contextmanager
def held(site: Site, path: str, *names: str) -> Iterator[list["Future[requests.Response]"]]:
    """So many requests run, and wait for the test."""
    forget(site, *names)
    with ThreadPoolExecutor(len(names)) as clients:
        asked = [clients.submit(site.get, f"{path}?{name}") for name in names]
        try:
            for name in names:
                assert site.told(name) == "begun"
            yield asked
        finally:
            for name in names:
                site.go(name)


def is_served(site: Site, path: str, name: str) -> bool:
    site.go(name)
    return site.get(f"{path}?{name}").status_code == 200


def assert_refused(answer: requests.Response) -> None:
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"


def test_one_request_too_many_is_refused(site: Site) -> None:
    site.tolerates(REFUSED)
    forget(site, "a4", "a5")
    with held(site, "/three", "a1", "a2", "a3") as asked:
        assert_refused(site.get("/three?a4"))
        assert site.get("/parallel/who").status_code == 200
    assert [each.result().status_code for each in asked] == [200] * 3
    assert is_served(site, "/three", "a5")
    assert not (site.scratch / "a4.told").exists()


def test_the_body_of_a_refused_request_disturbs_nobody(site: Site) -> None:
    site.tolerates(REFUSED)
    with held(site, "/one", "b1"):
        assert_refused(site.post("/one?b2", b"x" * 100_000))


def test_as_many_run_as_may(site: Site) -> None:
    """Of those that come at the same time, too."""
    site.tolerates(REFUSED)
    names = [f"c{number}" for number in range(9)]
    forget(site, *names)

    def begun() -> int:
        return sum((site.scratch / f"{name}.told").exists() for name in names)

    with ThreadPoolExecutor(len(names)) as clients:
        asked = [clients.submit(site.get, f"/three?{name}") for name in names]
        assert until(lambda: sum(each.done() for each in asked) == 6)
        assert until(lambda: begun() == 3)
        for name in names:
            site.go(name)
    assert sorted(each.result().status_code for each in asked) == [200] * 3 + [503] * 6
    assert begun() == 3


def test_each_request_has_the_bound_of_its_own_place(site: Site) -> None:
    site.tolerates(REFUSED)
    with held(site, "/three", "d1", "d2"):
        assert_refused(site.get("/one?d3"))
        assert is_served(site, "/three", "d4")
        assert is_served(site, "/off", "d5")
    with held(site, "/off", "d6", "d7", "d8"):
        assert is_served(site, "/one", "d9")


def test_an_error_page_of_ones_own_says_when_to_come_again(site: Site) -> None:
    site.tolerates(REFUSED)
    with held(site, "/page", "e1"):
        answer = site.get("/page?e2")
        assert_refused(answer)
        assert answer.text == "come again"


def test_a_child_that_is_killed_leaves_nothing_behind(site: Site) -> None:
    site.tolerates(REFUSED)
    site.tolerates(r"process \d+ of .* (signal|has ended)")
    with held(site, "/one", "f1") as asked:
        assert_refused(site.get("/one?f2"))
        for pid in site.children():
            os.kill(pid, signal.SIGKILL)
        assert until(lambda: tries(site, "/one?f3"))
        site.go("f3")
        with pytest.raises(requests.ConnectionError):
            asked[0].result()


def tries(site: Site, target: str) -> bool:
    """Whether a request gets in. It need not end."""
    site.go(target.rpartition("?")[2])
    with contextlib.suppress(requests.ConnectionError):
        return site.get(target).status_code == 200
    return False


def test_the_log_counts_once_a_minute(serve: Serve) -> None:
    site = serve(DEFAULT + SECTION.format(path="/one", name="logged", most=1), processes=4)
    site.expects(REFUSED)
    with held(site, "/one", "g1"):
        for number in range(5):
            assert_refused(site.get(f"/one?no{number}"))
    lines = [line for line in site.watch.lines() if "MW0520" in line]
    assert len(lines) == 1
    assert "in the " in lines[0]
    assert lines[0].endswith("refused since the last such line: 1, the last of them /one")


def test_the_status_page_counts_who_was_refused(site: Site) -> None:
    site.tolerates(REFUSED)

    def refused() -> int:
        rows = site.get("/status?json").json()["applications"]
        return sum(row["refused"] for row in rows if row["application"] == "parallel::held")

    before = refused()
    with held(site, "/one", "h1"):
        assert_refused(site.get("/one?h2"))
        assert refused() == before + 1


CUSTOMERS = """
DocumentRoot "@{www}"
<Directory "@{www}">
    AllowOverride FileInfo
    Options ExecCGI FollowSymLinks
</Directory>
"""
HTACCESS = """
SetHandler mod_wsgi
SetEnv mod_wsgi.application waits
SetEnv mod_wsgi.directory {directory}
"""
WAITS = """
import os
import time

def application(environ, start_response):
    open({begun!r}, "a").close()
    while os.path.exists({held!r}):
        time.sleep(0.05)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"done"]
"""
PATIENCE = 20.0
OF_A_CUSTOMER = (
    rf"MW0522: the user wsgi-test-{ALICE} \(number {ALICE}\) has 2 requests at the same time, as "
    "many as concurrency= in MOD_WSGI_LIMITS allows for all applications of a customer. .* "
    r"Refused since the last such line: 1, the last of them /alice/three/, for 'waits' in the "
    r"(process|interpreter) '\S+'$"
)
OWN_BOUND = (
    rf"MW0520: 'waits' in the (process|interpreter) '\S+' of the user {ALICE} has 1 requests at "
    "the same time, as many as mod_wsgi.concurrency allows: refused since the last such line: 1, "
    "the last of them /alice/one/$"
)
# What the customer writes for each of three applications.
OWN = {
    "one": "SetEnv mod_wsgi.concurrency off\n",
    "two": "SetEnv mod_wsgi.concurrency 5\n",
    "three": "",
}


@dataclass(frozen=True, kw_only=True)
class Customers:
    """Applications of alice's and mallory's, whose requests wait while a file is there."""

    site: Site
    clients: ThreadPoolExecutor
    marks: Path

    def put(self, owner: int, name: str, own: str) -> None:
        folder = self.site.root / "htdocs" / name
        begun, held = (str(self.mark(name, what)) for what in ("begun", "held"))
        give(folder / "waits.py", owner, WAITS.format(begun=begun, held=held))
        give(folder / ".htaccess", owner, HTACCESS.format(directory=folder) + own)

    def mark(self, name: str, what: str) -> Path:
        return self.marks / f"{name.replace('/', '-')}.{what}"

    def hold(self, name: str) -> "Future[requests.Response]":
        self.mark(name, "held").touch()
        asked = self.clients.submit(self.site.get, f"/{name}/")
        assert until(self.mark(name, "begun").exists, PATIENCE)
        return asked

    def let_go(self) -> None:
        for mark in self.marks.glob("*.held"):
            mark.unlink()


@pytest.fixture
def of_customers(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, customers: None
) -> Iterator[Customers]:
    """Of at most two requests for each. The third one would have a thread of the server."""
    del customers
    if os.geteuid() != 0:
        pytest.skip("only root can become other users")
    monkeypatch.setenv("MOD_WSGI_LIMITS", "concurrency=2")
    with ThreadPoolExecutor(4) as clients:
        site = serve(CUSTOMERS, processes=6)
        made = Customers(site=site, clients=clients, marks=site.scratch / "marks")
        made.marks.mkdir()
        made.marks.chmod(0o1777)
        for name, own in OWN.items():
            made.put(ALICE, f"alice/{name}", own)
        made.put(MALLORY, "mallory", "")
        try:
            yield made
        finally:
            made.let_go()


def test_all_applications_of_a_customer_have_no_more_than_the_ceiling(
    of_customers: Customers,
) -> None:
    """The requests of one customer would hold all threads of the server."""
    site = of_customers.site
    site.expects(OF_A_CUSTOMER)
    asked = [of_customers.hold("alice/one"), of_customers.hold("alice/two")]
    for name in ("three", "three", "one", "two"):
        assert_refused(site.get(f"/alice/{name}/"))
    asked.append(of_customers.hold("mallory"))
    assert [line for line in site.watch.lines() if "MW052" in line] == [
        site.watch.wait_for("MW0522")
    ]
    of_customers.let_go()
    assert [each.result().status_code for each in asked] == [200] * 3
    for name in OWN:
        assert site.get(f"/alice/{name}/").status_code == 200


def test_a_customer_may_bound_an_application_more(of_customers: Customers) -> None:
    site = of_customers.site
    site.expects(OWN_BOUND)
    of_customers.put(ALICE, "alice/one", "SetEnv mod_wsgi.concurrency 1\n")
    asked = of_customers.hold("alice/one")
    assert_refused(site.get("/alice/one/"))
    assert site.get("/alice/two/").status_code == 200
    of_customers.let_go()
    assert asked.result().status_code == 200
