"""The commonest mistakes of a first hour: each one has a line that says what to write instead."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.harness.site import Site

OPTIONS = {"processes": 1}

SETTING = """
<Location /{name}>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.interpreter of-{name}
    SetEnv mod_wsgi.directory "@{{www}}/{directory}"
    SetEnv mod_wsgi.application "{application}"
</Location>
"""


def section(name: str, application: str, directory: str = "site") -> str:
    return SETTING.format(name=name, application=application, directory=directory)


FACTORIES = """
class Site(object):
    def __call__(self, environ, start_response):
        start_response("200 OK", [])
        return [b""]

def create_app():
    return Site()

def create_with(settings=None, debug=None):
    return Site()
"""

OF_ASGI = """
class Site(object):
    def __call__(self, scope, receive, send):
        raise AssertionError("nobody calls this")

app = Site()

def function(scope, receive, send):
    raise AssertionError("nobody calls this")

def old(scope):
    raise AssertionError("nobody calls this")
"""

ASYNC = """
async def app(scope, receive, send):
    raise AssertionError("nobody calls this")

async def with_two(environ, start_response):
    raise AssertionError("nobody calls this")

async def generator(environ, start_response):
    yield b""
"""

HALF_LOADED = """
import registry

registry.populate()
raise LookupError("the cause, %d" % registry.ATTEMPTS)
"""

# As Django's: what a first attempt has left behind makes the second fail otherwise.
REGISTRY = """
ATTEMPTS = 0

def populate():
    global ATTEMPTS
    ATTEMPTS += 1
    if ATTEMPTS > 1:
        raise RuntimeError("populate() isn't reentrant")
"""

MENDS_ITSELF = """
import registry

registry.ATTEMPTS += 1
if registry.ATTEMPTS < 3:
    raise LookupError("attempt %d" % registry.ATTEMPTS)

def application(environ, start_response):
    start_response("200 OK", [])
    return [b"mended"]
"""

# A package that can be in one interpreter of a process only.
FOR_ONE = """
import os

mark = "@{scratch}/for-one-%d" % os.getpid()
if os.path.exists(mark):
    raise ImportError("cannot load module more than once per process")
open(mark, "w").close()
"""

NEEDS_FOR_ONE = """
from for_one import inner

def application(environ, start_response):
    start_response("200 OK", [])
    return [b"first"]
"""

FILES = {
    "site/for_one/__init__.py": "",
    "site/for_one/inner.py": FOR_ONE,
    "site/needs_for_one.py": NEEDS_FOR_ONE,
    "site/registry.py": REGISTRY,
    "site/half_loaded.py": HALF_LOADED,
    "site/mends_itself.py": MENDS_ITSELF,
    "site/app.py": "def application(environ, start_response):\n    pass\n",
    "site/named_app.py": "def app(environ, start_response):\n    pass\n",
    "site/has_factory.py": "def create_app():\n    pass\n",
    "site/shop/__init__.py": "",
    "site/shop/wsgi.py": "import shop.settings\n",
    "home/a_package/alike.py": "import a_package.part\n",
    "files/named_app.wsgi": "def app(environ, start_response):\n    pass\n",
    "site/sound.py": "def application(environ, start_response):\n"
    "    start_response('200 OK', [])\n    return [b'sound']\n",
    "site/needs_package.py": "import a_package.part\n",
    "site/needs_own_module.py": "import known.nosuch\n",
    "site/known/__init__.py": "",
    "site/factories.py": FACTORIES,
    "site/of_asgi.py": OF_ASGI,
    "site/of_async.py": ASYNC,
    "site/closed/__init__.py": "",
    "home/bob/site/inside.py": "",
    "env/pyvenv.cfg": "home = /usr/bin\n",
    "env/lib/python@{version}/site-packages/.keep": "",
    "files/.keep": "",
    "files/unreadable.wsgi": "",
}

NAMES = {
    "suffix": ("app.py", "write 'app', without .py"),
    "suffix-and-callable": ("app.py::site", "write 'app::site', without .py"),
    "absent-with-suffix": ("absent.py", "write 'absent', without .py"),
    "path": ("/srv/shop/app.py", "write 'app', .*\"SetEnv mod_wsgi.directory /srv/shop\""),
    "relative-path": ("shop/app.py", r"write 'shop\.app', without \.py, with dots"),
    "factory-call": (
        "app:create_app()",
        r"write 'app', and \"application = create_app\(\)\" at the end of the module",
    ),
    "factory-call-in-a-path": (
        "/srv/shop/app.py::create_app(None)",
        r"write 'app', and .* = create_app\(None\).*SetEnv mod_wsgi.directory /srv/shop\"",
    ),
    "one-colon": ("app:application", "write 'app::application', with two colons"),
}

CONFIG = (
    'DocumentRoot "@{www}"\n'
    + "".join(section(name, application) for name, (application, _) in NAMES.items())
    + "".join(
        section(f"{module}-{name}", f"{module}::{name}")
        for module, name in (
            ("factories", "Site"),
            ("factories", "create_app"),
            ("factories", "create_with"),
            ("of_asgi", "app"),
            ("of_asgi", "function"),
            ("of_asgi", "old"),
            ("of_async", "app"),
            ("of_async", "with_two"),
            ("of_async", "generator"),
        )
    )
    + section("no-package", "needs_package")
    + section("no-package-in-env", "needs_package")
    + """
