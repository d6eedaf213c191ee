"""Customers who configure their directories with .htaccess files: what each may do, and what not.

Two customers have directories of their own below the document root: mallory, who tries
everything, and alice, who is to notice nothing of it. The administrator has an application, too.
docs/shared-hosting.md shows these attempts and their answers.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.harness.accounts import ALICE, MALLORY
from tests.harness.cells import Cell
from tests.harness.hosting import CONFIG as CONFIG_OF_HOST
from tests.harness.hosting import Hosting, need_root, rules
from tests.harness.site import Site

OPTIONS = {"processes": 1}

pytestmark = pytest.mark.usefixtures("customers")


CONFIG = (
    CONFIG_OF_HOST
    + """
<Directory "@{www}/mallory/not-allowed">
    Options FollowSymLinks
</Directory>
<Directory "@{www}/mallory/views">
    Options MultiViews
    AddType application/x-type-map var
    DirectoryIndex sub/page.html
</Directory>
<Location /admin>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application shop
    SetEnv mod_wsgi.directory "@{www}/admin-code"
    SetEnv mod_wsgi.interpreter blue
</Location>
"""
)

PAGES = """
LoadModule @{include} "@{modules}/mod_include.so"
<Directory "@{www}/mallory/pages">
    Options +Includes
    AddType text/html .shtml
    AddHandler server-parsed .shtml
</Directory>
"""

SHOP = """
ORDERS = []

