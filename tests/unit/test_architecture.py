"""The architecture is tested: who includes whom, where versions may be looked at, what is filled.

Each rule stands in the project's style; here it is kept.
"""

import re
from pathlib import Path

import pytest

from command import TOP

CORE = sorted((TOP / "core").rglob("*.[ch]"))
CORE_SOURCES = [path for path in CORE if path.suffix == ".c"]
ADAPTERS = sorted((TOP / "adapters").glob("*/*.[ch]"))
SPAWNER = sorted((TOP / "spawner").glob("*.[ch]"))
HOST_HEADER = TOP / "core" / "host.h"

# Of the folders of adapters/, those of a server, and those that are no host themselves: they lie
# between a host and the core.
SERVERS = ("apache13", "apache2x")
BETWEEN = ("remote", "wire")
SERVER_ADAPTERS = [path for path in ADAPTERS if path.parent.name in SERVERS]
OF_PROCESSES = [path for path in ADAPTERS if path.parent.name in (*BETWEEN, "process")]
HOSTS = sorted({path.parent for path in ADAPTERS if path.parent.name not in BETWEEN})

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^">]+)[">]', re.MULTILINE)
SERVER_HEADER = re.compile(r"(httpd|http_\w+|ap_\w+|apr_?\w*|util_\w+|scoreboard)\.h")


def named(path: Path) -> str:
    return str(path.relative_to(TOP))


def code(path: Path) -> str:
    """The file's text without its comments and strings, which may speak of anything."""
    text = re.sub(r"/\*.*?\*/", " ", path.read_text(), flags=re.DOTALL)
    return re.sub(r'"(\\.|[^"\\\n])*"', '""', text)


def includes(path: Path) -> list[str]:
    return INCLUDE.findall(path.read_text())


def test_there_are_files_to_judge() -> None:
    assert CORE_SOURCES
    assert SERVER_ADAPTERS


@pytest.mark.parametrize("path", ADAPTERS, ids=named)
def test_an_adapter_knows_no_python(path: Path) -> None:
    assert not [name for name in includes(path) if name.endswith("Python.h") or name == "python.h"]
    assert not re.findall(r"\bPy[A-Z_]\w*", code(path))


@pytest.mark.parametrize("path", SERVER_ADAPTERS, ids=named)
def test_an_adapter_takes_only_the_border_from_the_core(path: Path) -> None:
    ours = {header.name for header in CORE if header.suffix == ".h"}
    taken = {Path(name).name for name in includes(path)} & ours
    assert taken <= {"host.h", "system.h"}


@pytest.mark.parametrize("path", OF_PROCESSES, ids=named)
def test_what_runs_processes_takes_only_the_lowest_layer_from_the_core(path: Path) -> None:
    """Beside host.h, and run.h, which nopython.c and the remote way stand in for."""
    ours = {header.name for header in CORE if header.suffix == ".h"}
    taken = {Path(name).name for name in includes(path)} & ours
    assert taken <= {"fd.h", "host.h", "notes.h", "request.h", "run.h", "system.h"}


@pytest.mark.parametrize("path", SPAWNER, ids=named)
def test_the_spawner_knows_only_what_it_says_to_others(path: Path) -> None:
    """It runs as root, so it takes neither Python nor a server nor the core."""
    ours = {header.name for header in (*CORE, *ADAPTERS) if header.suffix == ".h"}
    taken = {Path(name).name for name in includes(path)}
    assert taken & ours <= {"ask.h", "frames.h", "ceilings.h", "compat.h", "fd.h"}
    assert "Python.h" not in taken
    assert not [name for name in taken if SERVER_HEADER.fullmatch(name)]


@pytest.mark.parametrize("path", [*CORE, *OF_PROCESSES], ids=named)
def test_the_core_and_what_runs_processes_know_no_server(path: Path) -> None:
    assert not [name for name in includes(path) if SERVER_HEADER.fullmatch(Path(name).name)]


def test_the_border_knows_neither_side() -> None:
    assert set(includes(HOST_HEADER)) <= {"stddef.h", "stdint.h"}


@pytest.mark.parametrize("path", [*CORE, *ADAPTERS], ids=named)
def test_only_one_header_looks_at_the_version_of_python(path: Path) -> None:
    if path == TOP / "core" / "python" / "python.h":
        return
    assert "PY_VERSION_HEX" not in code(path)


@pytest.mark.parametrize("path", [*CORE, *ADAPTERS, *SPAWNER], ids=named)
def test_only_one_header_knows_the_atomics_of_compilers(path: Path) -> None:
    if path.name in ("atomic.h", "atomic_old.h"):
        return
    assert not re.findall(r"\b(__atomic_\w+|__ATOMIC_\w+|__sync_\w+)", code(path))


