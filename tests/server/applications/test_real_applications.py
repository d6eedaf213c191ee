"""Applications that people run: MoinMoin, Trac, Django's admin, CherryPy, TurboGears.

Each is installed with the Python of the cell, given a home of its own that Apache's user owns, and
used as by somebody with a browser: pages are read, their forms filled in and sent. What the
applications serve of their own lies in tests/apps/real_*.py.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
import requests

from command import TOP, httpd
from tests.harness import venvs
from tests.harness.cells import Cell
from tests.harness.serving import Workshop, running
from tests.harness.site import Site, session

pytestmark = pytest.mark.slow

# Longer than the harness's own: the first request of a process imports the whole application.
TIMEOUT = 60.0

SECRET = "correct horse battery"

# Some kilobytes with every byte in them, line ends and NULs, and no multiple of a buffer's size.
CONTENT = bytes(number * 7 % 256 for number in range(70_001))


@dataclass(frozen=True, kw_only=True)
class Application:
    """What an application needs to be served: a release, a home, a mount."""

    name: str
    furnish: Callable[[Path, Path], None]
    config: str

    @property
    def release(self) -> venvs.Release:
        return venvs.APPLICATIONS[self.name]


@dataclass(kw_only=True)
class Form:
    """A form of a page: where it goes, and what a browser would send of it untouched."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: dict[str, str] = field(default_factory=dict)
    uploads: set[str] = field(default_factory=set)

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self.fields} | self.uploads | set(self.buttons)


class FormReader(HTMLParser):
    """Finds the forms of a page. HTMLParser reports what it reads to a subclass only."""

    def __init__(self) -> None:
        """Begins without a form."""
        super().__init__()
        self.forms: list[Form] = []
        self.open = False
        self.text: tuple[str, list[str]] | None = None
        self.select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.open = True
            method = told.get("method", "get").upper()
            self.forms.append(Form(action=told.get("action", ""), method=method))
        elif self.open and tag in ("input", "button"):
            self.control(told, told.get("type", "submit" if tag == "button" else "text").lower())
        elif self.open and tag == "textarea":
            self.text = (told.get("name", ""), [])
        elif self.open and tag == "select":
            self.select = told.get("name", "")
        elif self.open and tag == "option" and "selected" in told:
            self.forms[-1].fields.append((self.select, told.get("value", "")))

    def control(self, told: dict[str, str], kind: str) -> None:
        form, name = self.forms[-1], told.get("name", "")
        if kind == "file":
            form.uploads.add(name)
        elif kind == "submit":
            form.buttons[name] = told.get("value", "")
        elif name and (kind not in ("checkbox", "radio") or "checked" in told):
            form.fields.append((name, told.get("value", "")))

    def handle_data(self, data: str) -> None:
        if self.text:
            self.text[1].append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self.text:
            name, pieces = self.text
            self.forms[-1].fields.append((name, "".join(pieces).removeprefix("\n")))
            self.text = None
        elif tag == "form":
            self.open = False


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page in a browser."""

    client: requests.Session
    url: str
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode("utf-8")

    def open(self, link: str) -> "Page":
        return loaded(self.client, "GET", urljoin(self.url, link))

    def send(
        self,
        values: dict[str, str],
        *,
        file: tuple[str, str, bytes] | None = None,
        button: str = "",
    ) -> "Page":
        """Fills in the form that has all of these fields, attaches a file, presses a button."""
        wanted = set(values) | ({file[0]} if file else set()) | ({button} if button else set())
        form = next((each for each in self.forms() if wanted <= each.names), None)
        told = [sorted(each.names) for each in self.forms()]
        assert form, f"{self.url} has no form with {sorted(wanted)}, but {told}"
        data = [(name, values.get(name, text)) for name, text in form.fields]
        if button:
            data.append((button, form.buttons[button]))
        target = urljoin(self.url, form.action)
        if form.method == "GET":
            return loaded(self.client, "GET", target, params=data)
        files = {file[0]: file[1:]} if file else None
        return loaded(self.client, "POST", target, data=data, files=files)

    def forms(self) -> list[Form]:
        reader = FormReader()
        reader.feed(self.text)
        return reader.forms


def loaded(client: requests.Session, method: str, url: str, **options: Any) -> Page:
    """The page that a browser ends at, redirects followed; anything but a 200 is a failure."""
    reply = client.request(method, url, timeout=TIMEOUT, **options)
    assert reply.status_code == 200, f"{method} {url}: {reply.status_code}\n{reply.text[:1000]}"
    return Page(client=client, url=reply.url, content=reply.content)


def browse(site: Site, path: str) -> Page:
    """A page in a new browser, without cookies."""
    return loaded(session(), "GET", site.url + path)


def hand_over(home: Path) -> None:
    """Everything in the home becomes the property of the user that serves."""
    user = httpd.unprivileged_user()
    if user is not None:
        for path in (home, *home.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid)


def call(*command: str, cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, check=False, timeout=300)
    assert done.returncode == 0, f"{command}\n{(done.stdout + done.stderr).decode()}"


WIKI_SETTINGS = """
    page_front_page = u'FrontPage'
    actions_superuser = []
    acl_rights_default = u'Known:read,write,delete,revert All:read'
