"""Interpreters by name: who chooses the name, how many there are, and what they do not share.

One process serves everything here, so that what interpreters share is seen for sure.
"""

import os
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

import pytest

from tests.conftest import Serve
from tests.harness.cells import Cell
from tests.harness.site import Site

OPTIONS = {"processes": 1}

SHOP = """
ORDERS = []

def application(environ, start_response):
    import json, sys, items
    ORDERS.append(environ["QUERY_STRING"])
    told = {"orders": ORDERS, "items": items.ITEMS, "file": items.__file__,
            "path": [entry for entry in sys.path if "htdocs" in entry]}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(told).encode("ascii")]
"""

FILES = {
    f"{name}/{path}": text
    for name in ("red", "blue")
    for path, text in (
        ("site/shop.py", SHOP),
        ("venv/pyvenv.cfg", "home = /usr/bin\n"),
        ("venv/lib/python@{version}/site-packages/items.py", f"ITEMS = 'of {name}'\n"),
        (f"venv/lib/python@{{version}}/site-packages/only_{name}.py", "SAID = 'here'\n"),
    )
}

SHOP_SETTINGS = """
    SetEnv mod_wsgi.application shop
    SetEnv mod_wsgi.directory "@{www}/COLOUR/site:@{apps}"
    SetEnv mod_wsgi.virtualenv "@{www}/COLOUR/venv"
"""

CONFIG = (
    """
DocumentRoot "@{www}"
RewriteEngine On
RewriteRule ^/named/([^/]*)$ - [E=mod_wsgi.interpreter:$1]
<Location /named>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application states::mark
    SetEnv mod_wsgi.directory "@{apps}"
</Location>
SetEnvIf X-Customer "^one$" mod_wsgi.interpreter=one
SetEnvIf X-Customer "^two$" mod_wsgi.interpreter=two
SetEnvIf X-Customer "^elsewhere$" mod_wsgi.interpreter=elsewhere
<Location /by-header>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application states::mark
    SetEnv mod_wsgi.directory "@{apps}"
</Location>
<Location /set>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application states::mark
    SetEnv mod_wsgi.directory "@{apps}"
    SetEnv mod_wsgi.interpreter set
</Location>
<Location /main>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application states::mark
    SetEnv mod_wsgi.directory "@{apps}"
    SetEnv mod_wsgi.interpreter main_interpreter
</Location>

<Location /shop>
    SetHandler mod_wsgi
</Location>
<Location /imports>
    SetHandler mod_wsgi
</Location>
Listen 127.0.0.2:@{port}
<VirtualHost 127.0.0.2:@{port}>
    ServerName red.test
"""
    + SHOP_SETTINGS.replace("COLOUR", "red")
    + """
    <Location /imports>
        SetEnv mod_wsgi.application states::imports
    </Location>
</VirtualHost>
Listen 127.0.0.3:@{port}
<VirtualHost 127.0.0.3:@{port}>
    ServerName blue.test
"""
    + SHOP_SETTINGS.replace("COLOUR", "blue")
    + """
    <Location /imports>
        SetEnv mod_wsgi.application states::imports
    </Location>
</VirtualHost>
"""
)


def mark(site: Site, path: str, word: str = "") -> Any:
    reply = site.ask(f"{path}?{word}")
    assert reply.status == 200, reply.text
    return reply.json()


def named(name: bytes | str) -> str:
    raw = name.encode() if isinstance(name, str) else name
    return f"/named/{quote_from_bytes(raw, safe='')}"


@pytest.mark.parametrize(
    "name",
    [
        "plain",
        "with space",
        "a.b-c_d",
        "*",
        "%41",
        "[a-z]",
        "name:80|",
        "'; import os",
        "n" * 255,
        b"\xc3\xa9\xff\xfe",
    ],
    ids=lambda name: repr(name[:12]),
)
def test_any_printable_name_from_a_url_is_an_interpreter_of_its_own(
    site: Site, name: bytes | str
) -> None:
    """The name is only ever compared: nothing in it has a meaning."""
    assert mark(site, named(name), "first")["before"] is None
    assert mark(site, named(name))["before"] == "first"
    assert mark(site, "/set")["before"] is None