<Location /no-package-in-env>
    SetEnv mod_wsgi.virtualenv "@{www}/env"
</Location>
"""
    + section("no-module", "needs_own_module")
    + section("named-app", "named_app")
    + section("has-factory", "has_factory::app")
    + section("in-package", "wsgi", "site/shop")
    + section("in-folder", "alike", "home/a_package")
    + section("no-directory", "sound", "nowhere")
    + section("file-as-directory", "sound", "site/sound.py")
    + section("closed-package", "closed.part")
    + section("one", "needs_for_one")
    + section("another", "needs_for_one")
    + section("main", "needs_for_one")
    + """
<Location /main>
    SetEnv mod_wsgi.interpreter main_interpreter
</Location>
"""
    + section("sound", "sound")
    + section("half-loaded", "half_loaded")
    + section("mends-itself", "mends_itself")
    + section("in-home", "inside", "home/bob/site")
    + section("in-linked-home", "inside", "link")
    + section("closed-env", "sound")
    + """
<Location /closed-env>
    SetEnv mod_wsgi.virtualenv "@{www}/env"
</Location>
<Directory "@{www}/files">
    Options ExecCGI
    AddHandler mod_wsgi .wsgi
</Directory>
"""
)


def line_of(site: Site, path: str, *patterns: str) -> str:
    """The line of the log that holds all of the patterns."""
    site.tolerates("mod_wsgi")
    assert site.get(path).status_code == 500
    line = site.watch.wait_for(patterns[0])
    assert [each for each in patterns if not re.search(each, line)] == [], line
    return line


@contextmanager
def closed(path: Path, mode: int = 0) -> Iterator[None]:
    before = path.stat().st_mode & 0o7777
    path.chmod(mode)
    try:
        yield
    finally:
        path.chmod(before)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_where_a_module_is_wanted_is_answered_with_the_modules_name(
    site: Site, name: str
) -> None:
    application, advice = NAMES[name]
    line_of(site, f"/{name}", f"mod_wsgi.application '{re.escape(application)}'", advice)


def test_a_missing_package_asks_for_a_virtual_environment(site: Site, version: str) -> None:
    site.expects_traceback("(ModuleNotFound|Import)Error: No module named '?a_package")
    line_of(
        site,
        "/no-package",
        "there is no 'a_package'",
        rf"mod_wsgi\.virtualenv is not set: .*Python {version}",
    )


def test_a_missing_package_names_the_virtual_environment_that_lacks_it(
    site: Site, version: str
) -> None:
    site.expects_traceback("(ModuleNotFound|Import)Error: No module named '?a_package")
    site.tolerates("has no bin/python")
    line_of(
        site,
        "/no-package-in-env",
        rf"there is no 'a_package' in mod_wsgi\.virtualenv '/\S*/env' \(Python {version}\)",
        "/env/bin/python -m pip install",
    )


@pytest.mark.pythons("3.*")
def test_a_missing_module_of_a_package_that_is_there_is_no_matter_of_environments(
    site: Site,
) -> None:
    """Python 2 does not say which package it looked in."""
    site.expects_traceback("ModuleNotFoundError: No module named 'known.nosuch'")
    site.tolerates("mod_wsgi")
    site.get("/no-module")
    site.watch.wait_for("No module named 'known.nosuch'")
    assert not [line for line in site.watch.lines() if "virtualenv" in line]


def test_a_module_that_calls_its_application_app_is_answered_with_that(site: Site) -> None:
    line_of(site, "/named-app", "'named_app': there is no 'application'", "write 'named_app::app'")


def test_a_file_that_calls_its_application_app_is_told_what_to_add(site: Site) -> None:
    line_of(
        site,
        "/files/named_app.wsgi",
        "there is no 'application'",
        'write "application = app" at the end of the file',
    )


def test_a_module_that_has_a_factory_only_is_told_to_call_it(site: Site) -> None:
    line_of(
        site,
        "/has-factory",
        "'has_factory::app': there is no 'app'",
        r'write "application = create_app\(\)" at the end of the module',
        "set mod_wsgi.application to 'has_factory'",
    )


def test_a_directory_that_is_the_package_itself_is_told_with_the_one_above(site: Site) -> None:
    """As Django's, where the folder of wsgi.py is set in place of that of manage.py."""
    site.expects_traceback("(ModuleNotFound|Import)Error: No module named '?shop")
    line_of(
        site,
        "/in-package",
        "mod_wsgi.directory '/[^']*/site/shop' looks like 'shop' itself",
        "set it to '/[^']*/site', and begin mod_wsgi.application with 'shop.'",
    )


