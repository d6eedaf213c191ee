"""An application that does not answer: its client gets 504, and its process is replaced."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.harness.errorlog import until
from tests.harness.site import Site, message, read_reply

pytestmark = pytest.mark.needs("processes")

CONFIG = """
@{base}
@{applications}
Timeout 60
<Location /hangs>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application hangs::application
    SetEnv mod_wsgi.directory "@{www}/code:@{apps}"
    SetEnv mod_wsgi.process hangs
    SetEnv mod_wsgi.interpreter main_interpreter
    SetEnv mod_wsgi.timeout 1
</Location>
<Location /hangs/waits>
    SetEnv mod_wsgi.timeout 30
</Location>
<Location /hangs/elsewhere>
    SetEnv mod_wsgi.interpreter elsewhere
</Location>
"""
OPTIONS = {"processes": 1, "deaths": True}

FILES = {
    "code/hangs.py": """
import os
import time

import waiting

def in_a_loop():
    end = time.time() + 30
    while time.time() < end:
        pass

def in_a_call():
    time.sleep(30)

def with_the_lock():
    import ctypes
    ctypes.PyDLL(None).sleep(30)

WAYS = {"loop": in_a_loop, "call": in_a_call, "lock": with_the_lock}

def application(environ, start_response):
    kind, _, how = environ["PATH_INFO"].strip("/").rpartition("/")
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    if how == "pid":
        return [str(os.getpid()).encode("ascii")]
    if how == "waits":
        waiting.tell(environ, str(os.getpid()))
        waiting.wait(environ)
        return [b"whole"]
    if how == "body":
        return [environ["wsgi.input"].read()]
    if kind == "half":
        write(b"a half")
    WAYS[how]()
    return [b"never"]
"""
}


def pid(site: Site) -> int:
    return int(site.get("/hangs/pid").text)


def expect(site: Site, path: str) -> None:
    site.expects(rf"MW0620: process \d+ of hangs has sent nothing for 1 s .*serving /hangs{path}")
    site.expects(r"MW0740: process \d+ of \S+ has a request without progress")
    site.tolerates(r"MW0708: process \d+ of \S+ hangs: it is killed")


def has_gone(process: int) -> bool:
    return bool(until(lambda: not Path(f"/proc/{process}").exists(), 15))


@pytest.mark.parametrize("way", ["loop", "call"])
def test_an_application_that_hangs_is_a_504_and_its_stack_is_logged(site: Site, way: str) -> None:
    before = pid(site)
    expect(site, f"/{way}")
    began = time.monotonic()
    assert site.get(f"/hangs/{way}").status_code == 504
    assert time.monotonic() - began < 4
    site.watch.wait_for(f"hangs.py.* in in_a_{way}")
    assert pid(site) != before
    assert has_gone(before)


@pytest.mark.pythons("3.*")
def test_the_stack_is_logged_when_python_s_lock_is_never_released(site: Site) -> None:
    before = pid(site)
    expect(site, "/lock")
    assert site.get("/hangs/lock").status_code == 504
    site.watch.wait_for(r"hangs.py.* in with_the_lock")
    assert pid(site) != before
    assert has_gone(before)


def test_another_interpreter_of_the_process_is_logged_too(site: Site) -> None:
    before = pid(site)
    expect(site, "/elsewhere/call")
    assert site.get("/hangs/elsewhere/call").status_code == 504
    site.watch.wait_for(r"MW0515: thread \d+, in the interpreter 'elsewhere', is here:")
    site.watch.wait_for(r"hangs.py.* in in_a_call")
    assert has_gone(before)


def test_a_response_that_goes_no_further_looks_broken(site: Site) -> None:
    before = pid(site)
    expect(site, "/half/call")
    answer = site.raw(message("/hangs/half/call"))
    assert b"a half" in answer
    assert not answer.endswith(b"0\r\n\r\n")
    assert has_gone(before)


@pytest.mark.needs("threads")
def test_others_in_the_process_may_end(site: Site) -> None:
    before = pid(site)
    expect(site, "/call")
    with site.connect() as hanging, site.connect() as other:
        other.settimeout(10)
        other.sendall(message("/hangs/waits?other"))
        assert int(site.told("other")) == before
        hanging.sendall(message("/hangs/call"))
        site.watch.wait_for("MW0740")
        site.go("other")
        assert read_reply(other).text == "whole"
    assert has_gone(before)


def test_a_slow_upload_is_not_the_applications_fault(site: Site) -> None:
    before = pid(site)
    with site.connect() as connection:
        head = {"Content-Length": "200000"}
        connection.sendall(message("/hangs/body", "POST", head))
        connection.sendall(b"x" * 100_000)
        time.sleep(2)
        connection.sendall(b"x" * 100_000)
        assert len(read_reply(connection, "POST").text) == 200_000
    assert pid(site) == before


def test_a_client_that_has_gone_away_leaves_no_request_for_ever(site: Site) -> None:
    """The process computes on, and nobody waits: its thread is free again after the time."""
    before = pid(site)
    expect(site, "/call")
    with site.connect() as connection:
        connection.sendall(message("/hangs/call"))
        time.sleep(0.2)
    site.watch.wait_for("MW0620")
    assert has_gone(before)


def test_the_servers_own_timeout_holds_where_none_is_set(serve: Serve) -> None:
    config = CONFIG.replace("Timeout 60", "Timeout 2").replace("SetEnv mod_wsgi.timeout 1", "")
    site = serve(config, files=FILES, **OPTIONS)
    site.expects(r"MW0620: process \d+ of hangs has sent nothing for 2 s")
    site.tolerates("MW0740|MW0708")
    assert site.get("/hangs/call").status_code == 504


def test_the_server_stops_in_time_though_an_application_hangs(serve: Serve) -> None:
    site = serve(CONFIG.replace("timeout 1", "timeout 60"), files=FILES, **OPTIONS)
    site.tolerates("MW0607|MW0708")
    with site.connect() as connection:
        connection.sendall(message("/hangs/waits?stops"))
        site.told("stops")
        children = set(site.children())
        os.kill(site.pid, signal.SIGTERM)
        assert until(lambda: not children & set(site.children()), 6)
    assert "SIGKILL" not in "\n".join(site.watch.lines())
