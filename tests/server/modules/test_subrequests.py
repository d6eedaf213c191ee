"""Requests that the server makes of itself: includes, error documents, rewritten URLs.

They lead into our handler, out of it, and from one of its applications to another. A sub-request
begins with its parent's variables, an internal redirect with them renamed: what chooses the
application must be what is set where the request has come to.
"""

from collections.abc import Iterator

import pytest

from tests.conftest import Serve
from tests.harness.cells import Cell
from tests.harness.serving import Workshop, running
from tests.harness.site import Site, message

NO_REWRITING = "Apache 1.3 and 2.0 do not rewrite per directory in a sub-request"
NO_ASIS = "this server was built without mod_asis"
NO_FILTERS = "Apache 1.3 has no filters: only files can be pages with includes"

CONFIG = """
LoadModule @{include} "@{modules}/mod_include.so"
LoadModule negotiation_module "@{modules}/mod_negotiation.so"
@{base}
@{applications}
<Directory "@{www}/pages">
    Options +Includes +ExecCGI
    AddHandler mod_wsgi .wsgi
    AddType text/html .shtml
    AddHandler server-parsed .shtml
</Directory>
<Directory "@{www}/rewritten">
    Options +FollowSymLinks
    RewriteEngine On
    RewriteRule ^to/(.*)$ /pages/where/$1 [PT]
    RewriteRule ^told/(.*)$ /pages/told [PT]
    RewriteRule ^set/(.*)$ /pages/where/$1 [PT,E=mod_wsgi.nonsense:x]
</Directory>

<Directory "@{www}/pages/indexed">
    DirectoryIndex index.wsgi
    Options +MultiViews
    AddType text/plain .wsgi
</Directory>
<Location /own>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application pages::told
    SetEnv REMOTE_USER own
    SetEnv HTTPS on
</Location>
SetEnv SSL_EVERYWHERE yes

Alias /files "@{www}/pages"
<Location /files>
    ErrorDocument 404 /pages/redirected/missing
</Location>
<Location /pages/reads_then_fails>
    ErrorDocument 500 /pages/redirected/failed
</Location>
<Location /pages/fails>
    ErrorDocument 500 /pages/redirected/failed
</Location>
<Location /pages/forbidden>
    ErrorDocument 403 /pages/redirected/never
</Location>
<Location /pages/breaks>
    ErrorDocument 500 /pages/redirected/never
</Location>

<Location /twice>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application pages::fails
    ErrorDocument 500 /pages/fails/again
</Location>
<Location /to-a-mapped-file>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application pages::fails
    ErrorDocument 500 /files/sorry.wsgi
</Location>
<Location /to-a-file>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application pages::fails
    ErrorDocument 500 /files/sorry.txt
</Location>
<LocationMatch "^/regex/">
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application pages::fails
    SetEnv mod_wsgi.script_name /regex
    ErrorDocument 500 /pages/redirected/regex
</LocationMatch>
<Location /other>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application pages::where
    SetEnv mod_wsgi.interpreter another
</Location>

RewriteEngine On
RewriteRule ^/old/(.*)$ /pages/where/$1 [PT]
RewriteRule ^/pages/where/leave$ /files/plain.txt [PT]
"""

NAMING = """
LoadModule asis_module "@{modules}/mod_asis.so"
<Directory "@{www}/pages/asis">
    AddHandler send-as-is .asis
    SetEnv mod_wsgi.script_name /elsewhere
</Directory>
"""

FILTERED = """
<LocationMatch "^/pages/includes">
    SetOutputFilter INCLUDES
    Options +Includes
</LocationMatch>
"""


def including(url: str, before: str = "") -> str:
    return f'before;{before}<!--#include virtual="{url}" -->;after'


BELIEVED = [
    "REMOTE_USER",
    "REMOTE_IDENT",
    "REMOTE_HOST",
    "AUTH_TYPE",
    "HTTPS",
    "SSL_CLIENT_S_DN",
    "HTTP_X_FORWARDED_USER",
    "REDIRECT_REMOTE_USER",
    "remote_user",
]


