"""mod_wsgi doctor: it finds the usual mistakes in the configuration of a real server."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from command import httpd
from command.__main__ import main
from tests.conftest import Serve
from tests.harness.cells import Cell

pytestmark = pytest.mark.any_python

APPLICATION = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"well"]
"""

GOOD = """
<Location /shop>
    SetHandler mod_wsgi
    PROCESS
    SetEnv mod_wsgi.application shop
    SetEnv mod_wsgi.directory @/code
</Location>
"""

# One mistake in each section, so that one look at the server finds them all.
BAD = """
SetEnv mod_wsgi.process auto
SetEnv MOD_WSGI_USERS 33-
Alias /static/ @/static/
Alias /pages/ @/htdocs/pages/
<Location />
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application shop
    SetEnv mod_wsgi.directory @/code
</Location>
<Location /handler>
    SetHandler mod-wsgi
</Location>
<Location /name>
    SetEnv mod_wsgi.aplication shop
</Location>
<Location /value>
    SetEnv mod_wsgi.reload yes
</Location>
<Location /path>
    SetEnv mod_wsgi.application shop.py
</Location>
<Location /nowhere>
    SetEnv mod_wsgi.directory @/coda
</Location>
<Location /missing>
    SetEnv mod_wsgi.application shopp
</Location>
<Location /callable>
    SetEnv mod_wsgi.application shop::app
</Location>
<Location /broken>
    SetEnv mod_wsgi.application broken
</Location>
<Location /environment>
    SetEnv mod_wsgi.virtualenv @/static
</Location>
<Location /older>
    SetEnv mod_wsgi.virtualenv @/older
</Location>
<Location /user>
    SetEnv mod_wsgi.user nobody-at-all
</Location>
<Location /root>
    SetEnv mod_wsgi.user root
</Location>
<Location /python>
    SetEnv mod_wsgi.application shop
    SetEnv mod_wsgi.python 3.1
</Location>
<Directory @/htdocs>
    AllowOverride None
</Directory>
"""

FOUND = """
the handler 'mod-wsgi' is nobody's: did you mean mod_wsgi? / write SetHandler mod_wsgi
MOD_WSGI_USERS is read from the server's own environment / into envvars
mod_wsgi.aplication is no variable of mod_wsgi: did you mean mod_wsgi.application?
mod_wsgi.reload cannot be 'yes' / write off, on or a path that begins with /
mod_wsgi.application cannot be 'shop.py' / write shop
there is no directory @/coda / did you mean @/code?
@/static is no virtual environment: it lacks lib/python*
@/older is of Python 1.5, and Python {version} serves here / python{version} -m venv @/older
the application shopp has no file: @/code has no shopp / did you mean shop?
@/code/shop.py has no app / write SetEnv mod_wsgi.application shop::application
mod_wsgi.user names nobody-at-all, and there is no such user / add the user
root is root or of root's group, and gets no process / name an ordinary user
PROGRAM
gets the URLs below /static, too, and not this Alias / write behind that section
gets the URLs below /pages, too, and not this Alias / write behind that section
@/htdocs/cart/.htaccess: AllowOverride keeps the server from heeding this file
"""


@pytest.fixture
def root(cell: Cell) -> Iterator[Path]:
    """A folder with an application, which the server's user can read."""
    del cell
    with httpd.server_root() as folder:
        for name in ("code", "static", "htdocs/pages", "htdocs/cart", "older/lib/python1.5"):
            (folder / name).mkdir(parents=True)
        (folder / "older" / "bin").mkdir()
        (folder / "older" / "bin" / "python").touch()
        (folder / "code" / "shop.py").write_text(APPLICATION)
        (folder / "code" / "broken.py").write_text("def application(:\n")
        (folder / "htdocs" / "cart" / ".htaccess").write_text("SetHandler mod_wsgi\n")
        (folder / "mime.types").touch()
        httpd.open_to_all(folder, *folder.rglob("*"))
        yield folder


def examined(
    cell: Cell,
    module: Path | None,
    root: Path,
    body: str,
    capsys: pytest.CaptureFixture[str],
) -> tuple[int, str]:
    """The status of mod_wsgi doctor for a configuration with this body, and what it says."""
    user = httpd.unprivileged_user()
    process = "SetEnv mod_wsgi.process auto" if cell.mode == "processes" else ""
    text = httpd.render(
        cell.server,
        module,
        port=8080,
        root=root,
        body=body.replace("@", str(root)).replace("PROCESS", process),
        user=user.pw_name if user else None,
    )
    (root / "httpd.conf").write_text(text)
    status = main(["doctor", "--httpd", str(cell.server.httpd), str(root / "httpd.conf")])
    return status, capsys.readouterr().out