def application(environ, start_response):
    ORDERS.append(environ["QUERY_STRING"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    user = environ.get("REMOTE_USER", "nobody")
    return [("%s of @{owner}, for %s" % (",".join(ORDERS), user)).encode("latin-1")]
"""


@dataclass(frozen=True, kw_only=True)
class Shops(Hosting):
    """The same shop for each customer, and mounts of it."""

    def shop(self, owner: int, path: str, name: str) -> None:
        self.put(owner, f"{path}/shop.py", SHOP.replace("@{owner}", name))

    def htaccess(self, owner: int, path: str, code: str, more: str = "") -> None:
        """A mount at path, whose application is below the folder `code`."""
        text = rules("shop", self.www / code, more, interpreter="blue")
        self.put(owner, f"{path}/.htaccess", text)


@pytest.fixture
def hosting(site: Site) -> Iterator[Shops]:
    """Alice's shop is open; whatever mallory does in a test, it goes on as before."""
    need_root()
    host = Shops.of(site)
    host.shop(ALICE, "alice/code", "alice")
    host.htaccess(ALICE, "alice/shop", "alice/code")
    host.shop(MALLORY, "mallory/code", "mallory")
    host.shop(0, "admin-code", "the administrator")
    yield host
    answer = told(site, "/alice/shop/")
    assert answer.endswith("of alice, for nobody")
    assert "mallory" not in answer


def told(site: Site, path: str) -> str:
    reply = site.ask(path)
    assert reply.status == 200, reply.text
    return reply.text


def refused(site: Site, path: str, line: str, status: int = 403) -> None:
    """One answer, and one line that says why."""
    site.expects(line)
    assert site.ask(path).status == status
    site.watch.wait_for(line)
    assert len(site.watch.severe()) == 1, "\n".join(site.watch.severe())


def test_a_customers_application_runs(hosting: Shops, site: Site) -> None:
    hosting.htaccess(MALLORY, "mallory/own", "mallory/code")
    assert "of mallory" in told(site, "/mallory/own/")


ASKING = """
import os

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [os.environ.get("LD_PRELOAD", "nothing").encode("latin-1")]
"""


def test_what_a_customer_sets_for_os_environ_is_the_customers_only(
    hosting: Shops, site: Site
) -> None:
    for owner, name in ((MALLORY, "mallory"), (ALICE, "alice")):
        hosting.put(owner, f"{name}/asking/asking.py", ASKING)
        more = "SetEnv mod_wsgi.application asking\nSetEnv mod_wsgi.interpreter asking\n"
        more += "SetEnv mod_wsgi.environ.LD_PRELOAD mallory\n" if owner == MALLORY else ""
        hosting.htaccess(owner, f"{name}/asks", f"{name}/asking", more)
    assert told(site, "/mallory/asks/") == "mallory"
    assert told(site, "/alice/asks/") == "nothing"


def test_the_same_name_is_another_interpreter_for_each_owner(hosting: Shops, site: Site) -> None:
    """All three say `mod_wsgi.interpreter blue` and `shop`."""
    hosting.htaccess(MALLORY, "mallory/blue", "mallory/code")
    assert "from-mallory of mallory" in told(site, "/mallory/blue/?from-mallory")
    assert told(site, "/admin?from-admin").startswith("from-admin of the administrator")
    assert "mallory" not in told(site, "/alice/shop/?")
    assert told(site, "/alice/shop/").endswith("of alice, for nobody")


def test_two_directories_of_an_owner_share_a_name(hosting: Shops, site: Site) -> None:
    hosting.htaccess(MALLORY, "mallory/one", "mallory/code")
    hosting.htaccess(MALLORY, "mallory/two", "mallory/code")
    told(site, "/mallory/one/?first")
    assert "first," in told(site, "/mallory/two/?second")


def test_the_default_name_is_private_to_the_owner_too(hosting: Shops, site: Site) -> None:
    settings = f"""
SetHandler mod_wsgi
SetEnv mod_wsgi.application shop
SetEnv mod_wsgi.directory {hosting.www}/mallory/code
"""
    hosting.put(MALLORY, "mallory/unnamed/.htaccess", settings)
    assert "of mallory" in told(site, "/mallory/unnamed/")


def test_the_administrator_has_to_allow_execution(hosting: Shops, site: Site) -> None:
    hosting.htaccess(MALLORY, "mallory/not-allowed", "mallory/code")
    refused(site, "/mallory/not-allowed/", r"may not serve .*: .*Options \+ExecCGI")


def test_a_customer_cannot_allow_execution(hosting: Shops, site: Site) -> None:
    """AllowOverride has no Options here: the server itself refuses the file."""
    hosting.htaccess(MALLORY, "mallory/not-allowed", "mallory/code", "Options +ExecCGI\n")
    site.expects("Options not allowed here")
    assert site.ask("/mallory/not-allowed/").status == 500


@pytest.mark.parametrize("path", ["/mallory/views/x", "/mallory/views/"])
def test_a_file_that_takes_the_place_of_what_was_asked_for_is_a_customers_too(
    hosting: Shops, site: Site, path: str
) -> None:
    """A variant, or a directory's index: the server has met its .htaccess file on another way."""
    variants = "URI: x\n\nURI: sub/page.html\nContent-Type: text/html\n"
    hosting.put(MALLORY, "mallory/views/x.var", variants)
    hosting.put(MALLORY, "mallory/views/sub/page.html", "")
    hosting.htaccess(
        MALLORY, "mallory/views/sub", "mallory/code", "SetEnv mod_wsgi.interpreter other\n"
    )
    refused(site, path, 'has to allow it with "Options \\+ExecCGI"')


VIEWED = """
AddType text/html .shtml
AddHandler server-parsed .shtml
AddHandler mod_wsgi .wsgi
SetEnv mod_wsgi.interpreter main_interpreter
@{more}
"""


def test_what_is_included_by_a_file_that_takes_anothers_place_is_a_customers_too(
    serve: Serve, cell: Cell
) -> None:
    """The page's .htaccess file sets what the included application is to believe, or is."""
    need_root()
    old = cell.server.line == "1.3"
    values = {
        "modules": str(cell.server.modules),
    }
    config = PAGES + CONFIG.replace("Options MultiViews\n", "Options MultiViews Includes\n")
    site = serve(config, values=values, processes=1)
    hosting = Shops.of(site)
    hosting.shop(ALICE, "alice/code", "alice")
    hosting.htaccess(ALICE, "alice/shop", "alice/code")
    variants = "URI: x\n\nURI: sub/page.shtml\nContent-Type: text/html\n"
    hosting.put(MALLORY, "mallory/views/x.var", variants)
    more = "" if old else "RequestHeader set X-Remote-User alice"
    hosting.put(MALLORY, "mallory/views/sub/.htaccess", VIEWED.replace("@{more}", more))
    page = '<!--#include file="app.wsgi" -->|<!--#include virtual="/alice/shop/" -->'
    hosting.put(MALLORY, "mallory/views/sub/page.shtml", page)
    script(hosting, MALLORY, "mallory/views/sub/app.wsgi", "mallory")
    site.tolerates("may not serve .*|unable to include|does not exist")
    reply = site.ask("/mallory/views/x")
    assert "|" in reply.text
    assert "mallory" not in reply.text.replace("/mallory", "")
    assert "of alice" not in reply.text


@pytest.mark.needs("shared-process")
def test_the_main_interpreter_is_the_administrators(hosting: Shops, site: Site) -> None:
    hosting.htaccess(
        MALLORY, "mallory/m", "mallory/code", "SetEnv mod_wsgi.interpreter main_interpreter\n"
    )
    refused(site, "/mallory/m/", "main_interpreter is the administrator's")


@pytest.mark.parametrize("name", ["20001\x1fblue", "\x1fblue", "blue\x01"])
def test_another_owners_name_cannot_be_spelt(hosting: Shops, site: Site, name: str) -> None:
    hosting.htaccess(
        MALLORY, "mallory/n", "mallory/code", f'SetEnv mod_wsgi.interpreter "{name}"\n'
    )
    refused(site, "/mallory/n/", "has a control character", 500)


@pytest.mark.needs("processes")
@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("mod_wsgi.user daemon", "mod_wsgi.user is the administrator's"),
        ("mod_wsgi.process off", "mod_wsgi.process off is the administrator's"),
    ],
)
def test_a_customer_does_not_choose_as_whom_an_application_runs(
    hosting: Shops, site: Site, setting: str, why: str
) -> None:
    hosting.htaccess(MALLORY, "mallory/as", "mallory/code", f"SetEnv {setting}\n")
    refused(site, "/mallory/as/", why)


