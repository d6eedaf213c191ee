"""Modules that make a child of the server another user for a request: mpm-itk and mod_ruid2.

Such a child may have processes of that user, and of nobody else.
"""

import os
import pwd

import pytest

from command import httpd
from tests.conftest import Serve
from tests.harness.accounts import ALICE, MALLORY, give
from tests.harness.cells import Cell
from tests.harness.site import Site

pytestmark = [
    pytest.mark.needs("changes-of-user", "processes"),
    pytest.mark.usefixtures("customers"),
]

CONFIG = """
LoadModule @{module}_module "@{modules}/@{file}"
<Directory "@{www}">
    AllowOverride FileInfo
    Options ExecCGI FollowSymLinks
</Directory>
<LocationMatch ^/(server|alice)>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application versions
    SetEnv mod_wsgi.directory "@{apps}"
    SetEnv mod_wsgi.process named
</LocationMatch>
<LocationMatch ^/(alice|customer)>
    @{change} @{alice} @{alice}
</LocationMatch>
<Location /server/as-mallory>
    SetEnv mod_wsgi.user @{mallory}
</Location>
<Location /alice/as-alice>
    SetEnv mod_wsgi.user @{alice}
</Location>
<Location /alice/as-mallory>
    SetEnv mod_wsgi.user @{mallory}
</Location>
<LocationMatch /limits>
    SetEnv mod_wsgi.application who
    SetEnv mod_wsgi.directory "@{www}/customer"
    SetEnv mod_wsgi.process limits
</LocationMatch>
"""
LIMITS = "nproc=250"

CODE = """
import os
import resource

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    told = (os.getuid(), resource.getrlimit(resource.RLIMIT_NPROC)[0])
    return [('{"uid": %d, "nproc": %d}' % told).encode("ascii")]
"""
HTACCESS = """
SetHandler mod_wsgi
SetEnv mod_wsgi.application who
SetEnv mod_wsgi.directory {folder}
"""
REFUSED = r"MW0635: mod_wsgi.process 'named' is of the user wsgi-test-20002, .* the user 20001: "


# Of each module its file, its directive, and where it comes from.
MODULES = {
    "mpm-itk": ("mpm_itk", "AssignUserID", "libapache2-mpm-itk on Debian"),
    "mod_ruid2": ("mod_ruid2", "RUidGid", "libapache2-mod-ruid2 until Debian 10, or its sources"),
}


@pytest.fixture(params=MODULES)
def changing(
    request: pytest.FixtureRequest, cell: Cell, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> Site:
    if os.geteuid() != 0:
        pytest.skip("only a server that root has started can become other users")
    module, directive, source = MODULES[request.param]
    if not (cell.server.modules / f"{module}.so").exists():
        pytest.skip(f"{request.param} is not installed: {source}")
    values = {
        "module": module.removeprefix("mod_"),
        "file": f"{module}.so",
        "change": directive,
        "modules": str(cell.server.modules),
        "alice": pwd.getpwuid(ALICE).pw_name,
        "mallory": pwd.getpwuid(MALLORY).pw_name,
    }
    monkeypatch.setenv("MOD_WSGI_LIMITS", LIMITS)
    site = serve(CONFIG, values=values)
    for owner, name in ((ALICE, "customer"), (MALLORY, "customer-of-mallory")):
        folder = site.root / "htdocs" / name
        give(folder / "who.py", owner, CODE)
        give(folder / ".htaccess", owner, HTACCESS.format(folder=folder))
    return site


def test_a_child_that_became_a_user_has_that_users_processes(changing: Site) -> None:
    """The last ones are a process that is there already, and a customer's.

    Known of the incumbent: #61, #575.
    """
    for path in ("/alice/", "/alice/as-alice", "/alice/", "/customer/"):
        reply = changing.get(path)
        assert reply.status_code == 200, path
        assert reply.json()["uid"] == ALICE, path


def test_a_child_that_stayed_the_servers_has_everybodys_processes(changing: Site) -> None:
    user = httpd.unprivileged_user()
    assert user
    assert changing.get("/server/").json()["uid"] == user.pw_uid
    assert changing.get("/server/as-mallory").json()["uid"] == MALLORY


def test_a_child_that_became_a_user_has_processes_with_the_limits_of_customers(
    changing: Site,
) -> None:
    """Code of that user may run in the child, and ask for any process of its own."""
    told = changing.get("/alice/limits").json()
    assert (told["uid"], told["nproc"]) == (ALICE, 250)
    assert changing.get("/server/limits").json()["nproc"] != 250


def test_a_process_of_another_user_is_refused_at_once(changing: Site) -> None:
    changing.expects(REFUSED)
    assert changing.get("/alice/as-mallory").status_code == 500
    assert changing.spawned() == []


def test_another_customers_application_is_refused_at_once(changing: Site) -> None:
    """Mallory's files, reached where the server has become alice."""
    changing.expects(r"MW0635: .* is of the user #20002, .* the user 20001: ")
    assert changing.get("/customer-of-mallory/").status_code == 500
    assert changing.spawned() == []
