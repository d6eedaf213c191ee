"""What a customer may use, by MOD_WSGI_LIMITS. Alice does what she can to have more."""

import os
import threading
import time

import pytest

from tests.conftest import Serve
from tests.harness.accounts import ALICE, MALLORY
from tests.harness.errorlog import until
from tests.harness.hosting import CONFIG, Hosting, need_root
from tests.harness.site import Site

pytestmark = [pytest.mark.needs("processes"), pytest.mark.usefixtures("customers")]

CODE = '''
import os
import resource
import signal
import time

# Threads, processes and megabytes are the third, the fourth and the tenth.
WORDS = open("/proc/self/cmdline").read().split(chr(0))

def fork_all(most):
    """How many processes can be had. They end at once afterwards."""
    made = []
    try:
        for _ in range(most):
            pid = os.fork()
            if pid == 0:
                time.sleep(600)
            made.append(pid)
    except OSError:
        pass
    for pid in made:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return len(made)

def fill():
    kept = []
    try:
        while len(kept) < 4096:
            kept.append(b"x" * (1 << 20))
    except MemoryError:
        return len(kept)

def wait_for_end_of(path):
    while os.path.exists(path):
        time.sleep(0.05)

def application(environ, start_response):
    told = str(eval(environ["HTTP_X_TRY"]))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [told.encode("ascii")]
'''

# What alice would like to have.
WISHES = {
    "processes": 4,
    "threads": 20,
    "memory": "off",
    "idle": "off",
    "interpreter": "main_interpreter",
}

NAMES = ("one", "two", "three")
PID = "os.getpid()"
PATIENCE = 20.0

AT_LIMIT = (
    f"mod_wsgi.process 'three': the user {ALICE} has as many processes as MOD_WSGI_LIMITS in the "
    "server's environment allows, processes=2, and none is idle"
)


@pytest.fixture
def limited(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Site:
    need_root()
    limits = "processes=2 threads=3 memory=100 nofile=200 nproc=60 nice=3 mistake=1"
    monkeypatch.setenv("MOD_WSGI_LIMITS", limits)
    site = serve(CONFIG)
    hosting = Hosting.of(site)
    for owner, user in ((ALICE, "alice"), (MALLORY, "mallory")):
        for name in NAMES:
            hosting.application(owner, f"{user}/{name}", CODE, process=name, **WISHES)
    return site


def tried(site: Site, where: str, expression: str) -> str:
    answer = site.get(f"/{where}/", headers={"X-Try": expression})
    assert answer.status_code == 200, answer.text
    return answer.text


def test_a_wrong_word_is_told_in_the_servers_log(limited: Site) -> None:
    log = limited.root / "error.log"
    assert until(lambda: "MW0730" in log.read_text(), PATIENCE)
    assert "MOD_WSGI_LIMITS: 'mistake=1' has no effect: the words are total=" in log.read_text()


def test_a_customer_has_no_more_processes_under_more_names(limited: Site) -> None:
    limited.expects("MW0603")
    held = limited.scratch / "held"
    held.touch()
    busy = f"wait_for_end_of({str(held)!r})"
    others = [
        threading.Thread(target=tried, args=(limited, f"alice/{name}", busy)) for name in NAMES[:2]
    ]
    for each in others:
        each.start()
    assert until(lambda: len(limited.spawned()) == 2, PATIENCE)
    refused = limited.get("/alice/three/", headers={"X-Try": PID})
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert AT_LIMIT in "\n".join(limited.watch.lines())
    assert tried(limited, "mallory/three", PID)
    held.unlink()
    for each in others:
        each.join()
    assert until(
        lambda: limited.get("/alice/three/", headers={"X-Try": PID}).status_code == 200, PATIENCE
    )


def test_an_idle_process_makes_room_for_another(limited: Site) -> None:
    first, second = (int(tried(limited, f"alice/{name}", PID)) for name in NAMES[:2])
    time.sleep(0.3)
    third = int(tried(limited, "alice/three", PID))
    assert until(lambda: first not in limited.spawned(), PATIENCE)
    assert {second, third} <= set(limited.spawned())
    assert int(tried(limited, "alice/one", PID)) not in {first, second, third}


def test_the_system_holds_a_customer_to_the_limits(limited: Site) -> None:
    files = "resource.getrlimit(resource.RLIMIT_NOFILE)"
    assert tried(limited, "alice/one", files) == "(200, 200)"
    assert tried(limited, "alice/one", "os.nice(0)") == str(os.nice(0) + 3)
    assert tried(limited, "alice/one", "WORDS[2:4] + WORDS[9:10]") == "['3', '2', '100']"


def test_a_customer_cannot_fill_the_machine_with_processes(limited: Site) -> None:
    assert 10 < int(tried(limited, "alice/one", "fork_all(300)")) < 60
    assert tried(limited, "mallory/one", "fork_all(5)") == "5"
    assert tried(limited, "alice/one", "fork_all(5)") == "5"


def test_a_customer_cannot_fill_the_memory(limited: Site) -> None:
    tried(limited, "alice/one", PID)
    assert 100 < int(tried(limited, "alice/one", "fill()")) < 260 + 40 * (os.cpu_count() or 1)
    assert tried(limited, "alice/one", PID)
    assert tried(limited, "mallory/one", PID)


def alices(serve: Serve, monkeypatch: pytest.MonkeyPatch, limits: str, **settings: object) -> Site:
    """A server where alice wishes this, too."""
    need_root()
    monkeypatch.setenv("MOD_WSGI_LIMITS", limits)
    site = serve(CONFIG)
    Hosting.of(site).application(ALICE, "alice/one", CODE, **{**WISHES, **settings})
    return site


def test_a_customer_cannot_switch_the_timeout_off(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that never ends would hold a thread of the server."""
    site = alices(serve, monkeypatch, "timeout=1", timeout="off")
    tried(site, "alice/one", PID)
    site.expects("MW0620: .* has sent nothing for 1 s")
    site.expects("MW0740: .* has a request without progress")
    site.tolerates("MW0708: .* hangs: it is killed")  # if the test lasts so long
    answer = site.get("/alice/one/", headers={"X-Try": "time.sleep(8)"})
    assert answer.status_code == 504


def test_a_customer_cannot_keep_a_process_that_nobody_uses(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = alices(serve, monkeypatch, "idle=1")
    first = int(tried(site, "alice/one", PID))
    assert until(lambda: first not in site.spawned(), PATIENCE)
    assert int(tried(site, "alice/one", PID)) != first


def test_a_customer_may_wish_for_less_than_the_limits(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process is told of its threads and its megabytes."""
    site = alices(serve, monkeypatch, "idle=300", threads=2, memory=77, idle=1)
    first = int(tried(site, "alice/one", PID))
    assert tried(site, "alice/one", "WORDS[2:3] + WORDS[9:10]") == "['2', '77']"
    assert until(lambda: first not in site.spawned(), PATIENCE)
