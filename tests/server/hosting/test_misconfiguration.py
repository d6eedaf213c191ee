"""A wrong setting is a 500 and one line of the log: the variable, its value, and what to do."""

import re
from typing import NamedTuple

import pytest

from tests.harness.site import Site

CUSTOMER = """
AddHandler mod_wsgi .wsgi
<FilesMatch "^application$">
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application hello::named
    SetEnv mod_wsgi.directory "@{apps}"
</FilesMatch>
"""

HELLO_FILE = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"a file that is there"]
"""

FILES = {
    "a-file": "no folder",
    "other/pyvenv.cfg": "home = /usr/bin\nversion = 3.2.1\n",
    "other/lib/python3.2/site-packages/.keep": "",
    "empty-environment/.keep": "",
    "broken/imports_missing.py": "import a_module_that_is_nowhere\n",
    "broken/raises.py": "raise ValueError('raised while importing')\n",
    "broken/is_no_python.py": "def application(environ, start_response:\n",
    "broken/leaves.py": "import sys\nsys.exit('left while importing')\n",
    "broken/none.py": "application = None\n",
    "customer/.htaccess": CUSTOMER,
    "customer/plain.wsgi": "raise ValueError('never loaded')\n",
    "handled/present.wsgi": HELLO_FILE,
    "handled/inner/.keep": "",
    "scripts/empty.wsgi": "",
    "scripts/raises.wsgi": "raise ValueError('raised in a file')\n",
    "scripts/unfinished.wsgi": "def application(\n",
}


class Case(NamedTuple):
    """Settings, what the log line must hold (as patterns), and the exception that is shown."""

    name: str
    settings: dict[str, str]
    line: tuple[str, ...]
    traceback: str = ""
    status: int = 500


HELLO = {"application": "hello::named"}

CASES = [
    Case("no-application", {}, ("mod_wsgi.application", "SetEnv mod_wsgi.application")),
    Case("empty-application", {"application": ""}, ("mod_wsgi.application",)),
    Case(
        "module-not-found",
        {"application": "nosuch_module::application"},
        ("mod_wsgi.application", "nosuch_module", "mod_wsgi.directory"),
    ),
    Case(
        "package-not-found",
        {"application": "nosuch.inner::application"},
        ("mod_wsgi.application", "nosuch", "mod_wsgi.directory"),
    ),
    Case(
        "callable-missing",
        {"application": "hello::nosuch_callable"},
        ("mod_wsgi.application", "hello::nosuch_callable"),
    ),
    Case(
        "dotted-callable-missing",
        {"application": "hello::site.nosuch"},
        ("mod_wsgi.application", "hello::site.nosuch"),
    ),
    Case(
        "not-callable",
        {"application": "hello::not_callable"},
        ("mod_wsgi.application", "hello::not_callable", "callable"),
    ),
    Case(
        "none-as-application",
        {"application": "none", "directory": "@{www}/broken"},
        ("mod_wsgi.application", "none", "callable"),
    ),
    Case("application-of-colons", {"application": "::"}, ("mod_wsgi.application", "::")),
    Case("application-of-three", {"application": "a::b::c"}, ("mod_wsgi.application", "a::b::c")),
    Case(
        "application-as-a-path",
        {"application": "../hello::named"},
        ("mod_wsgi.application", r"\.\./hello::named"),
    ),
    Case(
        "import-of-a-missing-module",
        {"application": "imports_missing", "directory": "@{www}/broken"},
        ("mod_wsgi.application", "imports_missing"),
        "(ModuleNotFound|Import)Error: No module named .?a_module_that_is_nowhere",
    ),
    Case(
        "import-raises",
        {"application": "raises", "directory": "@{www}/broken"},
        ("mod_wsgi.application", "raises"),
        "ValueError: raised while importing",
    ),
    Case(
        "syntax-error",
        {"application": "is_no_python", "directory": "@{www}/broken"},
        ("mod_wsgi.application", "is_no_python"),
        "SyntaxError",
    ),
    Case(
        "import-leaves",
        {"application": "leaves", "directory": "@{www}/broken"},
        ("mod_wsgi.application", "leaves"),
        "SystemExit: left while importing",
    ),
    Case(
        "relative-directory",
        {**HELLO, "directory": "relative/path"},
        ("mod_wsgi.directory", "relative/path", "absolute"),
    ),
    Case(
        "one-relative-directory-of-two",
        {**HELLO, "directory": "@{apps}:relative"},
        ("mod_wsgi.directory", "relative", "absolute"),
    ),
    Case(
        "missing-directory",
        {**HELLO, "directory": "/nonexistent/directory"},
        ("mod_wsgi.directory", "/nonexistent/directory"),
    ),
    Case(
        "one-missing-directory-of-two",
        {**HELLO, "directory": "@{apps}:/nonexistent/second"},
        ("mod_wsgi.directory", "/nonexistent/second"),
    ),
    Case(
        "file-as-directory",
        {**HELLO, "directory": "@{www}/a-file"},
        ("mod_wsgi.directory", "a-file"),
    ),
    Case("unknown-name", {**HELLO, "aplication": "x"}, ("mod_wsgi.aplication",)),
    Case(
        "no-number",
        {**HELLO, "interpreters": "many"},
        ("mod_wsgi.interpreters", "many", "1"),
    ),
    Case("number-too-small", {**HELLO, "interpreters": "0"}, ("mod_wsgi.interpreters", "0")),
    Case("number-too-big", {**HELLO, "interpreters": "65"}, ("mod_wsgi.interpreters", "65", "64")),
    Case("number-with-rest", {**HELLO, "interpreters": "2x"}, ("mod_wsgi.interpreters", "2x")),
    Case(
        "number-of-many-digits",
        {**HELLO, "interpreters": "99999999999999999999"},
        ("mod_wsgi.interpreters", "99999999999999999999"),
    ),
    Case(
        "no-switch",
        {**HELLO, "authorization": "perhaps"},
        ("mod_wsgi.authorization", "perhaps", "on"),
    ),
    Case("no-switch-for-reload", {**HELLO, "reload": "1x"}, ("mod_wsgi.reload", "1x", "on")),
    Case("unknown-gil", {**HELLO, "gil": "mine"}, ("mod_wsgi.gil", "mine", "own")),
    Case(
        "relative-virtualenv",
        {**HELLO, "virtualenv": "relative/env"},
        ("mod_wsgi.virtualenv", "relative/env", "absolute"),
    ),
    Case(
        "missing-virtualenv",
        {**HELLO, "virtualenv": "/nonexistent/env"},
        ("mod_wsgi.virtualenv", "/nonexistent/env"),
    ),
    Case(
        "virtualenv-of-another-python",
        {**HELLO, "virtualenv": "@{www}/other"},
        ("mod_wsgi.virtualenv", "/other", r"3\.2", "@{version}"),
    ),
    Case(
        "folder-that-is-no-virtualenv",
        {**HELLO, "virtualenv": "@{www}/empty-environment"},
        ("mod_wsgi.virtualenv", "empty-environment"),
    ),
    Case(
        "script-name-without-slash",
        {**HELLO, "script_name": "no-slash"},
        ("mod_wsgi.script_name", "no-slash", "/"),
    ),
    Case(
        "script-name-elsewhere",
        {**HELLO, "script_name": "/somewhere/else"},
        ("mod_wsgi.script_name", "/somewhere/else"),
    ),
    Case(
        "long-interpreter-name",
        {**HELLO, "interpreter": "n" * 256},
        ("mod_wsgi.interpreter", "255"),
    ),
]

SECTION = """
<Location /wrong/{name}>
    SetHandler mod_wsgi
{settings}
</Location>
"""


def section(case: Case) -> str:
    settings = {"interpreter": f"of-{case.name}", "directory": "@{apps}", **case.settings}
    lines = [f'    SetEnv mod_wsgi.{name} "{value}"' for name, value in settings.items()]
    return SECTION.format(name=case.name, settings="\n".join(lines))


CONFIG = """
DocumentRoot "@{www}"
<Directory "@{www}/scripts">
    Options ExecCGI
    AddHandler mod_wsgi .wsgi
