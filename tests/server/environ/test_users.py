"""Who asks: REMOTE_USER names somebody whose password was right, or nobody.

Servers set the name before they look at the password, and some keep it for what follows: a page
that says so, or what a page includes.
"""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.cells import Cell
from tests.harness.serving import Workshop, running
from tests.harness.site import Site

FOR_PASSWORDS = {
    "1.3": ("auth",),
    "2.0": ("auth",),
    "2.2": ("auth_basic", "authn_file", "authz_user"),
    "2.4": ("auth_basic", "authn_core", "authn_file", "authz_user"),
}

CONFIG = """
LoadModule @{include} "@{modules}/mod_include.so"
@{passwords}
@{base}
@{applications}
<Directory "@{www}/pages">
    Options +Includes
    AddType text/html .shtml
    AddHandler server-parsed .shtml
</Directory>
Alias /files "@{www}/pages"
<LocationMatch "^/secret">
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application pages::told
    AuthType Basic
    AuthName tests
    AuthUserFile "@{www}/users"
    Require valid-user
</LocationMatch>
<Location /secret>
    ErrorDocument 401 /secret/denied?REMOTE_USER,AUTH_TYPE
</Location>
<Location /secret-too>
    ErrorDocument 401 /pages/told?REMOTE_USER,AUTH_TYPE
</Location>
"""

FILES = {
    # Her password is "right".
    "users": "alice:$apr1$mod.wsgi$ciA6whYWBBnxTxgZ4g1ad1\n",
    "pages/looks.shtml": '<!--#fsize virtual="/secret/x" -->'
    '<!--#include virtual="/pages/told?REMOTE_USER,AUTH_TYPE" -->',
}


@pytest.fixture(scope="module")
def module_site(cell: Cell, module: Path, workshop: Workshop) -> Iterator[Site]:
    line, folder = cell.server.line, cell.server.modules
    values = {
        "modules": str(folder),
        "passwords": "\n".join(
            f'LoadModule {name}_module "{folder}/mod_{name}.so"' for name in FOR_PASSWORDS[line]
        ),
    }
    with running(cell, module, workshop, CONFIG, files=FILES, values=values) as started:
        yield started


def told(site: Site, path: str, password: str) -> str:
    site.tolerates("password|authentication|mod_include|unable to|fsize|Authorization")
    secret = base64.b64encode(f"alice:{password}".encode()).decode()
    return site.ask(path, headers={"Authorization": f"Basic {secret}"}).text


def test_a_user_whose_password_is_right_is_named(site: Site) -> None:
    assert told(site, "/secret?REMOTE_USER,AUTH_TYPE", "right") == "alice,Basic"


@pytest.mark.parametrize("path", ["/secret", "/secret-too"])
def test_an_error_document_does_not_name_a_user_whose_password_is_wrong(
    site: Site, path: str
) -> None:
    assert "alice" not in told(site, path, "wrong")


def test_a_page_that_looks_at_what_is_protected_makes_nobody_a_user(site: Site) -> None:
    """The server asks for the password in a sub-request, and the page goes on."""
    assert told(site, "/files/looks.shtml", "wrong").endswith("nothing,nothing")