def setting(name: str, value: str) -> str:
    return f'<!--#set var="{name}" value="{value}" -->'


def told(url: str) -> str:
    """A page that claims all of it before it includes what tells the same names."""
    before = "".join(setting(name, "on") for name in [*BELIEVED, "OTHER"])
    names = ",".join([*BELIEVED, "REMOTE_USER", "wsgi.url_scheme", "OTHER"])
    return including(f"{url}?{names}", before)


FILES = {
    "pages/claims.shtml": told("/pages/told"),
    "pages/claims-to-an-index.shtml": told("/files/indexed/"),
    "pages/claims-to-the-best.shtml": told("/files/indexed/index"),
    "pages/claims-to-a-directory.shtml": told("/rewritten/told/x"),
    **{
        f"pages/settings-for-{name}.shtml": including(
            f"{url}?REMOTE_ADDR", setting("mod_wsgi.nonsense", "x")
        )
        for name, url in [("an-index", "/files/indexed/"), ("the-best", "/files/indexed/index")]
    },
    "pages/claims-in-vain.shtml": including(
        "/own?REMOTE_USER,HTTPS,SSL_EVERYWHERE",
        setting("REMOTE_USER", "page") + setting("HTTPS", "off"),
    ),
    "pages/asks.shtml": including(
        "/pages/told?HTTP_X_ASKED,SSL_EVERYWHERE", setting("HTTP_X_ASKED", "page")
    ),
    "pages/indexed/index.wsgi": """
def application(environ, start_response):
    names = environ["QUERY_STRING"].split(",")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [",".join(environ.get(name, "nothing") for name in names).encode("latin-1")]
""",
    "pages/asis/type.asis": "Content-Type: mod_wsgi\nLocation: /files/code\n\n",
    "pages/asis/named.asis": "Location: /pages/where/more\n\n",
    "pages/code": """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"it " + b"ran"]
""",
    "pages/plain.txt": "plain",
    "pages/sorry.txt": "a file says sorry",
    "pages/sorry.wsgi": """
def application(environ, start_response):
    start_response(environ["REDIRECT_STATUS"] + " Sorry", [("Content-Type", "text/plain")])
    return [b"an application says sorry"]
""",
    "pages/one.shtml": including("/hello/named"),
    "pages/where.shtml": including("/pages/where/more?q=1"),
    "pages/other.shtml": including("/other/more"),
    "pages/nested.shtml": including("/files/one.shtml"),
    "pages/cookie.shtml": including("/pages/sets_a_cookie"),
    "pages/reads.shtml": including("/pages/reads"),
    "pages/fails.shtml": including("/pages/fails"),
    "pages/breaks.shtml": including("/pages/breaks"),
    "pages/generator.shtml": including("/respond/a_generator"),
    "pages/wrapper.shtml": including("/files/whole"),
    "pages/rewritten.shtml": including("/rewritten/to/more"),
    "rewritten/index.txt": "here",
    **{
        f"pages/set-{number}.shtml": including(
            "/rewritten/to/more" if "rewritten" in name else "/pages/where/more",
            setting(name.removeprefix("rewritten:"), value),
        )
        for number, (name, value) in enumerate(
            [
                ("mod_wsgi.application", "pages::fails"),
                ("MOD_WSGI.APPLICATION", "pages::fails"),
                ("mod_wsgi.interpreter", "stolen"),
                ("mod_wsgi.script_name", "/pages"),
                ("mod_wsgi.nonsense", "x"),
                ("REDIRECT_mod_wsgi.script_name", "/pages"),
                ("REDIRECT_mod_wsgi.nonsense", "x"),
                ("rewritten:mod_wsgi.script_name", "/pages"),
                ("rewritten:mod_wsgi.nonsense", "x"),
            ]
        )
    },
}
SLOWLY = """
<Location /slow>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application slow
    SetEnv mod_wsgi.directory "@{www}/code"
    SetEnv mod_wsgi.timeout off
</Location>
"""

# Apache 1.3 looks once a second whose time is over.
SLOW = """
import time

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    time.sleep(4)
    yield b"slow"
"""