def test_a_folder_with_the_name_of_a_missing_package_is_not_taken_for_it(site: Site) -> None:
    site.expects_traceback("(ModuleNotFound|Import)Error: No module named '?a_package")
    line_of(site, "/in-folder", "there is no 'a_package', and mod_wsgi.virtualenv is not set")


def test_a_directory_that_is_not_there_is_told_from_a_closed_one(site: Site) -> None:
    line_of(site, "/no-directory", "mod_wsgi.directory '/[^']*/nowhere' does not exist")


def test_a_file_where_a_directory_is_wanted_is_told(site: Site) -> None:
    line_of(site, "/file-as-directory", "mod_wsgi.directory '/[^']*/sound.py' is a file")


def test_a_closed_home_names_the_step_and_the_command(site: Site) -> None:
    home = site.root / "htdocs/home/bob"
    with closed(home):
        line_of(
            site,
            "/in-home",
            "mod_wsgi.directory '/.*/home/bob/site' can't be used",
            f"the server's user '?[^ ]+ cannot enter '{home}': \"chmod [uo]\\+x {home}\"",
            "the steps after it cannot be seen yet",
        )


def test_a_closed_home_behind_a_link_names_the_step(site: Site) -> None:
    home = site.root / "htdocs/home/bob"
    link = site.root / "htdocs/link"
    link.symlink_to("home/bob/site")
    with closed(home):
        line_of(site, "/in-linked-home", "/link' can't be used", rf"\"chmod [uo]\+x {home}\"")


def test_a_closed_directory_is_named_itself(site: Site) -> None:
    last = site.root / "htdocs/home/bob/site"
    with closed(last):
        line = line_of(site, "/in-home", f'"chmod [uo]\\+rx {last}"')
    assert "the steps after it" not in line


def test_a_closed_virtual_environment_names_the_step(site: Site) -> None:
    library = site.root / "htdocs/env/lib"
    with closed(library):
        line_of(
            site,
            "/closed-env",
            "mod_wsgi.virtualenv '/.*/env' can't be used",
            rf"\"chmod [uo]\+x {library}\"",
        )


def test_a_closed_package_is_told_from_a_missing_one(site: Site) -> None:
    package = site.root / "htdocs/site/closed"
    with closed(package):
        line_of(site, "/closed-package", "mod_wsgi.application", rf"\"chmod [uo]\+rx {package}\"")


