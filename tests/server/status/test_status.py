"""The status page: what it counts, its formats, and what it keeps from whom.

It is an operator's page. A customer who has it in an .htaccess file sees the customer's own.
"""

import os
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.conftest import Serve
from tests.harness.accounts import ALICE, MALLORY, give
from tests.harness.errorlog import until
from tests.harness.site import Site

CONFIG = """
@{base}
<Location /status>
    SetHandler mod_wsgi-status
</Location>
<Location /hello>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application hello::named
    SetEnv mod_wsgi.environ.SECRET of-the-house
</Location>
<Location /odd>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application hello::named
    SetEnv mod_wsgi.interpreter "<b>&quot;'\\x"
</Location>
<Location /fails>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application fails::application
    SetEnv mod_wsgi.directory "@{www}"
    SetEnv mod_wsgi.interpreter failing
</Location>
<Location /paged>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application fails::busy
    SetEnv mod_wsgi.directory "@{www}"
    SetEnv mod_wsgi.interpreter failing
    SetEnv mod_wsgi.error_pages on
</Location>
"""

FILES = {
    "fails.py": """
def application(environ, start_response):
    raise ValueError("<script>of the last line")


def busy(environ, start_response):
    start_response("503 Busy", [])
    return []
"""
}

OPTIONS = {"processes": 2}


def told(site: Site) -> dict[str, Any]:
    answer = site.get("/status?json")
    assert answer.headers["Content-Type"] == "application/json"
    found: dict[str, Any] = answer.json()
    return found


def row(site: Site, application: str, interpreter: str = "tests") -> dict[str, Any]:
    rows = [
        each
        for each in told(site)["applications"]
        if each["application"] == application and each["interpreter"] == interpreter
    ]
    return rows[0] if rows else {"requests": 0, "bytes": 0, "errors": 0}


def test_requests_are_counted_in_all_processes(site: Site, version: str) -> None:
    before = row(site, "hello::named")
    body = b"".join(site.get("/hello").content for _ in range(20))
    assert until(lambda: row(site, "hello::named")["requests"] == before["requests"] + 20)
    after = row(site, "hello::named")
    assert after["bytes"] == before["bytes"] + len(body)
    assert after["errors"] == 0
    assert after["in_flight"] == 0
    assert 0 < after["p50"] <= after["p90"] <= after["p99"] < 60
    if site.mode == "embedded":
        assert (after["python"], after["process"]) == (version, None)
    else:  # the module knows no Python but those that settings name
        assert (after["python"], after["process"]) == (None, "tests")


def test_an_exception_is_an_error_with_its_last_line(site: Site) -> None:
    before = row(site, "fails::application", "failing")["errors"]
    site.expects_traceback("ValueError: <script>of the last line")
    assert site.get("/fails").status_code == 500
    after = row(site, "fails::application", "failing")
    assert after["errors"] == before + 1
    assert "ValueError: <script>of the last line" in after["last_error"]
    assert "<script>of" not in site.get("/status").text


def test_an_error_whose_page_is_the_servers_is_an_error(site: Site) -> None:
    assert site.get("/paged").status_code == 503
    assert row(site, "fails::busy", "failing")["errors"] == 1