"""


def furnish_moin(venv: Path, home: Path) -> None:
    """A wiki as its manual says: a copy of what was installed, with what an administrator edits.

    That is the page to begin with, who may register and write, and a log of the wiki's own.
    """
    installed = venv / "share" / "moin"
    for name in ("data", "underlay"):
        shutil.copytree(installed / name, home / name)
    settings = (installed / "config" / "wikiconfig.py").read_text(encoding="latin-1")
    (home / "wikiconfig.py").write_text(f"{settings}\n{WIKI_SETTINGS}", encoding="latin-1")
    logging = (installed / "config" / "logging" / "logfile").read_text()
    logging, count = re.subn(
        "^logfile=.*", f"logfile={home}/moin.log", logging, flags=re.MULTILINE
    )
    assert count == 1
    (home / "logging.conf").write_text(logging)
    script = (installed / "server" / "moin.wsgi").read_text()
    for line in ("from MoinMoin import log", "log.load_config('/path/to/"):
        assert f"#{line}" in script
        script = script.replace(f"#{line}", line)
    script = script.replace("/path/to/logging_configuration_file", str(home / "logging.conf"))
    (home / "moin.wsgi").write_text(script)


def furnish_trac(venv: Path, home: Path) -> None:
    admin = str(venv / "bin" / "trac-admin")
    call(admin, "env", "initenv", "The project", "sqlite:db/trac.db", cwd=home)
    rights = ("TICKET_CREATE", "TICKET_APPEND", "WIKI_CREATE", "WIKI_MODIFY")
    call(admin, "env", "permission", "add", "anonymous", *rights, cwd=home)


def furnish_django(venv: Path, home: Path) -> None:
    copy_application("real_django.py", home)
    install = "import real_django; real_django.install('admin', 'secret')"
    call(str(venv / "bin" / "python"), "-c", install, cwd=home)


def furnish_cherrypy(_venv: Path, home: Path) -> None:
    copy_application("real_cherrypy.py", home)


def furnish_turbogears(_venv: Path, home: Path) -> None:
    copy_application("real_turbogears.py", home)


def copy_application(name: str, home: Path) -> None:
    """Applications keep their data beside them, as small sites do."""
    httpd.open_to_all(Path(shutil.copy(TOP / "tests" / "apps" / name, home)))


MOIN = Application(
    name="moin",
    furnish=furnish_moin,
    config="""
Alias /wiki "@{home}/moin.wsgi"
<Directory "@{home}">
    AddHandler mod_wsgi .wsgi
    Options +ExecCGI
    SetEnv mod_wsgi.virtualenv "@{venv}"
    SetEnv mod_wsgi.directory "@{home}"
    @{granted}
</Directory>
""",
)

# Trac takes its settings from the environ, so SetEnv is all it needs.
TRAC = Application(
    name="trac",
    furnish=furnish_trac,
    config="""
<Location /projects/trac>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.virtualenv "@{venv}"
    SetEnv mod_wsgi.application trac.web.main::dispatch_request
    SetEnv trac.env_path "@{home}/env"
</Location>
""",
)

LOCATION = """
<Location /{name}>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.virtualenv "@{{venv}}"
    SetEnv mod_wsgi.directory "@{{home}}"
    SetEnv mod_wsgi.application real_{name}