def test_an_application_file_that_must_not_be_read_is_told_with_the_command(site: Site) -> None:
    file = site.root / "htdocs/files/unreadable.wsgi"
    site.expects_traceback("(PermissionError|IOError)")
    with closed(file):
        line_of(site, "/files/unreadable.wsgi", "cannot read", rf"\"chmod [uo]\+r {file}\"")


@pytest.mark.parametrize("name", ["app", "function", "old"])
def test_an_application_of_asgi_is_recognised(site: Site, name: str) -> None:
    site.expects_traceback("TypeError: ")
    line_of(
        site,
        f"/of_asgi-{name}",
        f"mod_wsgi.application 'of_asgi::{name}' is an ASGI application",
        "a2wsgi",
    )


@pytest.mark.pythons("3.*")
def test_an_async_function_of_three_is_recognised(site: Site) -> None:
    site.expects_traceback("TypeError: ")
    line_of(site, "/of_async-app", "of_async::app' is an ASGI application", "a2wsgi")


@pytest.mark.pythons("3.*")
@pytest.mark.parametrize("name", ["with_two", "generator"])
def test_an_async_function_of_two_is_recognised(site: Site, name: str) -> None:
    site.expects_traceback('TypeError: the application returned a.* WSGI has no "async def"')
    site.tolerates("mod_wsgi")
    assert site.get(f"/of_async-{name}").status_code == 500


def test_a_factory_is_recognised(site: Site) -> None:
    site.expects_traceback("TypeError: ")
    line_of(
        site,
        "/factories-create_app",
        "mod_wsgi.application 'factories::create_app' .*is it a factory",
        "name what it returns",
    )


def test_a_factory_that_takes_two_is_recognised(site: Site) -> None:
    site.expects_traceback("TypeError: the application returned .*is the application a factory")
    site.tolerates("mod_wsgi")
    assert site.get("/factories-create_with").status_code == 500


def test_a_class_is_told_from_its_instances(site: Site) -> None:
    site.expects_traceback("TypeError: ")
    line_of(site, "/factories-Site", "factories::Site' is a class", "name an instance")


def test_what_an_application_does_wrong_is_not_taken_for_its_kind(serve: Serve) -> None:
    """A block that is no bytes is a TypeError as well, and nothing else is wrong."""
    site = serve(
        section("text", "text"),
        files={
            "site/text.py": "class application(object):\n"
            "    def __init__(self, environ, start_response):\n"
            "        start_response('200 OK', [])\n"
            "    def __iter__(self):\n        yield u'text'\n"
        },
    )
    site.expects_traceback("TypeError: ")
    site.tolerates("mod_wsgi")
    site.get("/text")
    site.watch.wait_for("TypeError")
    assert not [line for line in site.watch.lines() if "is a class" in line]


def test_a_later_attempt_that_fails_otherwise_repeats_the_first_cause(site: Site) -> None:
    site.tolerates("mod_wsgi")
    site.expects_traceback("LookupError: the cause, 1")
    site.expects_traceback("RuntimeError: populate")
    for _ in range(3):
        assert site.get("/half-loaded").status_code == 500
        site.watch.wait_for("can't be loaded")
    told = "\n".join(site.watch.lines())
    assert told.count("LookupError: the cause, 1") == 3
    assert told.count("RuntimeError: populate") == 2
    assert told.count("restart the server. The first attempt raised:") == 2


def test_an_application_whose_cause_is_gone_loads_at_a_later_attempt(site: Site) -> None:
    site.tolerates("mod_wsgi")
    site.expects_traceback("LookupError: attempt")
    assert [site.get("/mends-itself").status_code for _ in range(4)] == [500, 500, 200, 200]


@pytest.mark.needs("shared-process")
@pytest.mark.parametrize("path", ["/another", "/main"])
def test_a_package_for_one_interpreter_names_the_one_that_has_it(site: Site, path: str) -> None:
    assert site.get("/one").text == "first"
    site.expects_traceback("ImportError: cannot load module more than once")
    line_of(
        site,
        path,
        "'for_one.inner' can be in only one interpreter of a process",
        "the interpreter 'of-one' has it",
        "to main_interpreter.*for all applications that use it",
    )
