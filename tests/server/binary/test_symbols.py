"""What a built module asks of others, and what it offers: the work of the linker, looked at.

A symbol that the server does not have shows at a user's first start, or, where symbols are looked
up lazily, at the first request that needs it. No server runs here, but its program is read.
"""

import re
import subprocess
from pathlib import Path

import pytest

from tests.harness.cells import Cell

# The C library in its older and newer partitions; its loader has __tls_get_addr. Everything else
# comes with Python or the server.
SYSTEM_LIBRARIES = re.compile(
    r"lib(c|m|dl|pthread|util|rt)\.(so\.\d+|musl-\w+\.so\.1)|ld-linux[\w.-]*\.so\.\d+"
)


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def exported(path: Path) -> set[str]:
    """The symbols that a program or a library offers, without their versions."""
    listing = output("nm", "-D", "--defined-only", "--format=posix", str(path))
    return {line.split()[0].split("@")[0] for line in listing.splitlines()}


def required(path: Path) -> set[str]:
    """The symbols that must come from elsewhere; the weak ones may stay unresolved."""
    listing = output("nm", "-D", "--undefined-only", "--format=posix", str(path))
    rows = [line.split() for line in listing.splitlines()]
    return {row[0].split("@")[0] for row in rows if row[1] == "U"}


def libraries(path: Path) -> set[Path]:
    """The shared libraries that the loader takes for it, those of its libraries too."""
    listing = output("ldd", str(path))
    assert "not found" not in listing, f"{path} lacks a library:\n{listing}"
    return {Path(found) for found in re.findall(r"(?:=> |^\s+)(/\S+)", listing, re.MULTILINE)}


def dynamic(path: Path, tag: str) -> list[str]:
    listing = output("readelf", "--dynamic", "--wide", str(path))
    return re.findall(rf"\({tag}\).*\[(.*)\]", listing)


def test_only_the_module_record_is_exported(module: Path) -> None:
    assert exported(module) == {"wsgi_module"}


def test_every_symbol_is_one_of_this_server_or_of_the_modules_libraries(
    module: Path, cell: Cell
) -> None:
    """Nothing of another line of Apache, nor of another Python, has been linked in."""
    sources = {cell.server.httpd} | libraries(cell.server.httpd) | libraries(module)
    offered = set[str]().union(*(exported(source) for source in sources))
    assert required(module) - offered == set()


def test_it_asks_the_server_for_something(module: Path, cell: Cell) -> None:
    """So the test above has compared with the right program."""
    ours = {name for name in required(module) if name.startswith("ap_")}
    assert len(ours) > 10
    assert ours <= exported(cell.server.httpd)


@pytest.mark.needs("python-in-the-module")
def test_it_asks_for_no_library_but_python_and_the_systems(module: Path, cell: Cell) -> None:
    """The server's own libraries are in the process already, in the version that it has."""
    needed = dynamic(module, "NEEDED")
    foreign = [name for name in needed if not SYSTEM_LIBRARIES.fullmatch(name)]
    assert [name.split(".so")[0] for name in foreign] == [f"lib{cell.python.library}"]


@pytest.mark.needs("python-in-the-module")
def test_the_python_that_it_loads_is_the_one_of_the_cell(module: Path, cell: Cell) -> None:
    loaded = {path.resolve() for path in libraries(module) if "libpython" in path.name}
    assert loaded == {cell.python.shared_library.resolve()}


@pytest.mark.needs("python-in-the-module")
def test_its_search_path_holds_the_folder_of_python_at_most(module: Path, cell: Cell) -> None:
    path = [*dynamic(module, "RPATH"), *dynamic(module, "RUNPATH")]
    assert path == ([] if cell.python.system_library else [str(cell.python.libdir)])


def test_its_code_is_shared_between_processes(module: Path) -> None:
    """Text relocations would copy pages into each process, and hardened systems refuse them."""
    assert "TEXTREL" not in output("readelf", "--dynamic", "--wide", str(module))


def test_its_stack_is_not_executable(module: Path) -> None:
    headers = output("readelf", "--program-headers", "--wide", str(module))
    stack = [line.split() for line in headers.splitlines() if "GNU_STACK" in line]
    assert len(stack) == 1
    assert "E" not in stack[0][-2]
