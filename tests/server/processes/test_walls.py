"""What an application in a process of its own has and can reach, and what not.

Alice and mallory are customers with an .htaccess file each. Mallory tries to reach what is alice's
and the server's. Two of these attempts succeed in the incumbent's daemon processes: the server's
TLS key is in their memory, and their descriptor 2 is the error log, which they can empty.
"""

import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.harness import tls
from tests.harness.accounts import ALICE, MALLORY
from tests.harness.cells import Cell
from tests.harness.hosting import CONFIG as HOST
from tests.harness.hosting import Hosting, need_root
from tests.harness.site import Site

pytestmark = [pytest.mark.needs("processes"), pytest.mark.usefixtures("customers")]

CONFIG = "@{base}@{applications}" + HOST

CODE = '''
import json
import os

def application(environ, start_response):
    """Runs what the test asks for, as whoever owns this file."""
    try:
        told = eval(environ["HTTP_X_TRY"], {"os": os, "json": json})
    except Exception as error:
        told = type(error).__name__
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(told).encode("ascii")]
'''


def furnish(site: Site) -> None:
    hosting = Hosting.of(site)
    for owner, name in ((ALICE, "alice"), (MALLORY, "mallory")):
        hosting.application(owner, name, CODE)
        hosting.put(owner, f"{name}/secret", f"of {name}", mode=0o600)


@pytest.fixture
def rooted(site: Site) -> Site:
    need_root()
    furnish(site)
    return site


def tried(site: Site, who: str, expression: str) -> object:
    reply = site.ask(f"/{who}/", headers={"X-Try": expression})
    assert reply.status == 200, reply.text
    return reply.json()


@pytest.mark.parametrize(("who", "uid"), [("alice", ALICE), ("mallory", MALLORY)])
def test_a_customers_application_runs_as_the_customer(rooted: Site, who: str, uid: int) -> None:
    assert tried(rooted, who, "os.getresuid() + os.getresgid()") == [uid] * 6
    assert tried(rooted, who, "os.getgroups()") == [uid]


def test_customers_have_no_process_in_common(rooted: Site) -> None:
    pids = {tried(rooted, who, "os.getpid()") for who in ("alice", "mallory")}
    assert len(pids) == 2
    assert not pids & set(rooted.children())


def test_a_customer_reads_only_the_own_secret(rooted: Site) -> None:
    secret = str(rooted.root / "htdocs" / "alice" / "secret")
    assert tried(rooted, "alice", f"open({secret!r}).read()") == "of alice"
    assert tried(rooted, "mallory", f"open({secret!r}).read()") in ("PermissionError", "IOError")


@pytest.mark.parametrize("expression", ["os.setuid(0)", "os.setuid(33)", "os.setgid(0)"])
def test_a_customer_cannot_become_somebody_else(rooted: Site, expression: str) -> None:
    assert tried(rooted, "mallory", expression) in ("PermissionError", "OSError")


def test_a_customer_cannot_signal_what_is_not_its_own(rooted: Site) -> None:
    alices = tried(rooted, "alice", "os.getpid()")
    for pid in (alices, rooted.pid, *rooted.children(), *rooted.spawners()):
        assert tried(rooted, "mallory", f"os.kill({pid}, 0)") in ("PermissionError", "OSError")


def test_a_process_has_no_descriptor_of_the_server(rooted: Site) -> None:
    """What it has are pipes, sockets and memory of its own: no log, no file, no other socket."""
    pid = tried(rooted, "mallory", "os.getpid()")
    names = {}
    for path in Path(f"/proc/{pid}/fd").iterdir():
        names[int(path.name)] = str(path.readlink())
    others = {
        fd: name
        for fd, name in names.items()
        if not re.match(r"pipe:|socket:|anon_inode:|/dev/null|/memfd:", name)
    }
    assert others == {}
    listening = {f"socket:[{inode}]" for inode in listeners()}
    assert listening
    assert not listening & set(names.values())


def listeners() -> list[str]:
    """The inodes of all sockets that listen for TCP here."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return [line.split()[9] for line in lines if line.split()[3] == "0A"]


def test_a_process_cannot_empty_the_error_log(rooted: Site) -> None:
    log = rooted.root / "error.log"
    assert log.stat().st_size > 0
    before = log.read_bytes()
    for fd in (0, 1, 2):
        tried(rooted, "mallory", f"os.ftruncate({fd}, 0)")
    assert log.read_bytes()[: len(before)] == before


def test_the_environment_of_a_process_is_its_users(rooted: Site) -> None:
    seen = tried(rooted, "mallory", "dict(os.environ)")
    assert isinstance(seen, dict)
    assert seen["USER"] == seen["LOGNAME"] == f"wsgi-test-{MALLORY}"
    assert seen["LANG"] == "C.UTF-8"
    assert set(seen) <= {"HOME", "USER", "LOGNAME", "PATH", "LANG", "LC_CTYPE"}


def test_the_servers_key_is_not_in_the_memory_of_a_process(
    serve: Serve, cell: Cell, tmp_path: Path
) -> None:
    tls.need(cell)
    need_root()
    files = tls.certificate(tmp_path)
    site = serve(tls.CONFIG + HOST, files=files, values={"modules": str(cell.server.modules)})
    furnish(site)
    prime = first_prime(tmp_path / "key.pem")
    pid = tried(site, "mallory", "os.getpid()")
    assert isinstance(pid, int)
    assert has_in_memory(site.pid, prime), "the search finds no key where one is"
    assert not has_in_memory(pid, prime)


def first_prime(key: Path) -> bytes:
    command = ["openssl", "rsa", "-in", str(key), "-noout", "-text"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    match = re.search(r"prime1:\s*([0-9a-f:\s]+?)prime2", text)
    assert match
    return bytes.fromhex(re.sub(r"[:\s]", "", match[1])).lstrip(b"\0")


def has_in_memory(pid: int, number: bytes) -> bool:
    """Whether a big number is in a process's memory, in either order of bytes."""
    needles = number[:48], number[::-1][:48]
    maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in maps:
            begin, end = (int(word, 16) for word in line.split()[0].split("-"))
            if "r" not in line.split()[1] or "[v" in line:
                continue
            try:
                memory.seek(begin)
                block = memory.read(end - begin)
            except OSError:
                continue
            if any(needle in block for needle in needles):
                return True
    return False


def test_no_socket_has_a_name(rooted: Site) -> None:
    """So no directory has to be there, and be open to the right users.

    Known of the incumbent: #154, #314, #378.
    """
    assert rooted.get("/alice/", headers={"X-Try": "1"}).json() == 1
    pids = [rooted.pid, *rooted.children(), *rooted.spawners(), *rooted.spawned()]
    assert sockets(pids)
    assert names_of_sockets() & sockets(pids) == set()


def sockets(pids: list[int]) -> set[str]:
    """The numbers of the sockets that processes have open."""
    links = [fd.readlink() for pid in pids for fd in Path(f"/proc/{pid}/fd").iterdir()]
    return {str(link)[8:-1] for link in links if str(link).startswith("socket:[")}


def names_of_sockets() -> set[str]:
    """The numbers of this machine's Unix sockets that have a path."""
    rows = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    return {row[6] for row in rows if len(row) > 7}
