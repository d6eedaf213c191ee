"""The mod_wsgi.* variables: what each does, and who may set them in which way.

One process serves everything here, so that what interpreters share or do not share is seen for
sure, and not by the luck of the process that answered.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.conftest import Serve
from tests.harness.site import Reply, Site

OPTIONS = {"processes": 1}

MODULE = """
SAID = "{}"

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [SAID.encode("ascii")]
"""

FILES = {
    "first/chosen.py": MODULE.format("first"),
    "second/chosen.py": MODULE.format("second"),
    "second/only_second.py": MODULE.format("only second"),
    "package/inner/__init__.py": "",
    "package/inner/site.py": MODULE.format("inside a package"),
    "env/pyvenv.cfg": "home = /usr/bin\nversion = @{version}.0\n",
    "env/lib/python@{version}/site-packages/in_environment.py": MODULE.format("in environment"),
    "env/lib/python@{version}/site-packages/pip.py": MODULE.format("pip of the environment"),
    "env/lib/python@{version}/site-packages/more.pth": "../../../more\n",
    "env/more/by_pth.py": MODULE.format("by pth"),
    "scripts/plain.wsgi": MODULE.format("a file"),
    "per-directory/.keep": "",
}

CONFIG = """
DocumentRoot "@{www}"
SetEnv tests.scratch "@{scratch}"
SetEnv tests.overridden "from the main server"

<Location /app>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.directory "@{apps}"
    SetEnv mod_wsgi.interpreter applications
</Location>
<Location /app/module>
    SetEnv mod_wsgi.application hello
</Location>
<Location /app/callable>
    SetEnv mod_wsgi.application hello::named
</Location>
<Location /app/dotted>
    SetEnv mod_wsgi.application hello::site.wsgi_app
</Location>
<Location /app/instance>
    SetEnv mod_wsgi.application hello::site
</Location>
<Location /app/class>
    SetEnv mod_wsgi.application hello::AsClass
</Location>
<Location /app/package>
    SetEnv mod_wsgi.application inner.site::application
    SetEnv mod_wsgi.directory "@{www}/package"
</Location>
<Location /app/package-default>
    SetEnv mod_wsgi.application inner.site
    SetEnv mod_wsgi.directory "@{www}/package"
</Location>

<Directory "@{www}/scripts">
    Options ExecCGI
    AddHandler mod_wsgi .wsgi
</Directory>

<Location /state>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application states::mark
    SetEnv mod_wsgi.directory "@{apps}"
</Location>
<Location /state/red>
    SetEnv mod_wsgi.interpreter red
</Location>
<Location /state/red-too>
    SetEnv mod_wsgi.interpreter red
</Location>
<Location /state/blue>
    SetEnv mod_wsgi.interpreter blue
</Location>
<Location /state/main>
    SetEnv mod_wsgi.interpreter main_interpreter
</Location>
<Location /main-of-python>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application states::main_thread
    SetEnv mod_wsgi.directory "@{apps}"
</Location>
<Location /main-of-python/main>
    SetEnv mod_wsgi.interpreter main_interpreter
</Location>
<Location /main-of-python/other>
    SetEnv mod_wsgi.interpreter other
</Location>

<Location /directory>
    SetHandler mod_wsgi
</Location>
<Location /directory/one>
    SetEnv mod_wsgi.application chosen
    SetEnv mod_wsgi.directory "@{www}/first"
    SetEnv mod_wsgi.interpreter directory-one
</Location>
<Location /directory/two>
    SetEnv mod_wsgi.application chosen
    SetEnv mod_wsgi.directory "@{www}/first:@{www}/second"
    SetEnv mod_wsgi.interpreter directory-two
</Location>
<Location /directory/last>
    SetEnv mod_wsgi.application only_second
    SetEnv mod_wsgi.directory "@{www}/first:@{www}/second"
    SetEnv mod_wsgi.interpreter directory-last
</Location>
<Location /directory/path>
    SetEnv mod_wsgi.application states::path
    SetEnv mod_wsgi.directory "@{www}/second:@{www}/first:@{apps}"
    SetEnv mod_wsgi.interpreter directory-path
</Location>

<Location /environment>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.directory "@{apps}"
    SetEnv mod_wsgi.virtualenv "@{www}/env"
    SetEnv mod_wsgi.interpreter environment
    SetEnv mod_wsgi.application states::imports
