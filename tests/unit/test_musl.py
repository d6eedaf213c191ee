"""The C library of Alpine: what needs no Python compiles for it, and its threads get a stack."""

import shutil
import subprocess
from pathlib import Path

import pytest

from command import TOP

MUSL = shutil.which("musl-gcc")
FLAGS = ("-std=c99", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", f"-I{TOP / 'core'}")

# Folders of the program's parts that see neither Python nor a server.
WITHOUT_PYTHON = (
    "spawner",
    "adapters/wire",
    "adapters/remote",
    "adapters/process",
    "core/request",
    "core/client",
    "core/status",
)

needs_musl = pytest.mark.skipif(MUSL is None, reason="musl-tools is not installed")


def kernel_headers(folder: Path) -> Path:
    """The kernel's headers alone, which Debian keeps among those of its own C library."""
    asked = subprocess.run(
        ["gcc", "-print-multiarch"], capture_output=True, text=True, check=True
    ).stdout.strip()
    for name, path in (
        ("linux", "linux"),
        ("asm-generic", "asm-generic"),
        ("asm", f"{asked}/asm"),
    ):
        (folder / name).symlink_to(Path("/usr/include", path))
    return folder


@needs_musl
@pytest.mark.parametrize("part", WITHOUT_PYTHON)
def test_what_sees_no_python_compiles_for_musl(part: str, tmp_path: Path) -> None:
    sources = sorted((TOP / part).rglob("*.c"))
    assert sources
    headers = ("-idirafter", str(kernel_headers(tmp_path)))
    version = '-DWSGI_VERSION="0"'
    command = ["musl-gcc", *FLAGS, version, *headers, "-fsyntax-only", *map(str, sources)]
    compiled = subprocess.run(command, capture_output=True, text=True, check=False)
    assert compiled.returncode == 0, compiled.stderr


@pytest.mark.parametrize("compiler", ["gcc", pytest.param("musl-gcc", marks=needs_musl)])
def test_a_thread_has_a_stack_for_python_whatever_the_systems_default_is(
    compiler: str, tmp_path: Path
) -> None:
    """glibc's default is what the shell allows, and musl's always 128 KB."""
    program = tmp_path / "stack"
    sources = (TOP / "tests" / "unit" / "stack.c", TOP / "core" / "request" / "process.c")
    command = [compiler, *FLAGS, *map(str, sources), "-o", str(program), "-pthread"]
    subprocess.run(command, check=True)
    limited = ["sh", "-c", f"ulimit -s 160 && exec {program}"]
    told = subprocess.run(limited, capture_output=True, text=True, check=True)
    assert int(told.stdout) >= 8192 - 160
