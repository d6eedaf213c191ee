"""wsgi.file_wrapper with a file that is larger than a number of 32 bits.

Most of it is a hole, and nobody reads it to its end.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.harness.cells import Cell
from tests.harness.serving import Workshop
from tests.harness.site import Site

SIZE = 3_000_000_004


@pytest.fixture
def large_file(workshop: Workshop) -> Iterator[Path]:
    path = workshop.folder / "large.bin"
    with path.open("wb") as stream:
        stream.seek(SIZE - 4)
        stream.write(b"last")
    yield path
    path.unlink()


@pytest.fixture
def server(serve: Serve, large_file: Path) -> Site:
    config = '@{base}\nSetEnv tests.file "@{large}"\n@{applications}'
    return serve(config, values={"large": str(large_file)})


def test_a_large_file_has_its_length_and_every_byte_a_place(server: Site, cell: Cell) -> None:
    """Its last bytes are asked for twice: where the file stands, and as a range."""
    with server.get("/files/whole", stream=True) as whole:
        assert whole.headers["Content-Length"] == str(SIZE)
        assert next(whole.iter_content(4096)) == bytes(4096)
    last = server.get("/files/last_bytes")
    assert (last.headers["Content-Length"], last.content) == ("4", b"last")
    with server.get("/files/whole", headers={"Range": "bytes=-4"}, stream=True) as cut:
        if can_count(cell):
            assert (cut.status_code, cut.content) == (206, b"last")
        else:
            assert (cut.status_code, cut.headers["Content-Length"]) == (200, str(SIZE))


def can_count(cell: Cell) -> bool:
    """Whether the server's own numbers have room: 1.3 and 2.0 have a long."""
    return sys.maxsize > 1 << 32 or cell.server.line not in {"1.3", "2.0"}
