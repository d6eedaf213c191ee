"""`mod_wsgi convert`: what a script of access protected is closed, on each server."""

from pathlib import Path

import pytest

from command.convert import convert
from tests.conftest import Serve
from tests.harness.cells import Cell

BEFORE = """
SetEnv mod_wsgi.directory "@{apps}"
<Location />
    Options +ExecCGI
    SetHandler wsgi-script
    SetEnv mod_wsgi.application hello
    SetEnv mod_wsgi.script_name /
</Location>
<Directory "@{www}">
    <Files hidden>
        WSGIAccessScript /srv/access.wsgi
        Satisfy any
    </Files>
</Directory>
<Location /secret>
    AuthBasicProvider wsgi
    WSGIAuthUserScript /srv/users.wsgi
    GRANT
</Location>
<Location /staff>
    WSGIAuthGroupScript /srv/groups.wsgi
    <Limit GET POST>
        GRANT
    </Limit>
</Location>
<Location /hidden>
    GRANT
</Location>
"""

OPEN, CLOSED = 200, 403


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_a_script_protected_is_closed(
    cell: Cell, serve: Serve, tmp_path: Path, method: str
) -> None:
    new = cell.server.line == "2.4"
    grant = "Require all granted" if new else "Order allow,deny\n    Allow from all"
    before = tmp_path / "before.conf"
    before.write_text(BEFORE.replace("GRANT", grant))
    texts, _ = convert([before], line=cell.server.line)
    site = serve(texts[before], files={"hidden": "a file\n"})
    site.tolerates("client denied by server configuration")
    assert site.request(method, "/page").status_code == OPEN
    for path in ("/secret", "/secret/x", "/staff", "/hidden"):
        assert site.request(method, path).status_code == CLOSED, path