SETS = sorted(name.removeprefix("pages/") for name in FILES if "/set-" in name)


@pytest.fixture(scope="module")
def module_site(request: pytest.FixtureRequest, cell: Cell, workshop: Workshop) -> Iterator[Site]:
    """A server with mod_include; one process, so that its one lock would show."""
    old = cell.server.line == "1.3"
    values = {
        "modules": str(cell.server.modules),
    }
    config = CONFIG + ("" if old else FILTERED)
    built = request.getfixturevalue("module")
    with running(cell, built, workshop, config, files=FILES, values=values) as started:
        yield started


@pytest.fixture
def naming(cell: Cell, serve: Serve) -> Site:
    """A server with files that name a URL to go on with."""
    if not (cell.server.modules / "mod_asis.so").exists():
        pytest.skip(NO_ASIS)
    values = {
        "modules": str(cell.server.modules),
    }
    return serve(CONFIG + NAMING, files=FILES, values=values)


@pytest.fixture
def filtering(cell: Cell, request: pytest.FixtureRequest) -> Site:
    """The server, where an application's own answer can hold includes."""
    if cell.server.line == "1.3":
        pytest.skip(NO_FILTERS)
    site: Site = request.getfixturevalue("site")
    return site


# ---- includes


@pytest.mark.parametrize(
    ("name", "included"),
    [
        ("one", "hello from named"),
        ("where", "/pages/where|/more|q=1|GET"),
        ("other", "/other|/more||GET"),
        ("nested", "before;hello from named;after"),
        ("generator", "a generator"),
        ("rewritten", "/pages/where|/more||GET"),
    ],
)
def test_a_page_includes_what_an_application_answers(
    site: Site, cell: Cell, name: str, included: str
) -> None:
    if name == "rewritten" and cell.server.line in ("1.3", "2.0"):
        pytest.skip(NO_REWRITING)
    assert site.ask(f"/files/{name}.shtml").text == f"before;{included};after"


def test_a_page_includes_a_file_that_an_application_sends(site: Site, workshop: Workshop) -> None:
    body = site.ask("/files/wrapper.shtml").body
    assert body == b"before;" + workshop.data.read_bytes() + b";after"


def test_the_headers_of_what_is_included_are_not_those_of_the_page(site: Site) -> None:
    reply = site.ask("/files/cookie.shtml")
    assert reply.text == "before;with a cookie;after"
    assert (reply.header("Set-Cookie"), reply.header("X-Sub")) == (None, None)


@pytest.mark.parametrize("page", SETS)
def test_what_a_page_sets_does_not_choose_for_what_it_includes(
    site: Site, cell: Cell, page: str
) -> None:
    """A sub-request's settings are those of the section it leads to, not its parent's."""
    if "/rewritten" in FILES[f"pages/{page}"] and cell.server.line in ("1.3", "2.0"):
        pytest.skip(NO_REWRITING)
    assert site.ask(f"/files/{page}").text == "before;/pages/where|/more||GET;after"


@pytest.mark.parametrize(
    "page", ["claims", "claims-to-an-index", "claims-to-the-best", "claims-to-a-directory"]
)
def test_what_a_page_says_of_its_client_is_not_believed(site: Site, cell: Cell, page: str) -> None:
    """Who asks, and how, is the server's to say; other variables are the page's own affair."""
    if page == "claims-to-a-directory" and cell.server.line in ("1.3", "2.0"):
        pytest.skip(NO_REWRITING)
    redirects = page == "claims-to-a-directory" or (page, cell.server.line) == (
        "claims-to-an-index",
        "1.3",
    )
    other = "nothing" if redirects else "on"  # then it is REDIRECT_OTHER
    nothing = ",".join(["nothing"] * (len(BELIEVED) + 1))
    assert site.ask(f"/files/{page}.shtml").text == f"before;{nothing},http,{other};after"


@pytest.mark.parametrize("what", ["an-index", "the-best"])
def test_what_a_page_sets_does_not_choose_for_what_is_found(site: Site, what: str) -> None:
    """The server has put the page's variables into such a sub-request twice."""
    assert site.ask(f"/files/settings-for-{what}.shtml").text == "before;127.0.0.1;after"