class Balanced(HTMLParser):
    """Elements that were opened and are to be closed, in the same order."""

    def __init__(self) -> None:
        """Nothing is open."""
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        self.seen.add(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_well_formed_whatever_the_names_are(site: Site) -> None:
    site.get("/odd")
    answer = site.get("/status")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    parsed = Balanced()
    parsed.feed(answer.text)
    assert parsed.open == []
    assert "b" in parsed.seen
    assert "<b>&quot;" not in answer.text
    assert not re.search(r"(src|href)=\"?(https?:)?//", answer.text)


def test_no_value_of_a_variable_is_shown(site: Site) -> None:
    site.get("/hello")
    for query in ("", "?json", "?auto", "?metrics"):
        assert "of-the-house" not in site.get("/status" + query).text


def test_prometheus_reads_the_metrics(site: Site) -> None:
    site.get("/hello")
    site.get("/odd")
    answer = site.get("/status?metrics")
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    families = {each.name: each for each in text_string_to_metric_families(answer.text)}
    samples = families["mod_wsgi_requests"].samples
    assert {each.labels["application"] for each in samples} >= {"hello::named"}
    assert all(each.value >= 1 for each in samples)
    assert families["mod_wsgi_request_duration_seconds"].type == "histogram"
    assert families["mod_wsgi_process_resident_bytes"].samples


def test_the_text_has_a_key_in_each_line(site: Site) -> None:
    site.get("/hello")
    lines = site.get("/status?auto").text.splitlines()
    assert all(re.match(r"\w+: ", line) for line in lines)
    assert any(line.startswith("TotalRequests: ") for line in lines)


def test_processes_are_shown_with_their_memory(site: Site) -> None:
    site.get("/hello")
    processes = told(site)["processes"]
    assert {each["pid"] for each in processes if each["kind"] == "server"} <= set(site.children())
    pids = {each["pid"] for each in processes}
    assert pids & set(site.processes())
    assert all(each["memory"] > 100_000 for each in processes)


def test_another_query_is_refused_with_what_may_be_asked(site: Site) -> None:
    answer = site.get("/status?jsno")
    assert answer.status_code == 400
    assert "json" in answer.text


def test_only_get_and_head_are_answered(site: Site) -> None:
    assert site.post("/status").status_code == 405
    assert "GET" in site.request("DELETE", "/status").headers["Allow"]
    head = site.request("HEAD", "/status")
    assert head.status_code == 200
    assert head.content == b""


def test_a_body_sent_to_the_page_is_not_taken_for_requests(site: Site) -> None:
    hidden = b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    head = b"GET /status?auto HTTP/1.1\r\nHost: x\r\n"
    refused = b"POST /status?auto HTTP/1.1\r\nHost: x\r\n"
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(hidden), hidden)
    for sent in (
        head + b"Content-Length: %d\r\n\r\n" % len(hidden) + hidden,
        head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks,
        refused + b"Content-Length: %d\r\n\r\n" % len(hidden) + hidden,
    ):
        before = row(site, "hello::named")["requests"]
        end = b"GET /status?auto HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        assert b" 200 OK" in site.raw(sent + end)
        assert row(site, "hello::named")["requests"] == before


def test_the_counts_stay_over_a_graceful_restart(serve: Serve) -> None:
    site = serve(CONFIG, files=FILES, processes=1)
    site.get("/hello")
    before = set(site.children())
    site.restart()
    assert until(lambda: set(site.children()) - before, 20)
    site.get("/hello")
    assert until(lambda: row(site, "hello::named")["requests"] == 2)


HOSTED = """
DocumentRoot "@{www}"
<Directory "@{www}">
    AllowOverride FileInfo
    Options ExecCGI
</Directory>
<Location /status>
    SetHandler mod_wsgi-status
</Location>
"""

SHOP = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"sold"]
"""

HTACCESS = """
SetHandler mod_wsgi
SetEnv mod_wsgi.application shop
SetEnv mod_wsgi.directory {folder}
SetEnv mod_wsgi.interpreter shop-of-{name}
"""


@pytest.mark.usefixtures("customers")
@pytest.mark.skipif(os.geteuid() != 0, reason="files of two users can only be made by root")
def test_a_customer_sees_the_customers_own(serve: Serve) -> None:
    site = serve(HOSTED, processes=1)
    www = site.root / "htdocs"
    for owner, name in ((ALICE, "alice"), (MALLORY, "mallory")):
        give(www / name / "shop.py", owner, SHOP)
        settings = HTACCESS.format(folder=www / name, name=name)
        give(www / name / "shop" / ".htaccess", owner, settings)
        give(www / name / "status" / ".htaccess", owner, "SetHandler mod_wsgi-status\n")
        assert site.get(f"/{name}/shop/").text == "sold"
    assert len(told(site)["applications"]) == 2
    answer = site.get("/mallory/status/?json")
    assert [each["interpreter"] for each in answer.json()["applications"]] == ["shop-of-mallory"]
    assert answer.json()["requests"] == 1
    for query in ("", "?json", "?auto", "?metrics"):
        page = site.get("/mallory/status/" + query).text
        assert "shop-of-mallory" in page or query == "?auto"
        assert "alice" not in page