@pytest.mark.parametrize("path", CORE, ids=named)
def test_only_one_header_looks_at_the_system(path: Path) -> None:
    """So another system touches one file."""
    if path != TOP / "core" / "system.h":
        assert not re.findall(r"__(?:linux|APPLE|FreeBSD|NetBSD|OpenBSD)__", code(path))


@pytest.mark.parametrize(
    "path", [path for path in (*CORE, *OF_PROCESSES, *SPAWNER) if path.suffix == ".c"], ids=named
)
def test_only_headers_know_what_old_systems_lack(path: Path) -> None:
    lacking = r"\b(\w+_CLOEXEC|O_PATH|pipe2|dup3|accept4|mkostemp|epoll_create1?|eventfd)\b"
    assert set(re.findall(lacking, code(path))) <= {"FD_CLOEXEC"}


@pytest.mark.parametrize("path", CORE_SOURCES, ids=named)
def test_a_source_of_the_core_has_no_conditional_compilation(path: Path) -> None:
    assert not re.findall(r"^\s*#\s*(?:if|ifdef|ifndef|elif)\b.*", code(path), re.MULTILINE)


@pytest.mark.parametrize(
    "path", [path for path in SERVER_ADAPTERS if path.suffix == ".c"], ids=named
)
def test_only_compat_looks_at_the_version_of_the_server(path: Path) -> None:
    looks = (
        r"\b(MODULE_MAGIC_NUMBER\w*|AP_MODULE_MAGIC_AT_LEAST|AP_SERVER_M\w+|APR_M\w+_VERSION)\b"
    )
    assert not re.findall(looks, code(path))


@pytest.mark.parametrize("path", [*CORE, *ADAPTERS, *SPAWNER], ids=named)
def test_no_function_is_used_that_cannot_be_used_safely(path: Path) -> None:
    unsafe = r"\b(strcpy|strcat|sprintf|vsprintf|atoi|atol|alloca|gets|strtok)\s*\("
    assert not re.findall(unsafe, code(path))


@pytest.mark.parametrize("path", [*CORE, *ADAPTERS, *SPAWNER], ids=named)
def test_a_file_opens_with_its_name_and_its_duty(path: Path) -> None:
    opening = rf"/\*\s+(?:\*\s+)?{re.escape(path.name)} - \S"
    assert re.match(opening, path.read_text()), f"{named(path)} should open: {path.name} - duty."


def host_slots() -> dict[str, bool]:
    """The slots of the host's table, and of each whether it may stay empty."""
    match = re.search(
        r"typedef struct wsgi_host \{(.*?)\} wsgi_host;", HOST_HEADER.read_text(), re.DOTALL
    )
    assert match, "core/host.h declares no wsgi_host"
    pieces = re.findall(r"/\*(.*?)\*/\s*[\w\s\*]+?(?:\(\*(\w+)\)|\b(\w+);)", match[1], re.DOTALL)
    return {
        called or plain: comment.strip().startswith("Optional")
        for comment, called, plain in pieces
    }


def test_the_table_of_the_border_is_read_right() -> None:
    slots = host_slots()
    assert {"each_env", "read_body", "send_head", "send_body", "fail", "log"} <= set(slots)
    assert not slots["send_body"]


@pytest.mark.parametrize("folder", HOSTS, ids=named)
def test_an_adapter_fills_every_slot_that_is_not_optional(folder: Path) -> None:
    text = "".join(code(path) for path in sorted(folder.glob("*.c")))
    tables = re.findall(r"\bwsgi_host\s+\w+\s*=\s*\{(.*?)\};", text, re.DOTALL)
    assert len(tables) == 1, f"{named(folder)} should have one table of type wsgi_host"
    filled = set(re.findall(r"\.(\w+)\s*=", tables[0]))
    slots = host_slots()
    assert filled <= set(slots)
    assert {name for name, optional in slots.items() if not optional} <= filled


@pytest.mark.parametrize("path", CORE, ids=named)
def test_a_file_of_the_core_is_on_the_map(path: Path) -> None:
    assert re.search(rf"\b{re.escape(path.name)}\b", (TOP / "ARCHITECTURE.md").read_text())


@pytest.mark.parametrize("folder", sorted({path.parent for path in ADAPTERS}), ids=named)
def test_an_adapter_is_on_the_map(folder: Path) -> None:
    assert f"`{folder.name}/`" in (TOP / "ARCHITECTURE.md").read_text()