</Location>
<Location /environment/path>
    SetEnv mod_wsgi.application states::path
</Location>
<Location /environment/application>
    SetEnv mod_wsgi.application in_environment
</Location>

<Location /late>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.directory "@{apps}"
    SetEnv mod_wsgi.interpreter late
    SetEnv mod_wsgi.application facts
</Location>
<Location /late/environment>
    SetEnv mod_wsgi.virtualenv "@{www}/env"
</Location>
<Location /late/imports>
    SetEnv mod_wsgi.application states::imports
</Location>

<Location /seen>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application environs::as_json
    SetEnv mod_wsgi.directory "@{apps}"
    SetEnv mod_wsgi.interpreter seen
    SetEnv tests.overridden "from the section"
</Location>
<Location /seen/authorization>
    SetEnv mod_wsgi.authorization on
</Location>
<Location /seen/no-authorization>
    SetEnv mod_wsgi.authorization off
</Location>

# Request headers and URLs reach the settings through SetEnvIf and rewriting.
SetEnvIf X-Application "(.+)" mod_wsgi.application=$1
SetEnvIf Request_URI "^/by-setenvif/" mod_wsgi.application=hello::named
SetEnvIf Request_URI "^/by-setenvif/dotted" mod_wsgi.application=hello::site.wsgi_app
<Location /by-setenvif>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.directory "@{apps}"
    SetEnv mod_wsgi.interpreter applications
</Location>

RewriteEngine On
RewriteRule ^/by-rewrite/application/([a-z]+)$ - [E=mod_wsgi.application:hello::$1]
RewriteRule ^/by-rewrite/interpreter/([a-z]+)$ - [E=mod_wsgi.interpreter:of-$1]
<Location /by-rewrite>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.directory "@{apps}"
</Location>
<Location /by-rewrite/application>
    SetEnv mod_wsgi.interpreter applications
</Location>
<Location /by-rewrite/interpreter>
    SetEnv mod_wsgi.application states::mark
</Location>

# Rewriting inside a directory starts the request over, and renames what was set before it.
<Directory "@{www}/per-directory">
    Options FollowSymLinks ExecCGI
    RewriteEngine On
    RewriteRule ^([a-z]+)$ /renamed/$1 [E=mod_wsgi.application:hello::$1]
</Directory>
<Location /renamed>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.directory "@{apps}"
    SetEnv mod_wsgi.interpreter applications
</Location>

Listen 127.0.0.2:@{port}
<VirtualHost 127.0.0.2:@{port}>
    ServerName two.test
</VirtualHost>
Listen 127.0.0.3:@{port}
<VirtualHost 127.0.0.3:@{port}>
    ServerName three.test
    SetEnv tests.overridden "from the virtual host"