@pytest.mark.parametrize("name", ["20001\x1fblue", "20001%1Fblue", "%1Fblue"])
def test_another_owners_name_cannot_come_from_a_url(hosting: Shops, site: Site, name: str) -> None:
    rewriting = "RewriteEngine On\nRewriteRule ^(.*)$ - [E=mod_wsgi.interpreter:$1]\n"
    settings = rules("shop", hosting.www / "mallory/code", rewriting)
    hosting.put(MALLORY, "mallory/url/.htaccess", settings)
    refused(site, "/mallory/url/" + name.replace("\x1f", "%1f"), "has a control character", 500)


def test_another_owners_number_is_but_a_name(hosting: Shops, site: Site) -> None:
    hosting.htaccess(
        MALLORY, "mallory/num", "mallory/code", f"SetEnv mod_wsgi.interpreter {ALICE}blue\n"
    )
    assert "of mallory" in told(site, "/mallory/num/")


def test_the_code_of_another_customer_does_not_run(hosting: Shops, site: Site) -> None:
    hosting.htaccess(MALLORY, "mallory/foreign", "alice/code")
    refused(
        site,
        "/mallory/foreign/",
        f"directory '.*alice/code' belongs to the user {ALICE},.*{MALLORY}",
    )


def test_one_foreign_directory_of_two_is_refused(hosting: Shops, site: Site) -> None:
    directories = f"{hosting.www}/mallory/code:{hosting.www}/alice/code"
    hosting.htaccess(
        MALLORY,
        "mallory/second",
        "mallory/code",
        f"SetEnv mod_wsgi.directory {directories}\nSetEnv mod_wsgi.interpreter second\n",
    )
    refused(site, "/mallory/second/", f"alice/code' belongs to the user {ALICE}")


def test_a_link_to_the_code_of_another_customer_does_not_run(hosting: Shops, site: Site) -> None:
    hosting.link(MALLORY, "mallory/borrowed", "alice/code")
    hosting.htaccess(MALLORY, "mallory/linked", "mallory/borrowed")
    refused(site, "/mallory/linked/", f"borrowed' belongs to the user {ALICE}")


def test_a_virtual_environment_of_another_customer_is_refused(
    hosting: Shops, site: Site, version: str
) -> None:
    hosting.put(ALICE, f"alice/venv/lib/python{version}/site-packages/secret.py", "")
    hosting.htaccess(
        MALLORY,
        "mallory/env",
        "mallory/code",
        f"SetEnv mod_wsgi.virtualenv {hosting.www}/alice/venv\nSetEnv mod_wsgi.interpreter env\n",
    )
    refused(site, "/mallory/env/", f"virtualenv '.*alice/venv' belongs to the user {ALICE}")


