"""What Apache itself makes of a URL's path before an application at the root is asked."""

import pytest

from tests.conftest import Serve
from tests.harness.cells import Cell
from tests.harness.site import Site

ROOT = """
<Location />
    SetHandler mod_wsgi
    SetEnv mod_wsgi.application environs::mount
    SetEnv mod_wsgi.directory "@{apps}"
</Location>
"""

# As docs/conformance.md says it: what has files of its own stands before it.
WITH_ALIAS = (
    ROOT
    + """
Alias /static "@{www}/static"
AliasMatch ^/ "@{scratch}"
<LocationMatch ^/static/>
    SetHandler none
</LocationMatch>
"""
)

FITS, TOO_LONG = "x" * 255, "x" * 256

# What the paths "//a" and "///a//b" are for each line. REQUEST_URI is as the client sent it.
SLASHES = {
    "1.3": ("//a", "///a//b"),
    "2.0": ("//a", "///a//b"),
    "2.2": ("/a", "/a//b"),
    "2.4": ("/a", "/a/b"),
}


@pytest.fixture
def root(serve: Serve) -> Site:
    site: Site = serve(ROOT)
    site.tolerates("name too long")
    return site


@pytest.fixture
def aliased(serve: Serve) -> Site:
    site: Site = serve(WITH_ALIAS, files={"static/page.txt": "a file"})
    return site


def test_slashes_in_front_are_as_the_servers_line_has_them(root: Site, cell: Cell) -> None:
    for path, wanted in zip(("//a", "///a//b"), SLASHES[cell.server.line], strict=True):
        told = root.ask(path).json()
        assert (told["SCRIPT_NAME"], told["PATH_INFO"]) == ("", wanted)
        assert told["REQUEST_URI"] == path


def test_a_first_segment_that_is_too_long_for_a_file_is_the_servers_403(root: Site) -> None:
    assert root.ask(f"/{FITS}").json()["PATH_INFO"] == f"/{FITS}"
    for path in (f"/{TOO_LONG}", f"/{TOO_LONG}/a"):
        assert root.ask(path).status == 403
    assert root.ask(f"/a/{TOO_LONG}").json()["PATH_INFO"] == f"/a/{TOO_LONG}"


def test_an_alias_for_all_lets_every_path_through(aliased: Site) -> None:
    for path in ("/", "/a", f"/{FITS}", f"/{TOO_LONG}", f"/{TOO_LONG}/a", f"/{TOO_LONG * 8}"):
        told = aliased.ask(path).json()
        assert (told["SCRIPT_NAME"], told["PATH_INFO"]) == ("", path)


def test_an_alias_that_stands_before_the_one_for_all_keeps_its_files(aliased: Site) -> None:
    assert aliased.ask("/static/page.txt").text == "a file"
