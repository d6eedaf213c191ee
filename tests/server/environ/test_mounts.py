"""Where an application is mounted: SCRIPT_NAME and PATH_INFO, for every form of section and URL.

In every case SCRIPT_NAME + PATH_INFO is the decoded path of the URL, SCRIPT_NAME never ends in a
slash, and PATH_INFO is empty or starts with one.
"""

import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

import pytest

from tests.harness.cells import Cell
from tests.harness.site import Reply, Site

WSGI_FILE = """
def application(environ, start_response):
    import environs
    return environs.mount(environ, start_response)
"""

HTACCESS = """
SetHandler mod_wsgi
SetEnv mod_wsgi.application environs::mount
SetEnv mod_wsgi.directory @{apps}
"""

# A front controller: what is no file goes to one file, whose name is in no URL.
FRONT = """
AddHandler mod_wsgi .wsgi
SetEnv mod_wsgi.script_name {mount}
RewriteEngine on
RewriteCond %{{REQUEST_FILENAME}} !-f
RewriteRule ^(.*)$ {mount}/show.wsgi/$1 [QSA,L]
"""

FILES = {
    "dir/file.txt": "a file, which the application hides",
    "dir/deep/file.txt": "a file, which the application hides",
    "dir/own/.keep": "",
    "aliased/.keep": "",
    "matched1/.keep": "",
    "scripts/show.wsgi": WSGI_FILE,
    "scripts/in a folder/show.wsgi": WSGI_FILE,
    "by-files/show.py": WSGI_FILE,
    "bare/.keep": "",
    "bare/folder/.keep": "",
    "customer/.htaccess": HTACCESS,
    "customer/existing/file.txt": "a file, which the application hides",
    "customer-that-sends-on/.htaccess": HTACCESS
    + "RewriteEngine on\nRewriteRule ^on/(.*)$ /customer/$1 [L]\n",
    "scripts-of-customer/.htaccess": "AddHandler mod_wsgi .wsgi\n",
    "scripts-of-customer/show.wsgi": WSGI_FILE,
    "front/.htaccess": FRONT.format(mount="/front"),
    "front/show.wsgi": WSGI_FILE,
    "front/static.txt": "a file beside the application",
    "front-of-root/.htaccess": FRONT.format(mount="/").replace("//", "/"),
    "front-of-root/show.wsgi": WSGI_FILE,
    "front-of-root/static.txt": "a file beside the application",
}

CONFIG = """
DocumentRoot "@{www}"
SetEnv mod_wsgi.directory "@{apps}"
SetEnv mod_wsgi.interpreter mounts
<Directory "@{www}">
    AllowOverride FileInfo
    Options ExecCGI FollowSymLinks
</Directory>

<Location /x>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application environs::mount
</Location>
<Location /x/nested>
    SetEnv tests.nested yes
    SetHandler mod_wsgi
</Location>
<Location /x/unrelated>
    SetEnv tests.unrelated yes
</Location>
<Location /very/deep/mount>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application environs::mount
</Location>
<Location /slashed/>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application environs::mount
</Location>
<Location "/with space">
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application environs::mount
</Location>
<LocationMatch "^/regex[0-9]+">
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application environs::mount
    SetEnv mod_wsgi.script_name /regex1
</LocationMatch>
<LocationMatch "^/untold[0-9]+">
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application environs::mount
</LocationMatch>
<Location ~ "^/tilde/(a|b)">
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application environs::mount
    SetEnv mod_wsgi.script_name /tilde
</Location>
<Location /overridden/here>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application environs::mount
    SetEnv mod_wsgi.script_name /overridden
</Location>
<Location /slash-told>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application environs::mount
    SetEnv mod_wsgi.script_name /slash-told/
</Location>
<Location /root-told>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application environs::mount
    SetEnv mod_wsgi.script_name /
</Location>

<Directory "@{www}/dir">
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application environs::mount
</Directory>
<Directory "@{www}/dir/own">
    SetHandler mod_wsgi
</Directory>
Alias /alias "@{www}/aliased"
<Directory "@{www}/aliased">
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application environs::mount
</Directory>
<Directory "@{www}/scripts">
    AddHandler mod_wsgi .wsgi
</Directory>
<Directory "@{www}/by-files">
    <Files "*.py">
        SetHandler mod_wsgi
    </Files>
</Directory>

RewriteEngine On
RewriteRule ^/pretty/(.*)$ /x/$1 [PT]
RewriteRule ^/(environs)(/|$) - [E=mod_wsgi.application:$1::mount,E=mod_wsgi.script_name:/$1]
<LocationMatch ^/(environs)(/|$)>
    SetHandler mod_wsgi
</LocationMatch>

Listen 127.0.0.2:@{port}
<VirtualHost 127.0.0.2:@{port}>
    ServerName root.test
    DocumentRoot "@{www}"
    <Location />
        SetHandler mod_wsgi
        SetEnv mod_wsgi.application environs::mount
    </Location>
    <Location /inner>
        SetEnv tests.inner yes
        SetHandler mod_wsgi
    </Location>
</VirtualHost>

Listen 127.0.0.3:@{port}
<VirtualHost 127.0.0.3:@{port}>
    ServerName root-directory.test
    DocumentRoot "@{www}/bare"
    <Directory "@{www}/bare">
        SetHandler mod_wsgi
        SetEnv mod_wsgi.application environs::mount
    </Directory>
</VirtualHost>

Listen 127.0.0.4:@{port}
<VirtualHost 127.0.0.4:@{port}>
    ServerName front.test
    DocumentRoot "@{www}/front-of-root"
</VirtualHost>
"""