</Directory>
<Directory "@{www}/handled">
    Options ExecCGI
    SetHandler mod_wsgi
</Directory>
<Directory "@{www}/customer">
    Options None
    AllowOverride FileInfo
</Directory>
<Location /fine>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application hello::named
    SetEnv mod_wsgi.directory "@{apps}"
</Location>
""" + "".join(section(case) for case in CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_wrong_setting_is_an_error_page_and_a_line_that_helps(
    site: Site, version: str, case: Case
) -> None:
    patterns = [each.replace("@{version}", re.escape(version)) for each in case.line]
    for pattern in patterns:
        site.expects(pattern)
    if case.traceback:
        site.expects_traceback(case.traceback)
        site.tolerates("mod_wsgi.virtualenv is not set")
    assert site.get(f"/wrong/{case.name}").status_code == case.status
    line = site.watch.wait_for(patterns[0])
    assert [each for each in patterns if not re.search(each, line)] == [], line


@pytest.mark.parametrize(
    "case", [case for case in CASES if not case.traceback], ids=lambda case: case.name
)
def test_a_wrong_setting_is_one_line_for_each_request(site: Site, case: Case) -> None:
    site.tolerates("mod_wsgi")
    for count in (1, 2):
        site.get(f"/wrong/{case.name}")
        site.watch.wait_for("mod_wsgi")
        assert len(site.watch.severe()) == count, "\n".join(site.watch.severe())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_error_page_tells_the_client_nothing(site: Site, case: Case) -> None:
    site.tolerates("mod_wsgi")
    if case.traceback:
        site.expects_traceback(case.traceback)
    page = site.get(f"/wrong/{case.name}").text
    assert "mod_wsgi." not in page
    assert "Traceback" not in page


def test_no_application_shows_the_lines_to_write(site: Site) -> None:
    site.tolerates("mod_wsgi")
    site.get("/wrong/no-application")
    told = "\n".join(site.watch.severe())
    assert "SetHandler mod_wsgi" in told
    assert "SetEnv mod_wsgi.application" in told


@pytest.mark.parametrize(
    ("name", "last_line"),
    [("raises", "ValueError: raised in a file"), ("unfinished", "SyntaxError")],
)
def test_a_file_that_does_not_load_is_a_500_and_a_traceback(
    site: Site, name: str, last_line: str
) -> None:
    site.expects_traceback(last_line)
    site.tolerates(f"{name}.wsgi")
    assert site.get(f"/scripts/{name}.wsgi").status_code == 500


def test_a_file_without_an_application_is_named(site: Site) -> None:
    site.expects(r"empty\.wsgi.*application|application.*empty\.wsgi")
    assert site.get("/scripts/empty.wsgi").status_code == 500


def test_a_missing_file_is_a_404(site: Site) -> None:
    site.tolerates(r"missing\.wsgi")
    assert site.get("/scripts/missing.wsgi").status_code == 404


@pytest.mark.parametrize(
    "path", ["missing.wsgi", "missing", "missing/more/of/it", "inner/missing"]
)
def test_a_missing_file_of_a_directory_with_the_handler_is_a_404(site: Site, path: str) -> None:
    assert site.get(f"/handled/{path}").status_code == 404
    site.watch.wait_for(f"info.*there is no file for /handled/{path}")


def test_a_file_of_a_directory_with_the_handler_is_the_application(site: Site) -> None:
    assert site.get("/handled/present.wsgi").text == "a file that is there"


def test_a_directory_with_the_handler_and_no_application_shows_the_lines_to_write(
    site: Site,
) -> None:
    site.expects("no application is set for /handled/")
    assert site.get("/handled/").status_code == 500


@pytest.mark.parametrize("path", ["/customer/plain.wsgi", "/customer/application"])
def test_a_customer_without_exec_cgi_is_forbidden(site: Site, path: str) -> None:
    site.expects("ExecCGI")
    assert site.get(path).status_code == 403


def test_a_wrong_section_leaves_its_neighbours_alone(site: Site) -> None:
    site.tolerates("mod_wsgi")
    site.get("/wrong/unknown-name")
    assert site.get("/fine").text == "hello from named"


def test_an_application_that_did_not_load_is_tried_again(site: Site) -> None:
    """Its import is not remembered as done: every request logs why it fails."""
    site.tolerates("mod_wsgi")
    site.expects_traceback("ValueError: raised while importing")
    for _ in range(3):
        assert site.get("/wrong/import-raises").status_code == 500
    told = [line for line in site.watch.lines() if "ValueError: raised while importing" in line]
    assert len(told) == 3
