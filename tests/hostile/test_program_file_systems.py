"""Files of a FUSE file system, whose user's program may never answer for them."""

from collections.abc import Iterator

import pytest

from tests.harness import fuse
from tests.harness.accounts import ALICE, login
from tests.harness.errorlog import until
from tests.harness.hosting import need_root
from tests.harness.site import message, read_reply
from tests.hostile.conftest import SECTION, Complete, Target

pytestmark = [pytest.mark.needs("processes"), pytest.mark.usefixtures("customers")]

# Both applications are alice's. The honest one sends a file as the server offers it.
MORE = (
    (SECTION % ("alice", "hostile")).replace(
        "</Location>", f"    SetEnv mod_wsgi.user {login(ALICE)}\n</Location>"
    )
    + f"""
<Location /honest>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application sending
    SetEnv mod_wsgi.directory "@{{www}}"
    SetEnv mod_wsgi.process honest
    SetEnv mod_wsgi.user {login(ALICE)}
</Location>
"""
)
FILES = {
    "sending.py": """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return environ["wsgi.file_wrapper"](open(environ["QUERY_STRING"], "rb"))
"""
}
CONTENT = b"asked for, byte by byte\n" * 10_000
PASSES = "fd = os.open({path!r}, os.O_RDONLY)\nsend(head() + file(0, 10) + DONE_FRAME, fd)"
PATIENCE = 10.0


@pytest.fixture(params=[False, True], ids=["own", "for-all"])
def system(target: Target, request: pytest.FixtureRequest) -> Iterator[fuse.FileSystem]:
    need_root()
    folder = target.site.scratch / f"fuse-{request.param}"
    with fuse.mounted(folder, ALICE, CONTENT, for_all=request.param) as made:
        yield made
    folder.rmdir()


def test_a_file_of_a_program_is_not_sent_by_the_server(
    target: Target, system: fuse.FileSystem, complete: Complete
) -> None:
    """The kernel keeps the server from asking a file system that is not for all."""
    known = "a file of a program's file system"
    target.breaks(known if system.is_for_all else "a descriptor that is no file")
    assert not complete(target.ask(PASSES.format(path=str(system.file)), "/alice"))
    assert fuse.READ not in system.asked
    assert len(target.complaints()) == 1


def test_such_a_file_arrives_whole_since_its_process_reads_it(
    target: Target, system: fuse.FileSystem
) -> None:
    assert target.site.get(f"/honest?{system.file}").content == CONTENT
    assert fuse.READ in system.asked


@pytest.mark.parametrize("system", [False], indirect=True, ids=["own"])
def test_a_program_that_never_answers_holds_nobody_but_its_user(
    target: Target, system: fuse.FileSystem, complete: Complete
) -> None:
    """The hostile process has opened the file before. The honest one of alice waits for it.

    The server closes what it does not want, which such a program is told (FLUSH).
    """
    opens = f"sys.opened = os.open({str(system.file)!r}, os.O_RDONLY)\nsend(HELLO)"
    for _ in range(4):  # whichever process answers a child of the server later
        assert b"hello" in target.ask(opens, "/alice")
    system.hang()
    target.breaks("a descriptor that is no file")
    passes = "send(head() + file(0, 10) + DONE_FRAME, os.dup(sys.opened))"
    assert not complete(target.ask(passes, "/alice"))
    assert set(system.asked) <= {fuse.FLUSH}
    system.asked.clear()
    with target.site.connect() as connection:
        connection.sendall(message(f"/honest?{system.file}"))
        assert until(lambda: fuse.OPEN in system.asked, PATIENCE)
        assert b"hello" in target.ask("send(HELLO)")
        system.answers.set()
        assert read_reply(connection).body == CONTENT
