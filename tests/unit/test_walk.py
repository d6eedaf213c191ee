"""The way to an .htaccess file, with O_PATH and without (core/request/walk.c, reach.h).

The program walks, and says whose the way is. It is another user, for root may read everything.
"""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from command import TOP

NOBODY = 65534
WAYS = {"O_PATH": (), "no O_PATH": ("-DWSGI_FALLBACKS",)}

PROGRAM = r"""
#include <stdio.h>
#include <stdlib.h>

#include "request/request.h"

int main(int count, char **words)
{
    wsgi_walk walk = {.owner = 0};

    if (count > 2 && setuid((uid_t)atoi(words[2])) < 0)
        return 2;
    if (wsgi_walk_to(&walk, words[1]) < 0)
        puts(walk.problem);
    else
        printf("%lld\n", walk.owner);
    return 0;
}
"""

# Replaces the thing between the look at it and its use, as an attacker would.
REPLACES = r"""
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define fstatat(at, name, info, flags) look_and_replace(at, name, info, flags)

static int look_and_replace(int at, const char *name, struct stat *info, int flags);

#include "request/walk.c"
#undef fstatat

static int look_and_replace(int at, const char *name, struct stat *info, int flags)
{
    static int is_done;
    int result = fstatat(at, name, info, flags);

    if (strcmp(name, "victim") == 0 && !is_done) {
        is_done = 1;
        renameat(at, "victim", at, "before");
        renameat(at, "other", at, "victim");
    }
    return result;
}
"""

Walks = Callable[..., str]


def compiled(folder: Path, *words: str) -> Path:
    program = folder / "walks"
    command = ["gcc", "-std=c99", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror"]
    command += [f"-I{TOP / 'core'}", f"-I{TOP / 'core/request'}", "-o", str(program), *words]
    subprocess.run(command, check=True, timeout=60)
    return program


def say(program: Path, path: Path, *words: str) -> str:
    command = [str(program), str(path), *words]
    return subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=30
    ).stdout.strip()


@pytest.fixture(params=WAYS)
def walks(request: pytest.FixtureRequest, tmp_path: Path) -> Walks:
    """Walks to a path, as another user where one is named."""
    source = tmp_path / "walks.c"
    source.write_text(PROGRAM)
    walk = str(TOP / "core" / "request" / "walk.c")
    program = compiled(tmp_path, *WAYS[request.param], str(source), walk)
    return lambda path, *words: say(program, path, *words)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder to which every user may go."""
    for folder in (tmp_path, *tmp_path.parents):
        if "pytest-" in str(folder):
            folder.chmod(0o755)
    made = tmp_path / "place"
    made.mkdir()
    return made


def test_a_way_of_directories_and_links_is_followed(walks: Walks, place: Path) -> None:
    (place / "real" / "site").mkdir(parents=True)
    (place / "link").symlink_to("real")
    (place / "absolute").symlink_to(place / "link" / ".." / "real")
    assert walks(place / "absolute" / "site") == str(os.getuid())
    assert walks(place / "real" / "." / "site") == str(os.getuid())


def test_what_is_no_directory_is_refused(walks: Walks, place: Path) -> None:
    (place / "file").touch()
    os.mkfifo(place / "pipe")
    assert "Not a directory" in walks(place / "file")
    assert "Not a directory" in walks(place / "pipe")
    assert "No such file" in walks(place / "nothing")


def test_a_circle_of_links_is_refused(walks: Walks, place: Path) -> None:
    (place / "one").symlink_to("two")
    (place / "two").symlink_to("one")
    assert "Too many levels" in walks(place / "one")


def test_what_everybody_can_write_is_refused(walks: Walks, place: Path) -> None:
    (place / "open" / "site").mkdir(parents=True)
    (place / "open").chmod(0o777)
    assert "can be written to by everybody" in walks(place / "open" / "site")
    (place / "open").chmod(0o1777)
    (place / "open" / "link").symlink_to("site")
    assert "a link in a directory that everybody can write to" in walks(place / "open" / "link")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_ways_of_two_users_are_refused(walks: Walks, place: Path) -> None:
    (place / "alice" / "site").mkdir(parents=True)
    os.chown(place / "alice", 12345, 12345)
    assert walks(place / "alice" / "site") == "12345"
    os.chown(place / "alice" / "site", 12346, 12346)
    assert "must be one user's, or root's" in walks(place / "alice" / "site")
    (place / "link").symlink_to("alice")
    os.lchown(place / "link", 12346, 12346)
    os.chown(place / "alice" / "site", 12345, 12345)
    assert "must be one user's, or root's" in walks(place / "link" / "site")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_only_without_o_path_a_directory_must_be_readable(
    walks: Walks, place: Path, request: pytest.FixtureRequest
) -> None:
    (place / "shut" / "site").mkdir(parents=True)
    (place / "shut").chmod(0o711)
    told = walks(place / "shut" / "site", str(NOBODY))
    if "no O_PATH" in request.node.name:
        assert told == (
            f"'{place}/shut' can't be looked at: this system is too old to look at a directory "
            "that the server's user may only pass through: allow that user to read it, too"
        )
    else:
        assert told == "0"
    (place / "shut").chmod(0o700)
    assert walks(place / "shut" / "site", str(NOBODY)) != "0"


@pytest.mark.parametrize("kind", ["directory", "link"])
def test_without_o_path_a_thing_that_is_replaced_meanwhile_is_refused(
    kind: str, tmp_path: Path, place: Path
) -> None:
    source, replaces = tmp_path / "walks.c", tmp_path / "replaces.c"
    source.write_text(PROGRAM)
    replaces.write_text(REPLACES)
    program = compiled(tmp_path, "-DWSGI_FALLBACKS", str(source), str(replaces))
    for name in ("victim", "other"):
        if kind == "directory":
            (place / name).mkdir()
        else:
            (place / name).symlink_to(place.parent)
    assert say(program, place / "victim") == (
        f"'{place}/victim' can't be looked at: it was replaced meanwhile"
    )