</VirtualHost>
"""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("module", "hello from application"),
        ("callable", "hello from named"),
        ("dotted", "hello from a dotted name"),
        ("instance", "hello from an instance"),
        ("class", "hello from a class"),
        ("package", "inside a package"),
        ("package-default", "inside a package"),
    ],
)
def test_an_application_is_found_by_its_name(site: Site, name: str, said: str) -> None:
    assert site.get(f"/app/{name}").text == said


def test_a_mapped_file_is_its_own_application(site: Site) -> None:
    assert site.get("/scripts/plain.wsgi").text == "a file"


def mark(site: Site, path: str, word: str = "") -> Any:
    reply = site.get(f"{path}?{word}")
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_interpreters_of_two_names_share_nothing(site: Site) -> None:
    mark(site, "/state/red", "red-was-here")
    seen = mark(site, "/state/blue", "blue-was-here")
    assert seen["before"] in (None, "blue-was-here")
    assert mark(site, "/state/red")["before"] == "red-was-here"


def test_interpreters_of_one_name_are_one(site: Site) -> None:
    mark(site, "/state/red", "shared")
    assert mark(site, "/state/red-too")["before"] == "shared"
    assert mark(site, "/state/red")["modules"] == mark(site, "/state/red-too")["modules"]


def test_a_module_is_loaded_once_in_an_interpreter(site: Site) -> None:
    counts = [mark(site, "/state/red")["count"] for _ in range(3)]
    assert counts == [counts[0], counts[0] + 1, counts[0] + 2]


def test_virtual_hosts_never_share_an_interpreter_by_default(site: Site) -> None:
    mark(site, "/state", "of-the-main-server")
    mark(site.at("127.0.0.2"), "/state", "of-the-second")
    mark(site.at("127.0.0.3"), "/state", "of-the-third")
    assert mark(site, "/state")["before"] == "of-the-main-server"
    assert mark(site.at("127.0.0.2"), "/state")["before"] == "of-the-second"
    assert mark(site.at("127.0.0.3"), "/state")["before"] == "of-the-third"


def test_a_forged_host_header_does_not_choose_the_interpreter(site: Site) -> None:
    mark(site.at("127.0.0.2"), "/state", "of-the-second")
    reply = site.ask("/state", headers={"Host": "two.test"})
    assert reply.json()["before"] != "of-the-second"


def test_a_name_shares_an_interpreter_across_virtual_hosts(site: Site) -> None:
    mark(site.at("127.0.0.2"), "/state/blue", "across-hosts")
    assert mark(site.at("127.0.0.3"), "/state/blue")["before"] == "across-hosts"


def test_the_main_interpreter_is_pythons_first(site: Site) -> None:
    assert site.get("/main-of-python/main").json()["main"] in (True, None)
    assert site.get("/main-of-python/other").json()["main"] in (False, None)


def test_the_main_interpreter_is_one_for_the_process(site: Site) -> None:
    mark(site, "/state/main", "in-main")
    assert mark(site.at("127.0.0.2"), "/state/main")["before"] == "in-main"
    assert mark(site, "/state/red")["before"] != "in-main"


def test_a_directory_is_where_the_application_is_found(site: Site) -> None:
    assert site.get("/directory/one").text == "first"


def test_of_several_directories_the_first_wins(site: Site) -> None:
    assert site.get("/directory/two").text == "first"


def test_of_several_directories_each_is_looked_in(site: Site) -> None:
    assert site.get("/directory/last").text == "only second"


def test_directories_come_first_on_the_path_in_order_and_once(site: Site) -> None:
    www = str(site.root / "htdocs")
    paths = [site.get("/directory/path").json()["path"] for _ in range(3)]
    assert paths[0][:2] == [f"{www}/second", f"{www}/first"]
    assert paths[0].count(f"{www}/first") == 1
    assert paths[0] == paths[1] == paths[2]


def test_argv_names_the_module(site: Site) -> None:
    assert site.get("/directory/path").json()["argv"] == ["mod_wsgi"]


def test_modules_of_a_virtual_environment_are_found(site: Site) -> None:
    seen = site.get("/environment?in_environment").json()
    assert seen["said"] == "in environment"


def test_an_application_may_live_in_its_virtual_environment(site: Site) -> None:
    assert site.get("/environment/application").text == "in environment"


def test_pth_files_of_a_virtual_environment_are_obeyed(site: Site) -> None:
    assert site.get("/environment?by_pth").json()["said"] == "by pth"


def test_a_virtual_environment_comes_before_the_systems_packages(site: Site) -> None:
    """pip is in every Python's own site-packages; the environment's is to be found first."""
    assert site.get("/environment?pip").json()["said"] == "pip of the environment"


def test_a_virtual_environment_comes_after_the_standard_library(site: Site) -> None:
    path = site.get("/environment/path").json()["path"]
    library = next(i for i, entry in enumerate(path) if entry.endswith("lib-dynload"))
    packages = next(i for i, entry in enumerate(path) if "/env/lib/" in entry)
    assert library < packages


def test_an_interpreter_that_runs_gets_the_environment_that_is_asked_for_later(
    site: Site, version: str
) -> None:
    """Whatever the first application has put on sys.path stays."""
    env = str(site.root / "htdocs" / "env")
    before = site.get("/late").json()
    assert before["prefix"] != env
    after = site.get("/late/environment").json()
    assert (after["prefix"], after["exec_prefix"]) == (env, env)
    assert after["executable"] == f"{env}/bin/python"
    assert after["paths"]["purelib"].startswith(f"{env}/")
    own = [path for path in after["path"] if path.endswith(("site-packages", "dist-packages"))]
    assert own[0] == f"{env}/lib/python{version}/site-packages"
    assert len(own) == len(set(own))
    assert site.get("/late/imports?in_environment").json()["said"] == "in environment"


def seen(site: Site, path: str, **options: Any) -> dict[str, str]:
    reply: Reply = site.ask(path, **options)
    assert reply.status == 200, reply.text
    strings: dict[str, str] = reply.json()["strings"]
    return strings


CREDENTIALS = {"Authorization": "Basic dXNlcjpwYXNz"}


def test_authorization_on_passes_credentials(site: Site) -> None:
    strings = seen(site, "/seen/authorization", headers=CREDENTIALS)
    assert strings["HTTP_AUTHORIZATION"] == "Basic dXNlcjpwYXNz"


@pytest.mark.parametrize("path", ["/seen", "/seen/no-authorization"])
def test_credentials_are_kept_back_otherwise(site: Site, path: str) -> None:
    assert "HTTP_AUTHORIZATION" not in seen(site, path, headers=CREDENTIALS)


def test_a_section_overrides_its_server(site: Site) -> None:
    assert seen(site, "/seen")["tests.overridden"] == "from the section"


def test_setenv_beats_what_a_request_header_put_there(site: Site) -> None:
    headers = {"X-Application": "hello::named"}
    assert seen(site, "/seen", headers=headers)["mod_wsgi.application"] == "environs::as_json"


def test_the_application_sees_the_setting_that_chose_it(site: Site) -> None:
    """The table holds both values; the one the application sees is the one in force."""
    headers = {"X-Application": "nosuch::thing"}
    assert seen(site, "/seen", headers=headers)["mod_wsgi.application"] == "environs::as_json"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/by-setenvif/a", "hello from named"),
        ("/by-setenvif/dotted", "hello from a dotted name"),
        ("/by-rewrite/application/named", "hello from named"),
        ("/by-rewrite/application/site", "hello from an instance"),
        ("/by-rewrite/application/application", "hello from application"),
    ],
)
def test_the_url_chooses_the_application(site: Site, path: str, said: str) -> None:
    assert site.get(path).text == said


def test_the_url_chooses_the_interpreter(site: Site) -> None:
    mark(site, "/by-rewrite/interpreter/one", "of-one")
    mark(site, "/by-rewrite/interpreter/two", "of-two")
    assert mark(site, "/by-rewrite/interpreter/one")["before"] == "of-one"
    assert mark(site, "/by-rewrite/interpreter/two")["before"] == "of-two"


def test_a_setting_renamed_by_rewriting_in_a_directory_still_counts(site: Site) -> None:
    assert site.get("/per-directory/named").text == "hello from named"


@pytest.mark.needs("cgi-pass-auth")
def test_cgi_pass_auth_passes_credentials(serve: Any) -> None:
    site = serve("@{base}\n<Location />\nCGIPassAuth On\n</Location>\n@{applications}")
    strings = seen(site, "/environs/as_json", headers=CREDENTIALS)
    assert strings["HTTP_AUTHORIZATION"] == "Basic dXNlcjpwYXNz"


SLOW = """
SetEnv mod_wsgi.directory "@{apps}"
<Location />
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application hello::application
</Location>
<Location /slow>
    SetEnv mod_wsgi.interpreter slow
    SetEnv mod_wsgi.virtualenv "@{www}/env"
</Location>
<Location /quick>
    SetEnv mod_wsgi.interpreter quick
</Location>
"""
SLOW_FILES = {
    "env/pyvenv.cfg": "home = /usr/bin\nversion = @{version}.0\n",
    "env/lib/python@{version}/site-packages/slow.pth": "import time; time.sleep(4)\n",
}


@pytest.mark.needs("threads")
def test_a_virtual_environment_that_takes_its_time_holds_up_no_other_interpreter(
    serve: Serve, version: str
) -> None:
    """Python 2 has one lock for the imports of all interpreters: there, what has been loaded."""
    site = serve(SLOW, files=SLOW_FILES, processes=1)
    if version.startswith("2."):
        site.get("/quick")
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(site.get, "/slow", timeout=20)
        time.sleep(1)
        assert site.get("/quick", timeout=2).status_code == 200
        assert not slow.done()
        assert slow.result().status_code == 200
