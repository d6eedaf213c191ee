"""`mod_wsgi convert`: what it makes of .htaccess files, macros and mod_python serves applications.

The configurations before that need modules that not each server has. So only what became of them
is asked here.
"""

from pathlib import Path

import pytest

from command import httpd
from command.convert import convert
from tests.conftest import Serve
from tests.harness import sources, venvs
from tests.harness.cells import Cell
from tests.harness.serving import Workshop
from tests.harness.site import Site

APPLICATION = """
import os

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    names = %r
    told = [str(environ.get(name, os.environ.get(name))) for name in names]
    return ["\\n".join(told).encode("latin-1")]
"""
MOUNT = ("SCRIPT_NAME", "PATH_INFO")


def written(folder: Path, **texts: str) -> None:
    """Python files that the server's user can read."""
    sources.write(folder, **texts)
    httpd.open_to_all(folder, *folder.rglob("*"))


def converted(folder: Path, name: str, text: str, line: str) -> str:
    """What the file becomes on that line, as a test's configuration."""
    path = folder / name
    path.write_text(text)
    texts, _ = convert([path], line=line)
    return texts[path].replace("@", "@@")


@pytest.fixture
def folder(workshop: Workshop, cell: Cell) -> Path:
    return workshop.new_root(cell)


def told(site: Site, path: str) -> list[str]:
    answer = site.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text.split("\n")


def test_an_htaccess_file_serves_its_application(cell: Cell, serve: Serve, folder: Path) -> None:
    before = """
Options +ExecCGI
AddHandler wsgi-script .wsgi
WSGIPassAuthorization On
SetEnv SHOP open
"""
    site = serve(
        '<Directory "@{www}">\nAllowOverride FileInfo Options\n</Directory>\n',
        files={
            ".htaccess": converted(folder, ".htaccess", before, cell.server.line),
            "hello.wsgi": APPLICATION % ((*MOUNT, "SHOP", "HTTP_AUTHORIZATION"),),
        },
    )
    answer = site.get("/hello.wsgi/x", headers={"Authorization": "Basic YTpi"})
    assert answer.text.split("\n") == ["/hello.wsgi", "/x", "open", "Basic YTpi"]


@pytest.mark.needs("macros")
def test_a_macro_serves_each_of_its_applications(cell: Cell, serve: Serve, folder: Path) -> None:
    before = f"""
<Directory "{folder}">
    Require all granted
</Directory>
<Macro Shop $name>
    Alias /$name/static "{folder}/static"
    WSGIScriptAlias /$name "{folder}/$name.py"
    <Location /$name>
        WSGIApplicationGroup $name
        SetEnv SHOP $name
    </Location>
</Macro>
Use Shop one
Use Shop two
UndefMacro Shop
"""
    text = APPLICATION % ((*MOUNT, "SHOP"),)
    written(folder, one=text, two=text, static__site="p = 1\n")
    load = f'LoadModule macro_module "{cell.server.modules}/mod_macro.so"\n'
    site = serve(load + converted(folder, "httpd.conf", before, cell.server.line))
    assert told(site, "/one") == ["/one", "", "one"]
    assert told(site, "/two/x") == ["/two", "/x", "two"]
    assert told(site, "/two/static/site.py") == ["p = 1", ""]


def test_what_mod_python_served_of_trac_is_served(cell: Cell, serve: Serve, folder: Path) -> None:
    before = f"""
<Location /projects>
    SetHandler mod_python
    PythonInterpreter main_interpreter
    PythonPath "['{folder}/code'] + sys.path"
    PythonHandler trac.web.modpython_frontend
    PythonOption TracEnv /srv/trac/shop
    PythonOption TracUriRoot /projects
    PythonDebug On
</Location>
"""
    text = APPLICATION.replace("def application", "def dispatch_request")
    written(folder / "code", trac__web__main=text % ((*MOUNT, "trac.env_path"),))
    site = serve(converted(folder, "httpd.conf", before, cell.server.line))
    assert told(site, "/projects/wiki") == ["/projects", "/wiki", "/srv/trac/shop"]


@pytest.mark.slow
def test_what_mod_python_served_of_django_is_served(
    cell: Cell, serve: Serve, folder: Path, workshop: Workshop
) -> None:
    """The project is a real one, which Django itself makes."""
    environment = venvs.of(cell.python, workshop.folder, ["django"])
    packages = next(environment.glob("lib/python*/site-packages"))
    (folder / "code").mkdir()
    venvs.run(
        str(environment / "bin" / "django-admin"), "startproject", "club", str(folder / "code")
    )
    httpd.open_to_all(folder, *folder.rglob("*"))
    before = f"""
<Location /club>
    SetHandler python-program
    PythonHandler django.core.handlers.modpython
    SetEnv DJANGO_SETTINGS_MODULE club.settings
    PythonOption django.root /club
    PythonInterpreter club
    PythonPath "['{folder}/code', '{packages}'] + sys.path"
    PythonDebug On
</Location>
"""
    site = serve(converted(folder, "httpd.conf", before, cell.server.line))
    answer = site.get("/club/admin/login/", timeout=60)
    assert answer.status_code == 200, answer.text
    assert 'action="/club/admin/login/"' in answer.text
