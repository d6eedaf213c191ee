"""Applications parse XML with the library that their Python has, whatever the server brings.

An Apache 2.0 that was built with the expat of its own archive has that in the process. Its symbols
take the place of the system's, with which Debian's Python is linked: the first document crashed.
"""

import subprocess

from tests.harness.cells import Cell
from tests.harness.site import Site


def test_an_application_parses_xml(site: Site) -> None:
    told = site.get("/documents/parsed").json()
    assert told["texts"] == ["caf\xe9", "Tours"]
    assert told["names"] == ["{urn:shop}item"]
    assert told["numbers"] == ["1", "2"]
    assert told["error"] == "mismatched tag"


def test_xml_is_parsed_by_the_library_of_the_python(site: Site, cell: Cell) -> None:
    ask = "from xml.parsers import expat; print(expat.EXPAT_VERSION)"
    alone = subprocess.run(
        [str(cell.python.executable), "-c", ask], capture_output=True, text=True, check=True
    )
    assert site.get("/documents/parsed").json()["version"] == alone.stdout.strip()
