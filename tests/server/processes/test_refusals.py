"""What a client gets, and the log says, when an application can't have a process.

A row of docs/processes.md stands for each.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.accounts import OF_ROOTS_GROUP, give, login
from tests.harness.cells import Cell
from tests.harness.serving import Workshop, running
from tests.harness.site import Site

pytestmark = [pytest.mark.needs("processes"), pytest.mark.usefixtures("customers")]

OPTIONS = {"processes": 1}

NOBODY = 29999  # a number without an account
ONE_LOCATION = """
<Location /{name}>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application hello::named
    SetEnv mod_wsgi.directory "@{{apps}}"
{lines}
</Location>
"""
FOR_ROOT_ONLY = {
    "no-such-user": ("user", "nobody-at-all", 500, "'nobody-at-all', and there is no such user"),
    "root": ("user", "root", 500, "can't have a process of root: that would have every right"),
    "group-of-root": ("user", login(OF_ROOTS_GROUP), 500, "20003., whose group is root"),
    "not-listed": ("user", "daemon", 500, "daemon .* are not allowed: add the name to MOD_WSGI_U"),
}
REFUSED = {
    **FOR_ROOT_ONLY,
    "no-processes": ("processes", "0", 500, "mod_wsgi.processes '0' is not a number from 1 to 64"),
    "no-threads": ("threads", "65", 500, "mod_wsgi.threads '65' is not a number from 1 to 64"),
}
WITHOUT_PROCESS = {
    "user-alone": ("user", "daemon", 500, "mod_wsgi.user 'daemon' needs mod_wsgi.process"),
    "off": ("process", "off", 500, "this module was built without Python: set mod_wsgi.process"),
}
LARGE = "".join(f'    SetEnv large{n} "{"x" * 7000}"\n' for n in range(20))
HEADS = '''
def application(environ, start_response):
    """Its head has as many bytes as the query says."""
    value = "x" * int(environ["QUERY_STRING"])
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Large", value)])
    return [b"sent"]
'''
FILES = {"code/heads.py": HEADS}


def location(name: str, *lines: str) -> str:
    return ONE_LOCATION.format(name=name, lines="\n".join(lines))


CONFIG = (
    "".join(
        location(
            case, "    SetEnv mod_wsgi.process refused", f"    SetEnv mod_wsgi.{name} {value}"
        )
        for case, (name, value, *_) in REFUSED.items()
    )
    + location("user-alone", "    SetEnv mod_wsgi.process off", "    SetEnv mod_wsgi.user daemon")
    + location("off", "    SetEnv mod_wsgi.process off")
    + location("large", LARGE)
    + """
<Location /heads>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application heads
    SetEnv mod_wsgi.directory "@{www}/code"
</Location>
<Directory "@{www}">
    AllowOverride FileInfo
    Options ExecCGI FollowSymLinks
</Directory>
"""
)


@pytest.mark.parametrize("case", [*REFUSED, *WITHOUT_PROCESS])
def test_a_setting_that_allows_no_process_is_refused(site: Site, case: str) -> None:
    if case in FOR_ROOT_ONLY and os.geteuid() != 0:
        pytest.skip("a server that root has not started has processes of its own user only")
    *_, status, line = {**REFUSED, **WITHOUT_PROCESS}[case]
    site.expects(line)
    assert site.get(f"/{case}").status_code == status


def test_a_customer_without_an_account_is_refused(site: Site) -> None:
    if os.geteuid() != 0:
        pytest.skip("files of another user can only be made by root")
    folder = site.root / "htdocs" / "nobody"
    give(folder / "any.py", NOBODY, "def application(environ, start_response): pass\n")
    lines = f"SetEnv mod_wsgi.application any\nSetEnv mod_wsgi.directory {folder}\n"
    give(folder / ".htaccess", NOBODY, f"SetHandler mod_wsgi\n{lines}")
    site.expects(f"the user {NOBODY} has no account on this machine")
    assert site.get("/nobody/").status_code == 500


def test_variables_that_do_not_fit_are_refused(site: Site, cell: Cell) -> None:
    """Apache before 2.4 does not know the status 431, and makes it a 500."""
    site.expects("the request can't be sent: its variables have more than 128 KB")
    assert site.get("/large").status_code == (431 if cell.server.line == "2.4" else 500)


def test_a_head_that_does_not_fit_is_an_error(site: Site) -> None:
    site.expects("the response's status and headers can't be sent: they are longer than 128 KB")
    assert site.get("/heads?140000").status_code == 500
    assert site.get("/heads?10").status_code == 200


# ---- The programs ----------------------------------------------------------------------------


@pytest.fixture
def program(cell: Cell, module: Path, workshop: Workshop) -> Iterator[Path]:
    """The program of the only Python, beside a module of this test's own."""
    folder = workshop.folder / f"{cell.name}-refusals"
    (folder / "mod_wsgi").mkdir(parents=True)
    shutil.copy(module, folder)
    for path in module.parent.glob("mod_wsgi/*"):
        shutil.copy(path, folder / "mod_wsgi")
    (found,) = (folder / "mod_wsgi").glob("mod_wsgi-py*")
    yield found
    shutil.rmtree(folder)


def refused(cell: Cell, module: Path, workshop: Workshop, program: Path, line: str) -> None:
    """A server with this program gives a 503, and says this."""
    place = program.parent.parent / module.name
    with running(cell, place, workshop, location("any"), deaths=True) as site:
        site.expects(line)
        site.tolerates("before it was ready$")  # then the same with the last line, for the client
        assert site.get("/any").status_code == 503
        verdict = site.watch.verdict()
    assert not verdict, verdict


def test_a_program_that_is_missing_is_a_503(
    cell: Cell, module: Path, workshop: Workshop, program: Path
) -> None:
    program.rename(program.with_name("mod_wsgi-py1.0"))
    program.with_name("mod_wsgi-py1.0").unlink()
    refused(cell, module, workshop, program, "mod_wsgi-py")


def test_a_program_that_its_user_may_not_execute_is_a_503(
    cell: Cell, module: Path, workshop: Workshop, program: Path
) -> None:
    program.chmod(0o600)
    refused(cell, module, workshop, program, f"{program}: Permission denied")


def test_a_program_that_everybody_can_change_is_a_503(
    cell: Cell, module: Path, workshop: Workshop, program: Path
) -> None:
    program.chmod(0o777)
    refused(cell, module, workshop, program, f"{program}: everybody can write to it")


def test_a_program_that_is_not_roots_is_a_503(
    cell: Cell, module: Path, workshop: Workshop, program: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(program, NOBODY, NOBODY)
    refused(cell, module, workshop, program, f"{program}: it must belong to root")


def test_a_process_that_ends_while_it_starts_is_a_503_with_its_last_line(
    cell: Cell, module: Path, workshop: Workshop, program: Path
) -> None:
    program.write_text("#!/bin/sh\necho no room >&2\nexit 1\n")
    program.chmod(0o755)
    line = r"process \d+ of \S+: exit status 1 after 0 s, before it was ready"
    refused(cell, module, workshop, program, f"{line}: no room")


@pytest.mark.slow
def test_a_process_that_never_gets_ready_is_a_503(
    cell: Cell, module: Path, workshop: Workshop, program: Path
) -> None:
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    place = program.parent.parent / module.name
    with running(cell, place, workshop, location("any"), deaths=True) as site:
        site.expects(r"process \d+ of \S+ does not get ready: it is killed")
        site.tolerates("MW0602|MW0720")  # another one has begun after six seconds
        assert site.get("/any", timeout=90).status_code == 503
        verdict = site.watch.verdict()
    assert not verdict, verdict