@pytest.mark.parametrize("part", ["pyvenv.cfg", "bin", "lib", "lib/python@", "site-packages"])
def test_a_part_of_another_customers_environment_is_refused(
    hosting: Shops, site: Site, version: str, part: str
) -> None:
    """A link in mallory's environment is enough to have alice's modules."""
    part = part.replace("@", version).replace("site", f"lib/python{version}/site")
    packages = f"lib/python{version}/site-packages"
    name = f"mallory/env-{part.replace('/', '-')}"
    for owner, env in ((ALICE, "alice/venv"), (MALLORY, name)):
        hosting.put(owner, f"{env}/pyvenv.cfg", "home = /usr/bin\n")
        hosting.put(owner, f"{env}/{packages}/secret.py", "")
        hosting.put(owner, f"{env}/bin/activate", "")
    mine = hosting.www / name / part
    mine.rename(hosting.www / name / "mine")
    hosting.link(MALLORY, f"{name}/{part}", f"alice/venv/{part}")
    hosting.htaccess(
        MALLORY,
        f"{name}-page",
        "mallory/code",
        f"SetEnv mod_wsgi.virtualenv {hosting.www}/{name}\nSetEnv mod_wsgi.interpreter {name}\n",
    )
    refused(site, f"/{name}-page/", f"virtualenv '.*/{part}' belongs to the user {ALICE}")


@pytest.mark.parametrize("mode", [0o777, 0o757])
def test_a_directory_that_everybody_writes_to_is_refused(
    hosting: Shops, site: Site, mode: int
) -> None:
    hosting.shop(MALLORY, "mallory/open", "mallory")
    (hosting.www / "mallory/open").chmod(mode)
    hosting.htaccess(
        MALLORY, "mallory/w", "mallory/open", f"SetEnv mod_wsgi.interpreter open{mode}\n"
    )
    refused(site, "/mallory/w/", "open' can be written to by everybody.*chmod o-w")


def test_an_application_without_a_directory_is_refused(hosting: Shops, site: Site) -> None:
    """Else it would be looked for where the administrator keeps modules."""
    hosting.put(
        MALLORY,
        "mallory/anywhere/.htaccess",
        "SetHandler mod_wsgi\nSetEnv mod_wsgi.application shop\n",
    )
    refused(site, "/mallory/anywhere/", "set mod_wsgi.directory to the directory")


def test_an_application_without_a_directory_is_refused_where_there_is_a_file(
    hosting: Shops, site: Site
) -> None:
    """The file behind the URL is not what mod_wsgi.application names."""
    hosting.put(MALLORY, "mallory/anywhere/page.txt", "a file")
    hosting.put(
        MALLORY,
        "mallory/anywhere/.htaccess",
        "SetHandler mod_wsgi\nSetEnv mod_wsgi.application shop\n",
    )
    refused(site, "/mallory/anywhere/page.txt", "set mod_wsgi.directory to the directory")


@pytest.mark.needs("servers-user")
def test_a_directory_that_cannot_be_read_is_said(hosting: Shops, site: Site) -> None:
    hosting.shop(MALLORY, "mallory/closed", "mallory")
    (hosting.www / "mallory/closed").chmod(0o711)
    hosting.htaccess(
        MALLORY, "mallory/x", "mallory/closed", "SetEnv mod_wsgi.interpreter closed\n"
    )
    refused(
        site,
        "/mallory/x/",
        "mod_wsgi.directory '.*closed' can't be used.*cannot read.*chmod o.r",
        500,
    )


