"""The layers of the core: who may include and call whom, by the sources and the symbols.

A layer knows those below it only, and no files call each other in a circle.
"""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from command import TOP
from command.pythons import Python

CORE = TOP / "core"

# From the lowest to the highest. What lies in core/ itself is the top.
LAYERS = ("request", "status", "client", "python", "application", "wsgi", ".")

# Headers that every layer may include: the border to the host, and what compilers and
# systems differ in.
BORDER = ("host.h", "atomic.h", "atomic_old.h", "fd.h", "system.h")

WITHOUT_PYTHON = ("request", "status", "client")

SOURCES = sorted(CORE.rglob("*.c"))
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)

# caller -> the files that it calls
Calls = dict[str, set[str]]


def layer_of(path: Path) -> str:
    return path.parent.name if path.parent != CORE else "."


def height(path: Path) -> int:
    return LAYERS.index(layer_of(path))


def named(path: Path) -> str:
    return str(path.relative_to(TOP))


@pytest.mark.parametrize("path", sorted(CORE.rglob("*.[ch]")), ids=named)
def test_a_file_includes_its_own_layer_or_a_lower_one(path: Path) -> None:
    for name in INCLUDE.findall(path.read_text()):
        header = (path.parent / name).resolve()
        assert header.is_file(), f"{named(path)} includes {name}, which is not where it says"
        if header.parent != CORE or header.name not in BORDER:
            assert height(header) <= height(path), f"{named(path)} includes {named(header)}"


# ---- Calls ---------------------------------------------------------------


@pytest.fixture
def objects(bare_host: Path, python: Python) -> dict[str, Path]:
    """The object of each source. The bare host was linked of them."""
    folder = bare_host.parent.parent / bare_host.parent.name.replace("bare-", "core-", 1)
    found = {path.stem: folder / f"{path.stem}.os" for path in SOURCES}
    assert all(path.is_file() for path in found.values()), f"{python.name}: not built in {folder}"
    return found


def symbols(path: Path) -> tuple[set[str], set[str]]:
    """What an object defines for others, and what it wants of them."""
    listed = subprocess.run(["nm", str(path)], capture_output=True, check=True, text=True).stdout
    defined, wanted = set(), set()
    for line in listed.splitlines():
        kind, name = line.split()[-2:]
        if kind == "U":
            wanted.add(name)
        elif kind.isupper():
            defined.add(name)
    return defined, wanted


def find_calls(objects: dict[str, Path]) -> Calls:
    read = {name: symbols(path) for name, path in objects.items()}
    home = {symbol: name for name, (defined, _) in read.items() for symbol in defined}
    return {
        name: {home[symbol] for symbol in wanted if symbol in home and home[symbol] != name}
        for name, (_, wanted) in read.items()
    }


def calls_upwards(calls: Calls, heights: dict[str, int]) -> list[str]:
    return [
        f"{caller} calls {called}"
        for caller in sorted(calls)
        for called in sorted(calls[caller])
        if heights[called] > heights[caller]
    ]


def circles(calls: Calls) -> list[str]:
    """The files that can be reached from themselves."""

    def reached_from(names: Iterable[str]) -> set[str]:
        seen: set[str] = set()
        left = list(names)
        while left:
            name = left.pop()
            if name not in seen:
                seen.add(name)
                left += calls[name]
        return seen

    return sorted(name for name in calls if name in reached_from(calls[name]))


def test_no_two_sources_share_a_name() -> None:
    assert len({path.stem for path in SOURCES}) == len(SOURCES)


def test_no_call_goes_up(objects: dict[str, Path]) -> None:
    calls = find_calls(objects)
    assert {"process", "interp", "script"} <= calls["handler"] | calls["visit"]
    assert calls_upwards(calls, {path.stem: height(path) for path in SOURCES}) == []


def test_no_files_call_each_other_in_a_circle(objects: dict[str, Path]) -> None:
    assert circles(find_calls(objects)) == []


def test_a_call_upwards_and_a_circle_would_be_found() -> None:
    calls = {"low": {"high"}, "high": {"low"}, "top": {"low"}}
    assert calls_upwards(calls, {"low": 0, "high": 1, "top": 2}) == ["low calls high"]
    assert circles(calls) == ["high", "low"]


# ---- Without Python -------------------------------------------------------

DECIDES = r"""
#include <stdio.h>
#include <string.h>

#include "client/client.h"

static const char *const variables[][2] = {
    {"mod_wsgi.application", "shop::application"},
    {"mod_wsgi.interpreter", "shop"},
};

static void each_env(void *record, wsgi_put *put, void *arg)
{
    size_t i;

    (void)record;
    for (i = 0; i < sizeof variables / sizeof *variables; i++)
        put(arg, variables[i][0], variables[i][1]);
}

static void say(void *record, enum wsgi_level level, const char *line)
{
    (void)record;
    (void)level;
    puts(line);
}

int main(void)
{
    static const char *const htaccess[] = {"/", NULL};
    static const wsgi_host host = {.each_env = each_env, .log = say};
    wsgi_request request = {.uri = "/shop/basket/1",
                            .location = "/shop",
                            .filename = "/srv/shop",
                            .path_info = "",
                            .site_name = "localhost",
                            .scheme = "http"};
    wsgi_decision decision;
    int status;

    wsgi_process_given.host = &host;
    wsgi_settings_prepare();
    status = wsgi_decide(&request, &decision);
    printf("%d %s %s %.*s %s\n", status, decision.settings.application,
           decision.settings.interpreter, (int)decision.mount.size,
           decision.mount.script_name, decision.mount.path_info);
    request.htaccess = htaccess;
    printf("%d\n", wsgi_decide(&request, &decision));
    return 0;
}
"""


def test_the_layers_below_python_decide_in_a_program_that_has_none(
    objects: dict[str, Path], tmp_path: Path
) -> None:
    """Settings, mount and owner. The objects are those of the module."""
    source, program = tmp_path / "decides.c", tmp_path / "decides"
    source.write_text(DECIDES)
    linked = [str(objects[path.stem]) for path in SOURCES if layer_of(path) in WITHOUT_PYTHON]
    command = [
        "gcc",
        "-std=c99",
        "-D_GNU_SOURCE",
        f"-I{CORE}",
        "-o",
        str(program),
        str(source),
        *linked,
    ]
    subprocess.run([*command, "-pthread"], check=True)
    told = subprocess.run([str(program)], capture_output=True, check=True, text=True).stdout
    decided, forbidden, status = told.splitlines()
    assert decided == "0 shop::application shop /shop /basket/1"
    assert "Options +ExecCGI" in forbidden
    assert status == "403"
    needed = subprocess.run(["ldd", str(program)], capture_output=True, check=True, text=True)
    assert "python" not in needed.stdout