</Location>
"""

DJANGO = Application(
    name="django",
    furnish=furnish_django,
    config=LOCATION.format(name="django"),
)

CHERRYPY = Application(
    name="cherrypy",
    furnish=furnish_cherrypy,
    config=LOCATION.format(name="cherrypy"),
)

TURBOGEARS = Application(
    name="turbogears",
    furnish=furnish_turbogears,
    config=LOCATION.format(name="turbogears"),
)


def for_its_pythons(application: Application, *others: str) -> pytest.ParameterSet:
    suitable = pytest.mark.pythons(*application.release.pythons)
    return pytest.param(application, *others, id=application.name, marks=suitable)


def served(application: Application) -> pytest.MarkDecorator:
    """A test of this application asks a server that it shares with the others of it."""
    return pytest.mark.parametrize(
        "module_site", [for_its_pythons(application)], indirect=True, scope="module"
    )


@pytest.fixture(scope="module")
def module_site(
    request: pytest.FixtureRequest, cell: Cell, module: Path, workshop: Workshop
) -> Iterator[Site]:
    """A server with one application."""
    application: Application = request.param
    venv = venvs.make(cell.python, workshop.folder, application.release.packages)
    home = workshop.folder / f"{application.name}-{cell.name}"
    home.mkdir()
    application.furnish(venv, home)
    hand_over(home)
    granted = "Require all granted" if cell.server.line == "2.4" else "Allow from all"
    values = {"venv": str(venv), "home": str(home), "granted": granted}
    with running(cell, module, workshop, application.config, values=values) as started:
        yield started


@served(MOIN)
def test_moinmoin_shows_its_front_page(site: Site) -> None:
    assert site.get("/wiki/", timeout=TIMEOUT).status_code == 404, "it begins without one"
    register(site, "Zoe")
    write(log_in(site, "Zoe"), "FrontPage", "= Welcome =\nby '''Zo\xeb''' \u20ac")
    for path in ("/wiki", "/wiki/", "/wiki/FrontPage"):
        assert "<strong>Zo\xeb</strong> \u20ac" in browse(site, path).text


@served(MOIN)
def test_moinmoin_serves_its_own_static_files(site: Site) -> None:
    page = browse(site, "/wiki/LanguageSetup")
    assert page.open("/wiki/moin_static1911/common/moinmoin.png").content[:4] == b"\x89PNG"


@served(MOIN)
def test_moinmoin_registers_a_user_who_logs_in_and_edits(site: Site) -> None:
    register(site, "Alice")
    page = log_in(site, "Alice")
    assert "action=logout" in page.text
    long = "= Notes =\n" + "".join(f" * line {number}\n" for number in range(2000))
    assert "line 1999" in write(page, "AlicesNotes", long).text
    again = write(page, "AlicesNotes", "only this")
    assert "only this" in again.text
    assert "line 1999" not in again.text
    assert "Alice" in browse(site, "/wiki/AlicesNotes?action=info").text
    assert browse(site, "/wiki/AlicesNotes?action=raw").content.strip() == b"only this"


@served(MOIN)
def test_moinmoin_keeps_an_attachment(site: Site) -> None:
    register(site, "Bob")
    page = write(log_in(site, "Bob"), "BobsPage", "with an attachment")
    page = page.open("/wiki/BobsPage?action=AttachFile")
    page = page.send({}, file=("file", "bytes.bin", CONTENT))
    assert "bytes.bin" in page.text
    fetched = page.open("/wiki/BobsPage?action=AttachFile&do=get&target=bytes.bin")
    assert fetched.content == CONTENT


def write(page: Page, name: str, text: str) -> Page:
    editor = page.open(f"/wiki/{name}?action=edit")
    return editor.send({"savetext": text}, button="button_save")


def register(site: Site, name: str) -> None:
    page = browse(site, "/wiki/LanguageSetup?action=newaccount")
    told = page.send(
        {
            "name": name,
            "password1": SECRET,
            "password2": SECRET,
            "email": f"{name}@example.com",
        },
        button="create",
    )
    assert "User account created" in told.text


def log_in(site: Site, name: str) -> Page:
    page = browse(site, "/wiki/LanguageSetup?action=login")
    return page.send({"name": name, "password": SECRET}, button="login")


@served(TRAC)
def test_trac_shows_its_wiki(site: Site) -> None:
    page = browse(site, "/projects/trac")
    assert "Welcome to Trac" in page.text
    assert 'href="/projects/trac/wiki/TracGuide"' in page.text
    guide = page.open("/projects/trac/wiki/TracGuide")
    assert "The Trac User and Administration Guide" in guide.text
    assert b"font-family" in page.open("/projects/trac/chrome/common/css/trac.css").content


@served(TRAC)
def test_trac_takes_a_ticket(site: Site) -> None:
    page = browse(site, "/projects/trac/newticket").send(
        {"field_summary": "Zo\xeb finds \u20ac", "field_description": "'''bold'''"},
        button="submit",
    )
    assert page.url.startswith(f"{site.url}/projects/trac/ticket/")
    assert "Zo\xeb finds \u20ac" in page.text
    assert "<strong>bold</strong>" in page.text
    assert "Zo\xeb finds \u20ac" in browse(site, "/projects/trac/report/1").text


@served(TRAC)
def test_trac_keeps_a_changed_page(site: Site) -> None:
    page = browse(site, "/projects/trac/wiki/NewPage?action=edit")
    saved = page.send({"text": "= Heading =\nbody of the page"}, button="save")
    assert "body of the page" in saved.text
    assert "body of the page" in browse(site, "/projects/trac/wiki/NewPage").text


@served(TRAC)
def test_trac_keeps_an_attachment(site: Site) -> None:
    page = browse(site, "/projects/trac/wiki/Attached?action=edit")
    page = page.send({"text": "see the file"}, button="save")
    page = page.open("/projects/trac/attachment/wiki/Attached/?action=new")
    page = page.send({"description": "all bytes"}, file=("attachment", "bytes.bin", CONTENT))
    assert "bytes.bin" in page.text
    raw = page.open("/projects/trac/raw-attachment/wiki/Attached/bytes.bin")
    assert raw.content == CONTENT


@served(DJANGO)
def test_djangos_admin_shows_its_pages(site: Site) -> None:
    page = browse(site, "/django/admin/")
    assert page.url == f"{site.url}/django/admin/login/?next=/django/admin/"
    assert "Django administration" in page.text
    assert b"--primary" in page.open("/django/static/admin/css/base.css").content


@served(DJANGO)
def test_djangos_admin_logs_in_and_saves_a_form(site: Site) -> None:
    page = enter_admin(site)
    page = page.open("auth/user/add/").send(
        {"username": "zoe", "password1": "very long secret", "password2": "very long secret"},
        button="_save",
    )
    assert "was added successfully" in page.text
    assert ">zoe</a>" in page.open("/django/admin/auth/user/").text


@served(DJANGO)
def test_djangos_admin_refuses_a_wrong_password(site: Site) -> None:
    page = browse(site, "/django/admin/").send({"username": "admin", "password": "wrong"})
    assert "Please enter the correct username and password" in page.text


@served(DJANGO)
def test_djangos_admin_keeps_an_upload(site: Site) -> None:
    page = enter_admin(site).open("admin/document/add/")
    page = page.send(
        {"title": "\u20ac report"}, file=("file", "report.bin", CONTENT * 50), button="_save"
    )
    assert "\u20ac report" in page.text
    assert page.open("/django/media/documents/report.bin").content == CONTENT * 50


def enter_admin(site: Site) -> Page:
    page = browse(site, "/django/admin/").send({"username": "admin", "password": "secret"})
    assert "Site administration" in page.text
    return page


small_sites = pytest.mark.parametrize(
    ("module_site", "mount"),
    [for_its_pythons(CHERRYPY, "/cherrypy"), for_its_pythons(TURBOGEARS, "/turbogears")],
    indirect=["module_site"],
    scope="module",
)


@small_sites
def test_a_small_site_shows_its_page(site: Site, mount: str) -> None:
    assert f" {mount}" in browse(site, f"{mount}/").text


@small_sites
def test_a_small_site_takes_a_form(site: Site, mount: str) -> None:
    page = browse(site, f"{mount}/").send({"name": "Zo\xeb \u20ac & Co"})
    assert page.url == f"{site.url}{mount}/"
    assert "Zo\xeb \u20ac & Co" in page.text


@small_sites
def test_a_small_site_keeps_an_upload(site: Site, mount: str) -> None:
    page = browse(site, f"{mount}/").send({}, file=("file", "bytes.bin", CONTENT * 50))
    assert page.content == CONTENT * 50