def test_what_is_set_where_a_sub_request_leads_is_believed(site: Site) -> None:
    assert site.ask("/files/claims-in-vain.shtml").text == "before;own,on,yes;after"


def test_a_sub_request_has_the_headers_of_its_client(site: Site) -> None:
    asked = site.ask("/files/asks.shtml", headers={"X-Asked": "client"})
    assert asked.text == "before;client,yes;after"
    assert site.ask("/files/asks.shtml").text == "before;nothing,yes;after"


def test_a_sub_request_does_not_wait_for_its_parents_body(site: Site) -> None:
    reply = site.ask("/files/reads.shtml", method="GET", body=b"the page's own")
    assert (reply.status, reply.text) == (200, "before;0 bytes;after")


def test_an_include_that_takes_longer_than_the_timeout_is_waited_for(
    serve: Serve, cell: Cell
) -> None:
    """Apache 1.3 leaves a page by longjmp then: it must not be over Python's frames."""
    values = {"modules": str(cell.server.modules)}
    files = {**FILES, "code/slow.py": SLOW, "pages/slow.shtml": including("/slow")}
    site = serve("Timeout 1\n" + CONFIG + SLOWLY, files=files, values=values, processes=1)
    before = site.children()
    assert site.ask("/files/slow.shtml").text == "before;slow;after"
    assert site.ask("/files/one.shtml").text == "before;hello from named;after"
    assert site.children() == before


def test_an_include_that_fails_leaves_the_page(site: Site) -> None:
    site.expects_traceback("ValueError: failed at once")
    site.tolerates("unable to include|include")
    reply = site.ask("/files/fails.shtml")
    assert reply.text.startswith("before;")
    assert reply.text.endswith(";after")


def test_an_include_that_breaks_in_the_middle_breaks_the_page(site: Site) -> None:
    """Half of what it should hold must not pass for the whole."""
    site.expects_traceback("ValueError: broke in a sub-request")
    site.tolerates("unable to include|include")
    answer = site.raw(message("/files/breaks.shtml"))
    assert b";after" not in answer
    assert not answer.endswith(b"0\r\n\r\n")


AROUND = {
    "includes": "before;%s;after",
    "includes_from_a_generator": "begin;before;%s;after;end",
    "includes_from_write": "before;%s;after",
}


@pytest.mark.parametrize("path", AROUND)
@pytest.mark.parametrize(
    ("target", "included"),
    [
        ("/hello/named", "hello from named"),
        ("/other/more", "/other|/more||GET"),
        ("/respond/a_generator", "a generator"),
        ("/pages/includes?/other/deep", "before;/other|/deep||GET;after"),
        ("/files/one.shtml", "before;hello from named;after"),
        ("/files/plain.txt", "plain"),
    ],
)
def test_an_applications_answer_may_include_another_applications(
    filtering: Site, path: str, target: str, included: str
) -> None:
    """One request inside another, in one thread: in the same interpreter or in another one."""
    for _ in range(3):
        reply = filtering.ask(f"/pages/{path}?{target}")
        assert reply.text == AROUND[path] % included


# ---- error documents


def test_an_application_may_be_the_page_for_a_missing_file(site: Site) -> None:
    site.tolerates("File does not exist")
    reply = site.ask("/files/not-there")
    assert reply.status == 404
    assert reply.text == "404|/files/not-there|/pages/redirected|/missing|0 bytes"


@pytest.mark.parametrize("name", ["fails", "reads_then_fails"])
@pytest.mark.parametrize("body", [b"", b"a body of its own"])
def test_an_application_may_be_the_page_for_another_ones_error(
    site: Site, name: str, body: bytes
) -> None:
    """It has no body to read, whatever is left of the other one's."""
    site.expects_traceback("ValueError: failed ")
    reply = site.ask(f"/pages/{name}/x", method="POST" if body else "GET", body=body)
    assert reply.status == 500
    told = reply.text.split("|")
    assert told[:4] == ["500", f"/pages/{name}/x", "/pages/redirected", "/failed"]
    assert told[4] == "0 bytes"


