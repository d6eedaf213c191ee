"""What a configuration of Apache 1.3 says otherwise: the list of modules, Order, .htaccess files.

Order, Allow, Deny and Satisfy are of all lines: 2.4 has them in mod_access_compat.
"""

from collections.abc import Sequence

import pytest

from command import httpd
from tests.conftest import Serve
from tests.harness.cells import Cell
from tests.harness.config import BASE
from tests.harness.site import Site

APPLICATION = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    names = "SCRIPT_NAME", "PATH_INFO", "REMOTE_USER", "REDIRECT_STATUS", "tests.mine"
    return ["|".join(environ.get(name, "-") for name in names).encode("latin-1")]
"""

# Her password is "right".
ALICE = ("alice", "right")

FILES = {
    "code/old.py": APPLICATION,
    "code/users": "alice:$apr1$mod.wsgi$ciA6whYWBBnxTxgZ4g1ad1\n",
    "folder/file.txt": "a file",
}

OLD = """
SetEnv mod_wsgi.directory "@{www}/code"
SetEnv mod_wsgi.interpreter old
SetEnv mod_wsgi.application old
"""

# What a site of 1.3 has besides ours. The core and mod_so are within the program.
OTHERS = (
    *("env", "log_config", "mime", "negotiation", "dir", "alias", "rewrite", "access", "headers"),
    "setenvif",
)

ORDERS = {
    "first": ("wsgi", *OTHERS),
    "last": (*OTHERS, "wsgi"),
    "among": (*OTHERS[:3], "wsgi", *OTHERS[3:]),
    "backwards": ("wsgi", *reversed(OTHERS)),
}

FOR_PASSWORDS = {
    "1.3": ("auth",),
    "2.0": ("auth",),
    "2.2": ("auth_basic", "authn_file", "authz_user"),
    "2.4": ("auth_basic", "authn_core", "authn_file", "authz_user", "access_compat"),
}


def listed(names: Sequence[str]) -> str:
    return "\n".join(["ClearModuleList", "AddModule mod_so.c", *(added(each) for each in names)])


def added(name: str) -> str:
    return f"AddModule mod_{name}.c"


def passwords(cell: Cell) -> str:
    """Loads what Require valid-user and Order need."""
    names = [f"mod_{name}" for name in FOR_PASSWORDS[cell.server.line]]
    if not all(httpd.is_available(cell.server, name) for name in names):
        pytest.skip("mod_access_compat is not installed: apache2-bin on Debian")
    return "".join(
        f'LoadModule {name[4:]}_module "{cell.server.modules}/{name}.so"\n'
        for name in names
        if name not in cell.server.static
    )


@pytest.mark.needs("module-list")
@pytest.mark.parametrize("order", ORDERS)
def test_the_order_of_modules_does_not_matter(serve: Serve, order: str) -> None:
    config = f"""
{listed(ORDERS[order])}
{OLD}
SetEnvIf Request_URI . tests.mine=set
<Location /mount>
    SetHandler mod_wsgi
</Location>
<Directory "@{{www}}/folder">
    SetHandler mod_wsgi
    DirectoryIndex file.txt
</Directory>
RewriteEngine On
RewriteRule ^/rewritten(.*) /mount$1 [PT]
"""
    site = serve(config, files=FILES, processes=1)
    assert site.get("/mount/a/b").text == "/mount|/a/b|-|-|set"
    assert site.get("/folder/").text == "/folder|/|-|-|set"
    assert site.get("/folder/file.txt").text == "/folder|/file.txt|-|-|set"
    assert site.get("/folder/none/x").text == "/folder|/none/x|-|-|set"
    assert site.get("/rewritten/x").text.startswith("/mount|/x|")


@pytest.mark.needs("module-list")
def test_what_is_not_added_again_is_not_asked(serve: Serve) -> None:
    config = f"""
{listed(OTHERS)}
{OLD}
<Location /mount>
    SetHandler mod_wsgi
</Location>
"""
    site = serve(config, files=FILES, processes=1)
    site.tolerates("File does not exist")
    site.tolerates("Cannot remove module mod_wsgi.c")  # when the server stops
    assert site.get("/mount/").status_code == 404


@pytest.mark.needs("module-list")
def test_the_list_of_modules_holds_after_a_restart(serve: Serve) -> None:
    config = (
        f"{listed(ORDERS['last'])}\n{OLD}\n<Location /mount>\nSetHandler mod_wsgi\n</Location>"
    )
    site = serve(config, files=FILES, processes=1)
    for _ in range(2):
        assert site.get("/mount/x").text.startswith("/mount|/x|")
        site.restart()
    assert site.get("/mount/x").text.startswith("/mount|/x|")


ACCESS = """
@{passwords}
@{base}
<Location />
    SetHandler mod_wsgi
    SetEnv mod_wsgi.directory "@{www}/code"
    SetEnv mod_wsgi.interpreter old
    SetEnv mod_wsgi.application old
    Order allow,deny
    Allow from all
</Location>
<Location ~ "^/(both|any)">
    AuthType Basic
    AuthName tests
    AuthUserFile "@{www}/code/users"
    Require valid-user
</Location>
<Location /closed>
    Order deny,allow
    Deny from all
</Location>
<Location /elsewhere>
    Order deny,allow
    Deny from all
    Allow from 192.0.2.0/24