SCRIPT = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"a file of @{owner}"]
"""

SCRIPTS = "AddHandler mod_wsgi .wsgi\n"


def script(hosting: Shops, owner: int, path: str, name: str, mode: int = 0o644) -> Path:
    return hosting.put(owner, path, SCRIPT.replace("@{owner}", name), mode)


def test_a_customers_file_runs(hosting: Shops, site: Site) -> None:
    hosting.put(MALLORY, "mallory/files/.htaccess", SCRIPTS)
    script(hosting, MALLORY, "mallory/files/own.wsgi", "mallory")
    assert told(site, "/mallory/files/own.wsgi") == "a file of mallory"


def test_a_file_of_another_customer_does_not_run(hosting: Shops, site: Site) -> None:
    hosting.put(MALLORY, "mallory/files/.htaccess", SCRIPTS)
    script(hosting, ALICE, "mallory/files/foreign.wsgi", "alice")
    refused(site, "/mallory/files/foreign.wsgi", f"foreign.wsgi' belongs to the user {ALICE}")


def test_a_link_to_a_file_of_another_customer_does_not_run(hosting: Shops, site: Site) -> None:
    hosting.put(MALLORY, "mallory/files/.htaccess", SCRIPTS)
    script(hosting, ALICE, "alice/private.wsgi", "alice")
    hosting.link(MALLORY, "mallory/files/link.wsgi", "alice/private.wsgi")
    refused(site, "/mallory/files/link.wsgi", f"link.wsgi' belongs to the user {ALICE}")


def test_a_file_that_everybody_writes_to_does_not_run(hosting: Shops, site: Site) -> None:
    hosting.put(MALLORY, "mallory/files/.htaccess", SCRIPTS)
    script(hosting, MALLORY, "mallory/files/open.wsgi", "mallory", 0o666)
    refused(site, "/mallory/files/open.wsgi", "open.wsgi' can be written to by everybody")


def test_a_file_that_is_swapped_while_it_is_opened_is_never_another_customers(
    hosting: Shops, site: Site
) -> None:
    """What is checked is what is read, however the names move meanwhile."""
    site.tolerates("belongs to the user|is neither a file nor|No such file|Is a directory")
    hosting.put(MALLORY, "mallory/race/.htaccess", SCRIPTS)
    script(hosting, ALICE, "alice/private.wsgi", "alice")
    script(hosting, MALLORY, "mallory/race/mine.wsgi", "mallory")
    names = [f"link{number}.wsgi" for number in range(60)]
    for name in names:
        hosting.link(MALLORY, f"mallory/race/{name}", "mallory/race/mine.wsgi")
    paths = [f"mallory/race/{name}" for name in names]
    with swapping(hosting, paths, "alice/private.wsgi", "mallory/race/mine.wsgi"):
        replies = [site.ask(f"/mallory/race/{name}") for name in names]
    assert {reply.status for reply in replies} <= {200, 403, 404}
    assert {reply.text for reply in replies if reply.status == 200} <= {"a file of mallory"}


@contextmanager
def swapping(hosting: Shops, paths: list[str], *goals: str) -> Iterator[None]:
    """Lets mallory's links lead now to what is her own, now to what is alice's, all the time."""
    ended = threading.Event()
    part = hosting.www / "mallory/race/part"

    def swap() -> None:
        while not ended.is_set():
            for goal in goals:
                for path in paths:
                    part.symlink_to(hosting.www / goal)
                    os.chown(part, MALLORY, MALLORY, follow_symlinks=False)
                    part.rename(hosting.www / path)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_a_link_into_another_customers_application_brings_no_settings_along(
    hosting: Shops, site: Site
) -> None:
    """Mallory's file applies above the link, alice's below it: together they are nobody's."""
    hosting.htaccess(
        MALLORY,
        "mallory/outer",
        "mallory/code",
        "SetEnv mod_wsgi.interpreter blue\nSetEnv REMOTE_USER alice\n",
    )
    hosting.link(MALLORY, "mallory/outer/shop", "alice/shop")
    refused(site, "/mallory/outer/shop/", two_users("mallory", MALLORY, "alice", ALICE))


# ---- the way to an .htaccess file


def two_users(one: str, owner: int, other: str, other_owner: int) -> str:
    """The line that names what is whose on one way."""
    return f"/{one}' belongs to the user {owner} and '.*/{other}' to the user {other_owner}:"


def test_a_link_to_the_htaccess_file_of_another_customer_is_refused(
    hosting: Shops, site: Site
) -> None:
    """Only alice's file took part, but mallory can exchange the link after the server read it."""
    hosting.link(MALLORY, "mallory/shop", "alice/shop")
    refused(site, "/mallory/shop/", two_users("mallory", MALLORY, "alice", ALICE))


def test_a_link_of_another_customer_is_refused_wherever_it_is(hosting: Shops, site: Site) -> None:
    hosting.link(MALLORY, "link", "alice/shop")
    refused(site, "/link/", two_users("link", MALLORY, "alice", ALICE))


def test_a_directory_in_a_directory_of_another_customer_is_refused(
    hosting: Shops, site: Site
) -> None:
    """Who owns what is above a directory can rename it."""
    hosting.put(MALLORY, "mallory/guests/README", "")
    hosting.htaccess(ALICE, "mallory/guests/shop", "alice/code")
    refused(site, "/mallory/guests/shop/", two_users("mallory", MALLORY, "shop", ALICE))


def test_a_link_that_is_swapped_brings_no_settings_to_another_customer(
    hosting: Shops, site: Site
) -> None:
    """The server may read mallory's file, and find alice's directory when it looks whose it is."""
    site.tolerates("belongs to the user|No such file|can't be looked at")
    hosting.htaccess(
        MALLORY,
        "mallory/race/mine",
        "alice/code",
        "SetEnv REMOTE_USER mallory\n",
    )
    hosting.link(MALLORY, "mallory/race/link", "mallory/race/mine")
    with swapping(hosting, ["mallory/race/link"], "alice/shop", "mallory/race/mine"):
        replies = [site.ask("/mallory/race/link/") for _ in range(200)]
    assert {reply.status for reply in replies} <= {403, 404}


