"""Django, Flask, and the standard library's validator around real applications."""

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.harness import venvs
from tests.harness.cells import Cell
from tests.harness.serving import Workshop, running
from tests.harness.site import Site, session

CONFIG = """
@{base}
@{applications}
<Location /django>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.virtualenv "@{environment}"
    SetEnv mod_wsgi.application django_site
    SetEnv mod_wsgi.interpreter django
</Location>
<Location /flask>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.virtualenv "@{environment}"
    SetEnv mod_wsgi.application flask_site
    SetEnv mod_wsgi.interpreter flask
</Location>
SetEnvIf X-Buffered . mod_wsgi.buffer_body=on
"""


@pytest.fixture(scope="module")
def module_site(cell: Cell, module: Path, workshop: Workshop) -> Iterator[Site]:
    """The server of this module; its applications live in an environment of the cell's Python."""
    values = {"environment": str(venvs.frameworks(cell.python, workshop.folder))}
    with running(cell, module, workshop, CONFIG, values=values) as started:
        yield started


@pytest.fixture(params=["django", "flask"])
def framework(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


def test_a_page_is_served_under_its_mount(site: Site, framework: str) -> None:
    reply = site.ask(f"/{framework}/page/one%20two/%C3%A9?q=1")
    assert reply.body == f"page one two/\xe9 under /{framework}".encode()
    assert reply.header("X-Full-Path") == f"/{framework}/page/one%20two/%C3%A9?q=1" or (
        framework == "flask"
    )


def test_a_form_is_read(site: Site, framework: str) -> None:
    data = {"name": "Zo\xeb", "like": ["tea", "co&fee"]}
    assert site.post(f"/{framework}/form", data).text == "Zo\xeb likes co&fee"


def test_a_chunked_form_is_read_where_bodies_are_buffered(site: Site, framework: str) -> None:
    """Django looks at CONTENT_LENGTH only, and finds nothing in the form without the setting."""
    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Buffered": "yes"}
    form = iter([b"name=Zo%C3%AB&li", b"ke=tea&like=co%26fee"])
    assert site.post(f"/{framework}/form", form, headers=headers).text == "Zo\xeb likes co&fee"


@pytest.mark.parametrize("size", [10, 2_000_000])
def test_an_upload_arrives(site: Site, framework: str, size: int) -> None:
    content = bytes(number % 251 for number in range(size))
    reply = site.post(f"/{framework}/upload", files={"file": ("name.bin", content)})
    assert reply.text == f"name.bin {hashlib.sha256(content).hexdigest()}"


def test_a_session_is_kept_in_a_cookie(site: Site, framework: str) -> None:
    client = session()
    visits = [client.get(f"{site.url}/{framework}/visits", timeout=10).text for _ in range(3)]
    assert visits == ["visit 1", "visit 2", "visit 3"]


def test_a_stream_arrives_whole(site: Site, framework: str) -> None:
    expected = "".join(f"{number}," for number in range(1000))
    assert site.get(f"/{framework}/stream").text == expected


def test_a_file_is_sent(site: Site, workshop: Workshop, framework: str) -> None:
    assert site.get(f"/{framework}/file").content == workshop.data.read_bytes()


def test_a_missing_page_is_the_frameworks_404(site: Site, framework: str) -> None:
    site.tolerates("Not Found: /django/nosuch")
    reply = site.get(f"/{framework}/nosuch")
    assert reply.status_code == 404
    assert "Apache" not in reply.text


def test_an_error_in_a_view_is_the_frameworks_500_and_in_the_log(
    site: Site, framework: str
) -> None:
    site.expects_traceback("ValueError: raised in a view")
    site.tolerates("Internal Server Error|Exception on /broken")
    assert site.get(f"/{framework}/broken").status_code == 500


def test_the_validator_finds_nothing_wrong_with_a_body(site: Site) -> None:
    assert site.post("/validated/echo", b"the body").content == b"the body!"


def test_the_validator_finds_nothing_wrong_without_a_body(site: Site) -> None:
    assert site.get("/validated/echo").content == b"no body!"


def test_the_validator_finds_nothing_wrong_with_lines(site: Site) -> None:
    reply = site.post("/validated/lines", b"first\nsecond\nthird")
    assert reply.content == b"first\n/second\n|third"


@pytest.mark.parametrize(
    ("name", "status", "body"),
    [
        ("generated", 200, b"in several blocks"),
        ("written", 201, b"written and returned"),
        ("nothing", 204, b""),
    ],
)
def test_the_validator_finds_nothing_wrong_with_a_response(
    site: Site, name: str, status: int, body: bytes
) -> None:
    reply = site.get(f"/validated/{name}")
    assert (reply.status_code, reply.content) == (status, body)


def test_the_validator_finds_nothing_wrong_with_a_file(site: Site, workshop: Workshop) -> None:
    assert site.get("/validated/wrapped").content == workshop.data.read_bytes()


def test_the_validator_finds_nothing_wrong_with_head(site: Site) -> None:
    assert site.ask("/validated/generated", method="HEAD").status == 200


STOCK = """
<Location /{name}>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application {name}.wsgi
    SetEnv mod_wsgi.interpreter {name}
    SetEnv mod_wsgi.directory "@{{sites}}/{name}"
    SetEnv mod_wsgi.virtualenv "@{{environment}}"
</Location>
"""


@pytest.fixture(scope="module")
def stock_sites(cell: Cell, workshop: Workshop) -> dict[str, str]:
    """Two sites as Django makes them, and the environment for them."""
    environment = venvs.frameworks(cell.python, workshop.folder)
    sites = workshop.folder / f"stock-sites-{cell.name}"
    for name in ("first", "second"):
        (sites / name).mkdir(parents=True)
        django = [str(environment / "bin" / "python"), "-m", "django", "startproject"]
        subprocess.run([*django, name, str(sites / name)], check=True, timeout=60)
    return {"environment": str(environment), "sites": str(sites)}


@pytest.mark.parametrize("names", [("first", "second"), ("second", "first")], ids="-".join)
def test_two_stock_django_sites_share_a_process(
    serve: Serve, stock_sites: dict[str, str], names: tuple[str, str]
) -> None:
    """Each sets DJANGO_SETTINGS_MODULE in os.environ unless it is there already."""
    config = "".join(STOCK.format(name=name) for name in names)
    site = serve(config, values=stock_sites, processes=1)
    for name in names * 100:
        reply = site.ask(f"/{name}/admin/login/")
        assert reply.status == 200, reply.text
        assert "Log in" in reply.text


def test_a_django_that_does_not_load_repeats_the_cause(
    serve: Serve, cell: Cell, workshop: Workshop
) -> None:
    """Its registry of applications can't be filled twice, and says only that from then on."""
    config = """
    <Location />
        SetHandler mod_wsgi
        SetEnv mod_wsgi.application broken.wsgi
        SetEnv mod_wsgi.directory "@{www}"
        SetEnv mod_wsgi.virtualenv "@{environment}"
    </Location>
    """
    wsgi = """
import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "broken.settings")
from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
"""
    files = {
        "broken/__init__.py": "",
        "broken/apps.py": "raise LookupError('the cause')\n",
        "broken/settings.py": "SECRET_KEY = 'a'\n"
        "INSTALLED_APPS = ['django.contrib.contenttypes', 'broken.apps']\n",
        "broken/wsgi.py": wsgi,
    }
    values = {"environment": str(venvs.frameworks(cell.python, workshop.folder))}
    site = serve(config, files=files, values=values, processes=1)
    site.tolerates("mod_wsgi")
    site.expects_traceback("LookupError: the cause")
    site.expects_traceback("RuntimeError: populate")
    assert [site.get("/").status_code for _ in range(3)] == [500] * 3
    site.watch.wait_for("The first attempt raised:")
    told = "\n".join(site.watch.lines())
    assert told.count("LookupError: the cause") == 3