def test_the_settings_of_the_failed_application_are_not_those_of_the_page(site: Site) -> None:
    """REDIRECT_mod_wsgi.script_name says where another application was mounted."""
    site.expects_traceback("ValueError: failed at once")
    reply = site.ask("/regex/x")
    assert reply.text == "500|/regex/x|/pages/redirected|/regex|0 bytes"


def test_an_error_document_that_fails_as_well_ends_there(site: Site) -> None:
    site.expects_traceback("ValueError: failed at once")
    reply = site.ask("/twice")
    assert reply.status == 500
    assert "ErrorDocument" in reply.text
    site.tolerates("Traceback|File|raise|ValueError|exception")


def test_an_error_document_may_be_a_file(site: Site) -> None:
    site.expects_traceback("ValueError: failed at once")
    reply = site.ask("/to-a-file")
    assert (reply.status, reply.text) == (500, "a file says sorry")


def test_an_error_document_may_be_an_application_that_is_a_file(site: Site) -> None:
    """It is not the application that failed, whose setting the server has renamed."""
    site.expects_traceback("ValueError: failed at once")
    reply = site.ask("/to-a-mapped-file")
    assert (reply.status, reply.text) == (500, "an application says sorry")


def test_an_applications_own_error_page_is_not_replaced(site: Site) -> None:
    reply = site.ask("/pages/forbidden")
    assert (reply.status, reply.text) == (403, "my own words")


def test_a_response_that_broke_is_not_continued_by_an_error_page(site: Site) -> None:
    site.expects_traceback("ValueError: broke in a sub-request")
    answer = site.raw(message("/pages/breaks"))
    assert b"half" in answer
    assert b"redirected" not in answer
    assert answer.count(b"HTTP/1.1 ") == 1


# ---- rewritten URLs


@pytest.mark.parametrize("path", ["/old/a/b", "/rewritten/to/a/b"])
def test_a_rewritten_url_leads_to_an_application(site: Site, path: str) -> None:
    """By the server's rules, or by a directory's, which redirect internally."""
    assert site.ask(f"{path}?q=1").text == "/pages/where|/a/b|q=1|GET"


def test_a_rewritten_url_leads_out_of_our_handler(site: Site) -> None:
    """The section that sets our handler is the one that the URL leads to, not where it began."""
    assert site.ask("/pages/where/leave").text == "plain"
    assert site.ask("/pages/where/stay").text == "/pages/where|/stay||GET"


@pytest.mark.parametrize("body", [b"", b"a body"])
def test_a_body_survives_a_rewritten_url(site: Site, body: bytes) -> None:
    reply = site.ask("/rewritten/to/x", method="POST", body=body)
    assert reply.text == "/pages/where|/x||POST"


def test_a_content_type_is_no_handler(naming: Site) -> None:
    """Servers take it for one where there is none, and a file can name it."""
    assert "it ran" not in naming.ask("/files/asis/type.asis").text


def test_the_settings_of_a_file_that_names_a_url_are_not_those_of_the_url(naming: Site) -> None:
    assert naming.ask("/files/asis/named.asis").text == "/pages/where|/more||GET"


def test_a_setting_of_a_rewrite_counts(site: Site) -> None:
    """What the rewriting rule itself sets is set on purpose, unlike what is inherited."""
    site.expects("mod_wsgi.nonsense 'x' is not a variable")
    assert site.ask("/rewritten/set/x").status == 500


# ---- a body that is too large for the whole server

LIMITED = """
LimitRequestBody 1000
ErrorDocument 413 /pages/redirected/large
@{base}
@{applications}
"""


def test_an_application_may_be_the_page_for_a_body_that_is_too_large(
    serve: Serve,
) -> None:
    """The limit holds for the page's own request too, which has no body."""
    site = serve(LIMITED)
    site.tolerates(r"larger than")
    reply = site.ask("/bodies/read_all", method="POST", body=b"x" * 2000)
    assert reply.text == "413|/bodies/read_all|/pages/redirected|/large|0 bytes"
    assert reply.status == 413