class Case(NamedTuple):
    """A URL as it is sent, and what the application is to see of it."""

    url: str
    script_name: str
    path_info: str


def below(mount: str) -> list[Case]:
    """The URLs that are asked of every mount: each shape that a path can have behind it."""
    return [
        Case(f"{mount}/", mount, "/"),
        Case(f"{mount}/a", mount, "/a"),
        Case(f"{mount}/a/b", mount, "/a/b"),
        Case(f"{mount}/a/b/", mount, "/a/b/"),
        Case(f"{mount}/a%20b", mount, "/a b"),
        Case(f"{mount}/caf%C3%A9", mount, "/caf\xc3\xa9"),
        Case(f"{mount}/%E9", mount, "/\xe9"),
        Case(f"{mount}/a%2Bb+c", mount, "/a+b+c"),
        Case(f"{mount}/100%25", mount, "/100%"),
        Case(f"{mount}/%3Fno-query%23", mount, "/?no-query#"),
        Case(f"{mount}/a;v=1,2&w='(x)'", mount, "/a;v=1,2&w='(x)'"),
        Case(f"{mount}/a?b=/c/d", mount, "/a"),
        Case(f"{mount}/?", mount, "/"),
        Case(f"{mount}/./a", mount, "/a"),
        Case(f"{mount}/b/../a", mount, "/a"),
        Case(f"{mount}/.hidden", mount, "/.hidden"),
        Case(f"{mount}/%7Ename", mount, "/~name"),
    ]


def exactly(mount: str) -> list[Case]:
    return [Case(mount, mount, ""), *below(mount)]


CASES: list[Case] = [
    *exactly("/x"),
    Case("/%78/a", "/x", "/a"),
    Case("/x/nested", "/x/nested", ""),
    Case("/x/nested/a", "/x/nested", "/a"),
    Case("/x/nestedly", "/x", "/nestedly"),
    Case("/x/unrelated/a", "/x", "/unrelated/a"),
    Case("/x/other/nested/a", "/x", "/other/nested/a"),
    *exactly("/very/deep/mount"),
    *below("/slashed"),
    Case("/with%20space", "/with space", ""),
    Case("/with%20space/a%20b", "/with space", "/a b"),
    *exactly("/regex1"),
    Case("/tilde/a", "/tilde", "/a"),
    Case("/tilde/b/c", "/tilde", "/b/c"),
    Case("/overridden/here", "/overridden", "/here"),
    Case("/overridden/here/a", "/overridden", "/here/a"),
    Case("/slash-told/a", "/slash-told", "/a"),
    Case("/slash-told", "/slash-told", ""),
    Case("/root-told/a", "", "/root-told/a"),
    *below("/dir"),
    Case("/dir/file.txt", "/dir", "/file.txt"),
    Case("/dir/file.txt/more", "/dir", "/file.txt/more"),
    Case("/dir/deep/file.txt", "/dir", "/deep/file.txt"),
    Case("/dir/deep/missing/a", "/dir", "/deep/missing/a"),
    Case("/dir/own/a", "/dir/own", "/a"),
    *below("/alias"),
    *below("/customer"),
    Case("/customer/existing/file.txt", "/customer", "/existing/file.txt"),
    *exactly("/scripts/show.wsgi"),
    Case("/scripts/in%20a%20folder/show.wsgi/a%20b", "/scripts/in a folder/show.wsgi", "/a b"),
    *exactly("/by-files/show.py"),
    *exactly("/scripts-of-customer/show.wsgi"),
    *exactly("/environs"),
]

# Where slashes stand side by side: servers that merge them show one, the others all of them.
DOUBLED: list[Case] = [
    Case("/x//", "/x", "//"),
    Case("/x//a", "/x", "//a"),
    Case("/x/a//b", "/x", "/a//b"),
    Case("/x/a///b//", "/x", "/a///b//"),
    Case("/very//deep/mount/a", "/very//deep/mount", "/a"),
    Case("/x//nested//a", "/x//nested", "//a"),
]

# In front of all, and on the way to a file, every server may merge slashes as it likes.
MERGED = [
    "//x/a",
    "/dir//a",
    "/dir/a//b",
    "//dir/a",
    "/alias//a//b",
    "/customer//a",
    "/customer/a//b",
    "/scripts/show.wsgi//a",
    "/scripts/show.wsgi/a//b",
    "/scripts//show.wsgi/a",
]