@pytest.mark.parametrize("owner", [0, ALICE])
def test_links_of_the_owner_and_of_root_are_followed(
    hosting: Shops, site: Site, owner: int
) -> None:
    hosting.link(owner, f"alice/link-{owner}", "alice/shop")
    hosting.link(owner, f"alice/linked-{owner}", f"alice/link-{owner}")
    relative = hosting.www / f"alice/code/relative-{owner}"
    relative.symlink_to(f".././code/../linked-{owner}")
    os.chown(relative, owner, owner, follow_symlinks=False)
    assert "of alice" in told(site, f"/alice/code/relative-{owner}/")


def test_a_directory_of_root_in_a_customers_is_the_customers(hosting: Shops, site: Site) -> None:
    """Mallory can put another one there: its file gets no more than her own would."""
    hosting.put(MALLORY, "mallory/README", "")
    hosting.htaccess(0, "mallory/roots", "mallory/code")
    hosting.htaccess(
        0, "mallory/roots-code", "admin-code", "SetEnv mod_wsgi.interpreter roots-code\n"
    )
    assert "of mallory" in told(site, "/mallory/roots/")
    refused(site, "/mallory/roots-code/", "admin-code' belongs to the user 0")


def test_a_directory_that_everybody_writes_to_may_not_be_on_the_way(
    hosting: Shops, site: Site
) -> None:
    hosting.put(MALLORY, "mallory/everybodys/README", "")
    hosting.htaccess(MALLORY, "mallory/everybodys/app", "mallory/code")
    (hosting.www / "mallory/everybodys").chmod(0o757)
    refused(site, "/mallory/everybodys/app/", "everybodys' can be written to by everybody")


def test_a_sticky_directory_may_be_on_the_way(hosting: Shops, site: Site) -> None:
    """Everybody writes to it, but nobody can exchange what another one has there."""
    hosting.put(MALLORY, "mallory/sticky/README", "")
    hosting.htaccess(MALLORY, "mallory/sticky/app", "mallory/code")
    (hosting.www / "mallory/sticky").chmod(0o1777)
    assert "of mallory" in told(site, "/mallory/sticky/app/")


def test_a_link_in_a_sticky_directory_is_refused(hosting: Shops, site: Site) -> None:
    """Mallory can move a link of alice's to where she had a directory of her own."""
    hosting.put(0, "sticky/README", "")
    hosting.link(ALICE, "sticky/link", "alice/shop")
    (hosting.www / "sticky").chmod(0o1777)
    site.tolerates("is a link in a directory|denied")  # the kernel may be set to refuse it, too
    assert site.ask("/sticky/link/").status == 403


@pytest.mark.parametrize("mode", [0o777, 0o757, 0o1777])
def test_an_htaccess_file_where_everybody_may_put_one_is_refused(
    hosting: Shops, site: Site, mode: int
) -> None:
    hosting.htaccess(MALLORY, "mallory/public", "mallory/code")
    (hosting.www / "mallory/public").chmod(mode)
    refused(site, "/mallory/public/", "public' can be written to by everybody.*chmod o-w")


def test_a_redirect_brings_no_settings_of_a_customer_to_the_administrator(
    hosting: Shops, site: Site, version: str
) -> None:
    """An internal redirect keeps variables under a new name, which settings are found by, too."""
    hosting.put(MALLORY, "mallory/venv/pyvenv.cfg", "home = /usr/bin\n")
    hosting.put(MALLORY, f"mallory/venv/lib/python{version}/site-packages/x.pth", "import os\n")
    settings = f"SetEnv mod_wsgi.virtualenv {hosting.www}/mallory/venv\n"
    jump = "RewriteEngine On\nRewriteRule ^(.*)$ /admin?jumped [PT]\n"
    hosting.put(MALLORY, "mallory/jump/.htaccess", settings + jump)
    refused(site, "/mallory/jump/x", "directory '.*admin-code' belongs to the user 0")
    assert "jumped" not in told(site, "/admin?later")


def test_a_redirect_brings_no_settings_of_a_customer_to_another(
    hosting: Shops, site: Site
) -> None:
    """However short mallory's path is: alice's settings must be alice's alone."""
    hosting.put(
        MALLORY,
        "m/.htaccess",
        "SetEnv mod_wsgi.script_name /alice\n"
        "RewriteEngine On\nRewriteRule ^(.*)$ /alice/shop/?redirected [PT]\n",
    )
    refused(site, "/m/x", two_users("alice", ALICE, "m", MALLORY))
    assert "redirected" not in told(site, "/alice/shop/")