</Location>
<Location /here>
    Order deny,allow
    Deny from all
    Allow from 127.0.0.1
</Location>
<Location /both>
    Order allow,deny
    Allow from all
    Satisfy all
</Location>
<Location /any>
    Order deny,allow
    Deny from all
    Satisfy any
</Location>
<Location /any-here>
    Order deny,allow
    Allow from 127.0.0.1
    Satisfy any
</Location>
<Location /by-variable>
    SetEnvIf User-Agent ^friend$ friend
    Order deny,allow
    Deny from all
    Allow from env=friend
</Location>
"""


@pytest.fixture
def access(cell: Cell, serve: Serve) -> Site:
    config = ACCESS.replace("@{base}", BASE)
    return serve(config, files=FILES, values={"passwords": passwords(cell)}, processes=1)


def test_order_allow_deny_and_satisfy_hold_for_applications(access: Site) -> None:
    access.tolerates("client denied by server configuration")
    for path in ("/closed", "/elsewhere", "/closed/x", "/by-variable"):
        assert access.get(path).status_code == 403, path
    for path in ("/", "/here", "/any-here/x"):
        assert access.get(path).status_code == 200, path
    assert access.get("/by-variable", headers={"User-Agent": "friend"}).status_code == 200
    for path in ("/both", "/any/x"):
        assert access.get(path).status_code == 401, path
        reply = access.get(path, auth=ALICE)
        assert reply.status_code == 200, path
        assert "|alice|" in reply.text


def test_a_wrong_password_reaches_no_application(access: Site) -> None:
    access.tolerates("[Pp]assword [Mm]ismatch|client denied by server configuration")
    assert access.get("/both", auth=("alice", "wrong")).status_code == 401
    assert access.get("/any", auth=("alice", "wrong")).status_code == 401


OVERRIDES = """
@{passwords}
SetEnv tests.mine set
DocumentRoot "@{www}"
<Directory "@{www}">
    Options ExecCGI FollowSymLinks
    Order allow,deny
    Allow from all
    AllowOverride @{kinds}
</Directory>
"""

MOUNT = f"""
SetHandler mod_wsgi
{OLD}
"""

REFUSED = "(SetHandler|SetEnv|AddHandler|ErrorDocument) not allowed here"


def overriding(cell: Cell, serve: Serve, kinds: str, **htaccess: str) -> Site:
    """A site whose folder/.htaccess has this text, with these kinds of directives allowed."""
    values = {"kinds": kinds, "passwords": passwords(cell)}
    files = {**FILES, "folder/app.old": "", "folder/.htaccess": htaccess["text"]}
    return serve(OVERRIDES, files=files, values=values, processes=1)


@pytest.mark.parametrize("kinds", ["FileInfo", "All"])
def test_an_htaccess_file_mounts_an_application(cell: Cell, serve: Serve, kinds: str) -> None:
    site = overriding(cell, serve, kinds, text=MOUNT)
    assert site.get("/folder/x/y").text == "/folder|/x/y|-|-|set"
    assert site.get("/folder/").text == "/folder|/|-|-|set"


@pytest.mark.parametrize("kinds", ["AuthConfig Limit Indexes Options", "Limit"])
def test_an_htaccess_file_mounts_nothing_without_file_info(
    cell: Cell, serve: Serve, kinds: str
) -> None:
    site = overriding(cell, serve, kinds, text=MOUNT)
    site.expects(REFUSED)
    assert site.get("/folder/x").status_code == 500


def test_an_htaccess_file_is_not_read_if_nothing_may_be_overridden(
    cell: Cell, serve: Serve
) -> None:
    site = overriding(cell, serve, "None", text=MOUNT)
    assert site.get("/folder/file.txt").text == "a file"


@pytest.mark.parametrize("handler", ["AddHandler mod_wsgi .old", "AddHandler mod_wsgi old"])
def test_an_htaccess_file_has_a_handler_for_some_files(
    cell: Cell, serve: Serve, handler: str
) -> None:
    text = MOUNT.replace("SetHandler mod_wsgi", handler)
    site = overriding(cell, serve, "FileInfo", text=text)
    assert site.get("/folder/app.old/x").text == "/folder/app.old|/x|-|-|set"
    assert site.get("/folder/file.txt").text == "a file"


def test_an_htaccess_file_has_an_application_for_errors(cell: Cell, serve: Serve) -> None:
    text = MOUNT.replace("SetHandler mod_wsgi", "AddHandler mod_wsgi .old")
    text += "ErrorDocument 404 /folder/app.old/error\n"
    site = overriding(cell, serve, "FileInfo", text=text)
    site.tolerates("File does not exist")
    reply = site.get("/folder/missing")
    assert reply.status_code == 200
    assert reply.text == "/folder/app.old|/error|-|404|set"


def test_an_htaccess_file_closes_its_application(cell: Cell, serve: Serve) -> None:
    text = f"""{MOUNT}
Order deny,allow
Deny from all
Satisfy any
AuthType Basic
AuthName tests
AuthUserFile "@{{www}}/code/users"
Require valid-user
"""
    site = overriding(cell, serve, "FileInfo AuthConfig Limit", text=text)
    site.tolerates("client denied by server configuration")
    assert site.get("/folder/x").status_code == 401
    assert site.get("/folder/x", auth=ALICE).text == "/folder|/x|alice|-|set"
