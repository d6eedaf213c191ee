"""mod_wsgi serve: a page for an error, static files, and applications that a factory makes."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from command import httpd
from tests.harness.cells import Cell
from tests.server.guides.test_dev_serve import served

# It builds a module that embeds the Python.
pytestmark = [pytest.mark.any_python, pytest.mark.needs("python-in-the-module")]

# The URL is in the message of the exception.
FACTORY = """
def create_app():
    def application(environ, start_response):
        if environ["PATH_INFO"] == "/own":
            start_response("500 Mine", [("Content-Type", "text/plain")])
            return [b"a page of its own"]
        try:
            {}["key"]
        except KeyError:
            raise ValueError("no " + environ["PATH_INFO"])  # \\xe9 \\\\
    return application
"""
MARKUP = "<script>alert('1')</script>&"
ESCAPED = "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;"


@pytest.fixture
def folder() -> Iterator[Path]:
    with httpd.server_root() as root:
        (root / "shop.py").write_text(FACTORY)
        (root / "static").mkdir()
        (root / "static" / "site.js").write_text("alert(2)")
        httpd.open_to_all(*root.rglob("*"))
        yield root


def fail(url: str, host: str = "localhost") -> requests.Response:
    """The answer to a request whose URL has markup."""
    return requests.get(url + quote(MARKUP), headers={"Host": host}, timeout=60)


def test_an_error_is_a_page_for_this_machine_and_files_are_served(
    cell: Cell, folder: Path
) -> None:
    words = (str(folder), "--static", f"/static/={folder / 'static'}", "--no-reload")
    with served(cell, *words) as (url, lines):
        assert f"found create_app() for {folder}/shop.py\n" in lines
        page = fail(url)
        assert page.status_code == requests.codes.server_error
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert f"<title>ValueError: no /{ESCAPED}</title>" in page.text
        assert f"failed at <code>/{ESCAPED}</code>" in page.text
        assert "Traceback (most recent call last):" in page.text
        line = FACTORY.strip().splitlines()[-2].strip()
        assert line.endswith(r"# \xe9 \\")
        assert line.replace('"', "&quot;") in page.text
        chained = "During handling of the above exception" in page.text
        assert chained == cell.python.version.startswith("3")
        assert "<script" not in page.text
        assert "has made the interpreter" not in page.text
        assert "Traceback" not in fail(url, host="rebound.example.com").text
        assert requests.get(f"{url}own", timeout=60).text == "a page of its own"
        assert requests.get(f"{url}.mod_wsgi-error", timeout=60).text == "no error\n"
        script = requests.get(f"{url}static/site.js", timeout=60)
        assert (script.text, script.headers["Content-Type"]) == ("alert(2)", "text/javascript")


@pytest.mark.slow
def test_others_than_this_machine_see_no_error(cell: Cell, folder: Path) -> None:
    with served(cell, str(folder), "--host", "0.0.0.0") as (url, lines):
        assert "WARNING" in "".join(lines)
        page = fail(url)
        assert page.status_code == requests.codes.server_error
        assert "Traceback" not in page.text
        assert "ValueError" not in page.text