def test_a_page_with_includes_does_not_say_who_asks(serve: Serve, cell: Cell) -> None:
    """Neither has an .htaccess file of mallory's taken part, nor is the page an application."""
    need_root()
    values = {"modules": str(cell.server.modules)}
    site = serve(PAGES + CONFIG, values=values, processes=1)
    hosting = Shops.of(site)
    hosting.shop(ALICE, "alice/code", "alice")
    hosting.htaccess(ALICE, "alice/shop", "alice/code")
    page = '<!--#set var="REMOTE_USER" value="alice" --><!--#include virtual="/alice/shop/" -->'
    hosting.put(MALLORY, "mallory/pages/page.shtml", page)
    assert "of alice, for nobody" in told(site, "/mallory/pages/page.shtml")


def furnish_many(site: Site, more: str = "") -> None:
    """Alice's shop, and mallory's, where each URL has an interpreter of its own."""
    hosting = Shops.of(site)
    hosting.shop(ALICE, "alice/code", "alice")
    hosting.htaccess(ALICE, "alice/shop", "alice/code")
    hosting.shop(MALLORY, "mallory/code", "mallory")
    rewriting = "RewriteEngine On\nRewriteRule ^(.+)$ - [E=mod_wsgi.interpreter:$1]\n"
    settings = rules("shop", hosting.www / "mallory/code", rewriting)
    hosting.put(MALLORY, "mallory/many/.htaccess", settings + more)