def mount_of(reply: Reply) -> tuple[str, str]:
    assert reply.status == 200, reply.text
    seen = reply.json()
    return seen["SCRIPT_NAME"], seen["PATH_INFO"]


def decoded(url: str) -> str:
    """The path of a URL as WSGI wants it: one code point for each byte."""
    return unquote_to_bytes(url.partition("?")[0]).decode("latin-1")


def merged(path: str) -> str:
    return re.sub("/+", "/", path)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.url)
def test_the_application_sees_where_it_is_mounted(site: Site, case: Case) -> None:
    assert mount_of(site.ask(case.url)) == (case.script_name, case.path_info)


@pytest.mark.parametrize("case", DOUBLED, ids=lambda case: case.url)
def test_double_slashes_are_kept_where_the_server_keeps_them(
    site: Site, cell: Cell, case: Case
) -> None:
    wanted = (case.script_name, case.path_info)
    if cell.server.line == "2.4":
        wanted = merged(case.script_name), merged(case.path_info)
    assert mount_of(site.ask(case.url)) == wanted


@pytest.mark.parametrize("url", MERGED)
def test_double_slashes_do_not_move_a_mount(site: Site, url: str) -> None:
    script_name, path_info = mount_of(site.ask(url))
    single_name, single_info = mount_of(site.ask(merged(url)))
    assert merged(script_name + path_info) == merged(url)
    assert (merged(script_name), merged(path_info)) == (single_name, single_info)
    assert not script_name.endswith("/")
    assert path_info.startswith("/")


@pytest.mark.parametrize("url", ["/untold1", "/untold1/", "/untold22/a/b", "/untold3/a%20b"])
def test_a_regex_section_that_names_no_mount_still_shows_the_whole_path(
    site: Site, url: str
) -> None:
    script_name, path_info = mount_of(site.ask(url))
    assert script_name + path_info == decoded(url)
    assert not script_name.endswith("/")
    assert path_info == "" or path_info.startswith("/")


def test_a_rewritten_url_is_mounted_where_it_ends_up(site: Site) -> None:
    reply = site.ask("/pretty/a%20b?q=1")
    assert mount_of(reply) == ("/x", "/a b")
    assert reply.json()["REQUEST_URI"] == "/pretty/a%20b?q=1"


@pytest.mark.parametrize("path", ["/a", "/a/b/", "/a%20b", "/caf%C3%A9", "/a?q=1", "/"])
def test_a_file_that_a_rule_leads_to_is_mounted_where_the_setting_says(
    site: Site, path: str
) -> None:
    assert mount_of(site.ask(f"/front{path}")) == ("/front", decoded(path))
    assert mount_of(site.at("127.0.0.4").ask(path)) == ("", decoded(path))


def test_the_name_of_such_a_file_is_in_neither_part(site: Site) -> None:
    assert mount_of(site.ask("/front/show.wsgi/a")) == ("/front", "/a")
    assert mount_of(site.ask("/front/show.wsgi")) == ("/front", "")
    assert mount_of(site.at("127.0.0.4").ask("/show.wsgi")) == ("", "/")


def test_files_beside_such_a_file_are_served_by_the_server(site: Site) -> None:
    assert site.ask("/front/static.txt").text == "a file beside the application"
    assert site.at("127.0.0.4").ask("/static.txt").text == "a file beside the application"


def test_a_directory_that_a_request_came_through_is_not_its_mount(site: Site) -> None:
    assert mount_of(site.ask("/customer-that-sends-on/on/x/y")) == ("/customer", "/x/y")
    assert mount_of(site.ask("/customer-that-sends-on/x")) == ("/customer-that-sends-on", "/x")


def test_the_bare_name_of_a_mounted_directory_is_answered(site: Site) -> None:
    """Without its slash a directory is either redirected by the server or served at once."""
    reply = site.ask("/dir")
    if reply.status == 301:
        assert (reply.header("Location") or "").endswith("/dir/")
    else:
        assert mount_of(reply) == ("/dir", "")


@pytest.mark.parametrize(
    "case",
    [*below(""), Case("/inner", "/inner", ""), Case("/inner/a", "/inner", "/a")],
    ids=lambda case: case.url,
)
def test_an_application_at_the_root_has_an_empty_script_name(site: Site, case: Case) -> None:
    reply = site.at("127.0.0.2").ask(case.url)
    assert mount_of(reply) == (case.script_name, case.path_info)


@pytest.mark.parametrize("case", below(""), ids=lambda case: case.url)
def test_an_application_in_the_document_root_has_an_empty_script_name(
    site: Site, case: Case
) -> None:
    reply = site.at("127.0.0.3").ask(case.url)
    assert mount_of(reply) == (case.script_name, case.path_info)


def test_an_existing_folder_in_a_mounted_document_root_belongs_to_the_path(site: Site) -> None:
    assert mount_of(site.at("127.0.0.3").ask("/folder/a")) == ("", "/folder/a")
