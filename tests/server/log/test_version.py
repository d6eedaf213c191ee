"""Which module, and which Python: in the server's name, in the log, and in the file itself."""

import re
from pathlib import Path

import pytest

from command import TOP
from tests.conftest import Serve
from tests.harness.config import DEFAULT
from tests.harness.site import Site

VERSION = (TOP / "VERSION").read_text().strip()


def component(version: str) -> str:
    return f"mod_wsgi/{VERSION} Python/{version}"


@pytest.mark.needs("python-in-the-module")
def test_the_server_names_the_module_and_its_python(site: Site, version: str) -> None:
    assert component(version) in site.get("/hello/named").headers["Server"]


def test_server_tokens_keep_the_module_back(serve: Serve) -> None:
    site = serve("ServerTokens Min\n" + DEFAULT)
    assert "mod_wsgi" not in site.get("/hello/named").headers["Server"]


@pytest.mark.needs("python-in-the-module")
def test_the_file_tells_its_version(module: Path, version: str) -> None:
    assert component(version).encode() in module.read_bytes()


def test_a_new_interpreter_is_one_line_that_says_what_runs(serve: Serve, version: str) -> None:
    site = serve(
        """
        <Location />
            SetHandler mod_wsgi
            SetEnv mod_wsgi.application hello::named
            SetEnv mod_wsgi.interpreter told
            SetEnv mod_wsgi.directory "@{apps}"
        </Location>
        """
    )
    site.get("/")
    line = site.watch.wait_for("has made the interpreter")
    plain = version.rstrip("t")
    for pattern in (
        rf"MW0401: {re.escape(VERSION)} has made the interpreter 'told' for 'hello::named'",
        rf": Python {re.escape(plain)}\.\d",
        rf"of /\S*libpython{re.escape(plain)}\S*",
        "in no virtual environment",
    ):
        assert re.search(pattern, line), line