def test_a_server_without_a_mistake_is_well(
    cell: Cell, module: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "htdocs" / "cart" / ".htaccess").unlink()
    process = "SetEnv mod_wsgi.process auto" if cell.mode == "processes" else ""
    (root / "shop.conf").write_text(GOOD.replace("@", str(root)).replace("PROCESS", process))
    status, said = examined(cell, module, root, "Include @/shop.conf", capsys)
    assert status == 0, said
    assert said.startswith(f"nothing wrong found; looked at {cell.server.httpd} (Apache/"), said
    assert said.count("\n") == 1
    assert "httpd.conf and 1 file that it includes, " in said
    assert f"the module {module}, 1 application, 0 .htaccess files" in said


def test_mistakes_are_found_in_the_order_to_mend_them(
    cell: Cell,
    module: Path,
    root: Path,
    version: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, said = examined(cell, module, root, BAD, capsys)
    assert status == 1
    place = 0
    program = (
        "has no program for Python 3.1: it has / ./dev build --python 3.1 install"
        if cell.mode == "processes"
        else "mod_wsgi-spawner, which starts the processes / install the folder mod_wsgi beside"
    )
    text = FOUND.format(version=version).replace("@", str(root)).replace("PROGRAM", program)
    for wanted in text.strip().splitlines():
        what, _, remedy = wanted.partition(" / ")
        assert what in said[place:], (what, said)
        place = said.index(what, place)
        assert remedy in said[place:].split("mend: ")[1].split("\n")[0], said
    last = f"{said.count('mend: ')}. "
    assert f"\n{last}" in said
    assert "httpd.conf:" in said


@pytest.mark.pythons("3.*")
def test_an_application_that_python_cannot_read_is_named(
    cell: Cell, module: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if cell.python.version > "3.11":
        pytest.skip("a newer Python than this one may have a newer grammar")
    _, said = examined(
        cell, module, root, GOOD.replace("application shop", "application broken"), capsys
    )
    assert f"{root}/code/broken.py:1: Python cannot read the application" in said


def test_a_server_without_the_module_is_told_so(
    cell: Cell, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, said = examined(cell, None, root, GOOD, capsys)
    assert status == 1
    assert "1. the server does not load mod_wsgi\n   mend: " in said


def test_a_directive_of_the_other_module_is_an_error_of_syntax(
    cell: Cell, module: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, said = examined(cell, module, root, "WSGIScriptAlias / /srv/shop.wsgi\n", capsys)
    assert status == 1
    first, second = said.split("\n1. ")[1].splitlines()[:2]
    assert first.startswith("the server cannot read its configuration:")
    assert "httpd.conf" in first
    assert "mod_wsgi convert FILE writes the file with variables" in second


@pytest.mark.skipif(os.geteuid() != 0, reason="another user's rights are asked of a child of root")
def test_a_closed_directory_is_named_with_each_above_it(
    cell: Cell, module: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "code").chmod(0o700)
    root.chmod(0o700)
    status, said = examined(cell, module, root, GOOD, capsys)
    root.chmod(0o755)
    assert status == 1
    assert f"cannot enter or read {root}, {root}/code\n" in said
    assert f"mend: chmod o+x {root} && chmod -R o+rX {root}/code" in said


def test_the_last_lines_of_the_log_are_explained(
    cell: Cell, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those since the start. What an earlier server has written may be mended by now."""
    site = serve(
        "<Location /x>\nSetHandler mod_wsgi\nSetEnv mod_wsgi.application shopp\n"
        'SetEnv mod_wsgi.directory "@{apps}"\n</Location>\n'
    )
    site.expects("mod_wsgi.application 'shopp'")
    site.tolerates("No module named|ImportError|ModuleNotFoundError")
    assert site.get("/x").status_code == 500
    site.watch.wait_for("mod_wsgi.application 'shopp'")
    words = ["doctor", "--httpd", str(cell.server.httpd), str(site.root / "httpd.conf")]
    assert main(words) == 1
    said = capsys.readouterr().out
    assert f"{site.root}/error.log: the log says: mod_wsgi.application 'shopp'" in said