@pytest.mark.needs("shared-process")
def test_a_customer_who_takes_all_interpreters_leaves_the_others_theirs(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound is the process's: who has an interpreter keeps it, who has none gets a 503."""
    need_root()
    monkeypatch.setenv("MOD_WSGI_MAX_INTERPRETERS", "4")
    site = serve(CONFIG, processes=1)
    furnish_many(site)
    told(site, "/alice/shop/")
    site.expects("no interpreter 'n3': this process has 4 already")
    statuses = [site.ask(f"/mallory/many/n{number}").status for number in range(4)]
    assert statuses == [200, 200, 200, 503]
    assert "of alice" in told(site, "/alice/shop/")


@pytest.mark.needs("processes")
def test_a_customer_who_takes_all_interpreters_of_a_process_harms_nobody_else(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_root()
    monkeypatch.setenv("MOD_WSGI_MAX_INTERPRETERS", "3")
    site = serve(CONFIG, processes=1)
    furnish_many(site, "SetEnv mod_wsgi.process one\nSetEnv mod_wsgi.processes 1\n")
    site.expects("no interpreter 'n3': this process has 3 already")
    statuses = [site.ask(f"/mallory/many/n{number}").status for number in range(4)]
    assert statuses == [200, 200, 200, 503]
    assert "of alice" in told(site, "/alice/shop/")


# ---- what an application is made of

# An interpreter that has imported nothing of that name yet.
OF_ITS_OWN = "SetEnv mod_wsgi.interpreter fresh%s\n"


def test_a_module_that_is_a_link_to_another_customers_is_refused(
    hosting: Shops, site: Site
) -> None:
    hosting.put(MALLORY, "mallory/linked/own.py", "")
    hosting.link(MALLORY, "mallory/linked/shop.py", "alice/code/shop.py")
    more = OF_ITS_OWN % 1 + "SetEnv REMOTE_USER alice\n"
    hosting.htaccess(MALLORY, "mallory/m", "mallory/linked", more)
    refused(site, "/mallory/m/", "shop.py' can't be imported: it belongs to the user 20001")


def test_a_package_that_is_a_link_to_another_customers_is_refused(
    hosting: Shops, site: Site
) -> None:
    hosting.put(ALICE, "alice/packages/shop/__init__.py", SHOP.replace("@{owner}", "alice"))
    hosting.put(MALLORY, "mallory/linked2/own.py", "")
    hosting.link(MALLORY, "mallory/linked2/shop", "alice/packages/shop")
    hosting.htaccess(MALLORY, "mallory/m2", "mallory/linked2", OF_ITS_OWN % 2)
    refused(site, "/mallory/m2/", "__init__.py' can't be imported: it belongs to the user 20001")


def test_what_a_module_imports_has_to_be_the_customers_too(hosting: Shops, site: Site) -> None:
    own = "from theirs import application"
    hosting.put(MALLORY, "mallory/linked3/shop.py", own)
    hosting.link(MALLORY, "mallory/linked3/theirs.py", "alice/code/shop.py")
    hosting.htaccess(MALLORY, "mallory/m3", "mallory/linked3", OF_ITS_OWN % 3)
    site.expects("theirs.py' can't be imported: it belongs to the user 20001")
    site.expects_traceback("ImportError: .*theirs.*")
    site.tolerates("can't be loaded, because it raised")
    assert site.ask("/mallory/m3/").status == 403


CATCHES = """
try:
    import theirs
except ImportError:
    pass
"""

# What an application does that has caught the refusal, what it says, and the answer.
OWN_WAYS = {
    "answers": (SHOP.replace("@{owner}", "mallory, caught"), "", 200),
    "raises": ("raise ValueError('of its own')\n", "ValueError: of its own", 500),
    "forgets": ("", "there is no 'application'", 500),
}


@pytest.mark.parametrize("way", OWN_WAYS)
def test_a_refusal_that_the_application_has_caught_is_not_the_answer(
    hosting: Shops, site: Site, way: str
) -> None:
    text, line, status = OWN_WAYS[way]
    hosting.put(MALLORY, f"mallory/catches-{way}/shop.py", CATCHES + text)
    hosting.link(MALLORY, f"mallory/catches-{way}/theirs.py", "alice/code/shop.py")
    more = OF_ITS_OWN % way
    hosting.htaccess(MALLORY, f"mallory/catch-{way}", f"mallory/catches-{way}", more)
    site.expects("theirs.py' can't be imported: it belongs to the user 20001")
    if way == "raises":
        site.expects_traceback(line)
        site.tolerates("can't be loaded, because it raised")
    elif line:
        site.expects(line)
    assert site.ask(f"/mallory/catch-{way}/").status == status


def test_a_module_of_roots_is_one_where_it_is_but_not_through_a_link(
    hosting: Shops, site: Site
) -> None:
    hosting.put(MALLORY, "mallory/with-root/own.py", "")
    hosting.put(0, "mallory/with-root/shop.py", SHOP.replace("@{owner}", "root, put there"))
    hosting.htaccess(MALLORY, "mallory/m4", "mallory/with-root", OF_ITS_OWN % 4)
    assert "of root, put there" in told(site, "/mallory/m4/")
    hosting.put(MALLORY, "mallory/linked5/own.py", "")
    hosting.link(MALLORY, "mallory/linked5/shop.py", "admin-code/shop.py")
    hosting.htaccess(MALLORY, "mallory/m5", "mallory/linked5", OF_ITS_OWN % 5)
    refused(site, "/mallory/m5/", "shop.py' can't be imported: it belongs to the user 0")


def test_a_package_in_an_environment_that_is_a_link_to_another_customers_is_refused(
    hosting: Shops, site: Site, version: str
) -> None:
    packages = f"mallory/env7/lib/python{version}/site-packages"
    hosting.put(ALICE, "alice/packages/secret/__init__.py", "")
    hosting.put(MALLORY, "mallory/env7/pyvenv.cfg", "home = /usr/bin\n")
    hosting.put(MALLORY, "mallory/env7/bin/activate", "")
    hosting.put(MALLORY, f"{packages}/plain.py", "")
    hosting.link(MALLORY, f"{packages}/secret", "alice/packages/secret")
    hosting.put(MALLORY, "mallory/asks/shop.py", "import plain, secret")
    more = OF_ITS_OWN % 7 + f"SetEnv mod_wsgi.virtualenv {hosting.www}/mallory/env7\n"
    hosting.htaccess(MALLORY, "mallory/m7", "mallory/asks", more)
    site.expects("__init__.py' can't be imported: it belongs to the user 20001")
    site.expects_traceback("ImportError: .*secret.*")
    site.tolerates("can't be loaded, because it raised")
    assert site.ask("/mallory/m7/").status == 403


def test_a_module_that_everybody_can_write_to_is_refused(hosting: Shops, site: Site) -> None:
    hosting.put(MALLORY, "mallory/open-module/own.py", "")
    hosting.put(MALLORY, "mallory/open-module/shop.py", "", 0o666)
    hosting.htaccess(MALLORY, "mallory/m6", "mallory/open-module", OF_ITS_OWN % 6)
    refused(site, "/mallory/m6/", "shop.py' can't be imported: it can be written to by everybody")