@pytest.mark.parametrize("name", [b"a\x01", b"\x1f", b"\x7f", b"0\x1fname", b"tab\tbed"])
def test_a_name_with_a_control_character_is_refused(site: Site, name: bytes) -> None:
    """Such a character separates the owner of a customer's interpreter from its name."""
    site.expects("mod_wsgi.interpreter '.*' has a control character")
    assert site.ask(named(name)).status == 500


@pytest.mark.parametrize("length", [256, 1000, 4000])
def test_a_name_of_more_than_255_bytes_is_refused(site: Site, length: int) -> None:
    site.expects("mod_wsgi.interpreter 'n+")
    site.tolerates("File name too long")  # the server's own word on the URL
    assert site.ask(named("n" * length)).status == 500


def test_a_hostile_name_forges_no_line_of_the_log(site: Site) -> None:
    site.expects("control character")
    site.ask(named(b"x\r\n[error] forged"))
    assert not [line for line in site.watch.lines() if line.startswith("[error] forged")]


def test_a_request_header_chooses_where_the_configuration_lets_it(site: Site) -> None:
    for name in ("one", "two"):
        site.ask(f"/by-header?{name}", headers={"X-Customer": name})
    told = site.ask("/by-header", headers={"X-Customer": "one"}).json()
    assert told["before"] == "one"


def test_a_request_header_changes_no_name_that_is_set(site: Site) -> None:
    mark(site, "/set", "set-was-here")
    told = site.ask("/set", headers={"X-Customer": "elsewhere"}).json()
    assert told["before"] == "set-was-here"


def test_the_main_interpreter_can_be_named_by_a_rewritten_url(site: Site) -> None:
    """It is the administrator who lets URLs choose names here, and who may choose this one."""
    mark(site, "/main", "of-main")
    assert mark(site, named("main_interpreter"))["before"] == "of-main"


def shop(site: Site, address: str, order: str) -> Any:
    return mark(site.at(address), "/shop", order)


def test_sites_of_the_same_names_never_see_each_others_modules(site: Site) -> None:
    """Both say `shop`, both import `items`, both are of one process."""
    red = shop(site, "127.0.0.2", "for-red")
    blue = shop(site, "127.0.0.3", "for-blue")
    assert (red["orders"], red["items"]) == (["for-red"], "of red")
    assert (blue["orders"], blue["items"]) == (["for-blue"], "of blue")
    assert not any("blue" in entry for entry in (*red["path"], red["file"]))
    assert not any("red" in entry for entry in (*blue["path"], blue["file"]))


@pytest.mark.parametrize(("address", "colour"), [("127.0.0.2", "blue"), ("127.0.0.3", "red")])
def test_a_virtual_environment_is_no_other_sites(site: Site, address: str, colour: str) -> None:
    site.expects_traceback(f"(ModuleNotFound|Import)Error: No module named .?only_{colour}")
    site.expects("raised an exception")
    assert site.at(address).ask(f"/imports?only_{colour}").status == 500


