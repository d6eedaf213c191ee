"""What the system refuses for a moment is asked for again: a process must not fail for ever."""

import subprocess
from pathlib import Path

import pytest

from tests.unit.conftest import Bare

# The first calls of pthread_create fail, the first of them after more than a second.
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                   void *(*function)(void *), void *arg)
{
    static int calls;
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) =
        dlsym(RTLD_NEXT, "pthread_create");

    if (++calls > FAILURES)
        return real(thread, attributes, function, arg);
    if (calls == 1)
        usleep(WAIT);
    return EAGAIN;
}
"""


def refuse_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: int, wait: int
) -> None:
    source = tmp_path / "shim.c"
    source.write_text(SHIM)
    library = tmp_path / "shim.so"
    words = ["gcc", "-shared", "-fPIC", f"-DFAILURES={failures}", f"-DWAIT={wait}"]
    subprocess.run([*words, "-o", str(library), str(source), "-ldl"], check=True)
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("ASAN_OPTIONS", "verify_asan_link_order=0:detect_leaks=0")


def test_python_starts_when_there_is_a_thread_again(
    bare: Bare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_threads(tmp_path, monkeypatch, failures=1, wait=1_100_000)
    outcome = bare("--requests", "2", "hello::application")
    assert outcome.status == "200 OK"
    assert ["there is no thread" in line for line in outcome.errors] == [True]


def test_threads_are_asked_for_once_a_second(
    bare: Bare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_threads(tmp_path, monkeypatch, failures=1000, wait=0)
    outcome = bare("--requests", "500", "hello::application")
    assert outcome.status == "500 (error page)"
    assert 1 <= len(outcome.errors) <= 3


def test_a_home_that_is_none_is_said_once(bare: Bare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOD_WSGI_PYTHON_HOME", "/nonexistent")
    outcome = bare("--requests", "50", "hello::application")
    assert outcome.status == "500 (error page)"
    assert len([line for line in outcome.errors if "can't be started" in line]) == 1
