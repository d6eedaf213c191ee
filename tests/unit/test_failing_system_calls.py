"""What the system refuses is told as it is, and leaves nothing behind."""

import subprocess
from pathlib import Path

import pytest

from command import pythons
from tests.unit.conftest import Bare, build_bare, make_bare

NO_MEMORY_FOR_BODIES = r"""
#include <errno.h>
#include <stddef.h>

void *__libc_malloc(size_t size);

void *malloc(size_t size)
{
    if (size != 81920) /* the room for a body: core/client/body.c */
        return __libc_malloc(size);
    errno = ENOMEM;
    return NULL;
}
"""

NO_FILE = r"""
#include <errno.h>
#include <stdio.h>

FILE *fdopen(int fd, const char *mode)
{
    errno = ENOMEM;
    return NULL;
}
"""

# close() may change errno, even where it succeeds.
NO_PROCESS = r"""
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

int posix_spawn(void)
{
    return EAGAIN;
}

int close(int fd)
{
    int result = (int)syscall(SYS_close, fd);

    errno = EIO;
    return result;
}
"""


@pytest.fixture
def python2(tmp_path: Path) -> Bare:
    """The bare host for Python 2.7, whose os.popen is a function of the C library's kind."""
    found = [python for python in pythons.find(["2.7"]) if not pythons.fault(python)]
    if not found:
        pytest.skip("no Python 2.7 on PATH or in pyenv")
    return make_bare(build_bare(found[0], "release"), tmp_path)


def preload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, functions: str) -> None:
    """Has these C functions take the place of the system's."""
    source, library = tmp_path / "shim.c", tmp_path / "shim.so"
    source.write_text(functions)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    monkeypatch.setenv("LD_PRELOAD", str(library))


def test_a_body_that_memory_is_short_of_does_not_blame_the_temporary_directory(
    bare: Bare,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    if request.config.getoption("profile") == "asan":
        pytest.skip("AddressSanitizer has a malloc of its own")
    preload(tmp_path, monkeypatch, NO_MEMORY_FOR_BODIES)
    buffered = ("--env", "mod_wsgi.buffer_body=on")
    outcome = bare(*buffered, "bodies::read_by_length", body=b"x")
    assert outcome.status == "500 (error page)"
    assert outcome.errors == [
        "[error] mod_wsgi: MW0508: the request's body can't be kept: Cannot allocate memory"
    ]


@pytest.mark.parametrize(
    ("functions", "reason"),
    [(NO_FILE, "ENOMEM"), (NO_PROCESS, "EAGAIN")],
    ids=["no file", "no process"],
)
def test_a_pipe_that_fails_says_why_and_leaves_no_process(
    python2: Bare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, functions: str, reason: str
) -> None:
    preload(tmp_path, monkeypatch, functions)
    outcome = python2("programs::os_popen_that_fails")
    assert outcome.json() == [reason, False]