@pytest.mark.needs("shared-process")
def test_past_the_most_interpreters_a_request_gets_a_503_and_a_line(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOD_WSGI_MAX_INTERPRETERS", "3")
    site = serve(CONFIG, processes=1, files=FILES)
    site.expects("no interpreter 'four'.*3 already.*MOD_WSGI_MAX_INTERPRETERS")
    for name in ("one", "two", "three"):
        mark(site, named(name), name)
    assert site.ask(named("four")).status == 503
    assert len(site.watch.severe()) == 1
    assert [mark(site, named(name))["before"] for name in ("one", "two", "three")] == [
        "one",
        "two",
        "three",
    ]


def test_a_bound_that_is_no_number_is_said_and_the_default_used(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOD_WSGI_MAX_INTERPRETERS", "many")
    site = serve(CONFIG, processes=1, files=FILES)
    assert mark(site, "/set")["before"] is None
    site.watch.wait_for("MOD_WSGI_MAX_INTERPRETERS 'many' is not a number.*64 is used")


def test_a_misspelt_variable_of_the_servers_environment_is_said(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOD_WSGI_MAX_INTERPRETER", "300")
    site = serve(CONFIG, processes=1, files=FILES)
    assert mark(site, "/set")["before"] is None
    site.watch.wait_for("MOD_WSGI_MAX_INTERPRETER in .* is MOD_WSGI_MAX_INTERPRETERS meant")


BUSY = """
@{base}
@{applications}
<Location /busy>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application parallel::leaves_a_daemon
    SetEnv mod_wsgi.directory "@{apps}"
    SetEnv mod_wsgi.interpreter busy
</Location>
<Location /busy-main>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application parallel::leaves_a_daemon
    SetEnv mod_wsgi.directory "@{apps}"
    SetEnv mod_wsgi.interpreter main_interpreter
</Location>
<Location /new>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application hello::named
    SetEnv mod_wsgi.directory "@{apps}"
    SetEnv mod_wsgi.interpreter new
</Location>
"""

# A turn at the lock comes within milliseconds; a machine full of tests makes tens of them. Without
# turns the answer never comes.
SOON = 5.0


@pytest.mark.parametrize("busy", ["/busy", "/busy-main"])
def test_an_interpreter_that_computes_lets_the_others_have_the_lock(
    serve: Serve, busy: str
) -> None:
    """From 3.9 to 3.12 Python itself asks only threads of the waiting thread's interpreter."""
    site = serve(BUSY, **OPTIONS)
    assert site.get("/hello/named").text == "hello from named"
    assert site.get(busy).text == "started"
    for path in ("/hello/named", "/new"):
        for _ in range(5):
            assert site.get(path, timeout=SOON).text == "hello from named"


TEN = """
RewriteEngine On
RewriteRule ^/in/(.*)$ - [E=mod_wsgi.interpreter:$1]
<Location /in>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application parallel::wakes
    SetEnv mod_wsgi.directory "@{apps}"
</Location>
"""


def test_ten_interpreters_take_turns_with_few_threads_awake(serve: Serve) -> None:
    """While a request is inside, threads wake 200 times a second: two of them, not ten."""
    site = serve(TEN, **OPTIONS)
    told = [site.get(f"/in/{number}").json() for number in range(10)]
    assert told[-1] < 500


# Whether a program imports these depends on its terminal and its locale.
OF_THE_LOCALE = re.compile(r"encodings\..*|_bootlocale|_locale")


def modules_of_a_program(cell: Cell, folder: Path, *options: str) -> set[str]:
    """What the cell's Python has imported when a program begins."""
    program = folder / "program.py"
    program.write_text("import sys; print(' '.join(sys.modules))")
    environment = {name: text for name, text in os.environ.items() if "PYTHON" not in name}
    done = subprocess.run(
        [str(cell.python.executable), "-s", *options, str(program)],
        capture_output=True,
        check=True,
        text=True,
        env=environment,
    )
    return {name for name in done.stdout.split() if not OF_THE_LOCALE.fullmatch(name)}


def test_an_interpreter_has_every_module_that_a_program_has(
    serve: Serve, cell: Cell, tmp_path: Path
) -> None:
    """Python's own code takes some for granted: without _signal its C code would crash.

    That is so in its first interpreter, too, where no application has been: that one has what a
    program has that site was not imported in.
    """
    told = serve(processes=1).get("/states/modules").json()
    wanted = modules_of_a_program(cell, tmp_path)
    assert "sys" in wanted
    assert wanted - set(told["here"]) == set()
    if told["first"] is not None:
        assert modules_of_a_program(cell, tmp_path, "-S") - set(told["first"]) == set()


OWN_PATHS = """
<Location />
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application states::path
</Location>
<Location /first>
    SetEnv mod_wsgi.interpreter main_interpreter
    SetEnv mod_wsgi.directory "@{www}:@{apps}"
</Location>
<Location /second>
    SetEnv mod_wsgi.interpreter second
    SetEnv mod_wsgi.directory "@{apps}"
</Location>
"""


def test_what_the_main_interpreter_has_on_its_path_is_nobody_elses(serve: Serve) -> None:
    """Python 3.7 hands the list itself to each interpreter that is made later."""
    site = serve(OWN_PATHS, processes=1)
    own = str(site.root / "htdocs")
    assert own in site.get("/first").json()["path"]
    assert own not in site.get("/second").json()["path"]
