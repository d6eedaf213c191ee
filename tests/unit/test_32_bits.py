"""What needs neither Python nor a server, compiled for 32 bits and asked in C.

There a long has 32 bits, and a user's number, a file's size and a time may need more. Each test
runs with 64 bits, too.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from command import TOP
from tests.harness.spawner import compile_into
from tests.unit.test_musl import WITHOUT_PYTHON
from tests.unit.test_spawner import CONFIGURATION, FAKE, RESTART, packet, running

LARGE = 3_000_000_000  # neither a long of 32 bits nor an off_t has room for it

WORDS = ("-std=c99", "-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64", "-D_TIME_BITS=64")
FLAGS = (*WORDS, "-Wall", "-Wextra", "-Werror", f"-I{TOP / 'core'}")

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def compiles(bits: str, folder: Path) -> bool:
    source = folder / "probe.c"
    source.write_text("#include <errno.h>\n#include <stdio.h>\nint main(void) { return 0; }\n")
    command = ["gcc", f"-m{bits}", str(source), "-o", str(folder / "probe")]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture(params=["32", "64"])
def bits(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The compiler's word for it."""
    asked = str(request.param)
    if not compiles(asked, tmp_path):
        pytest.skip(f"gcc -m{asked} is not installed: gcc-multilib on Debian")
    return f"-m{asked}"


@pytest.mark.parametrize("part", WITHOUT_PYTHON)
def test_a_part_compiles_without_a_warning(part: str, bits: str) -> None:
    sources = sorted((TOP / part).rglob("*.c"))
    assert sources
    command = ["gcc", bits, *FLAGS, '-DWSGI_VERSION="0"', "-fsyntax-only", *map(str, sources)]
    compiled = subprocess.run(command, capture_output=True, text=True, check=False)
    assert compiled.returncode == 0, compiled.stderr


PROGRAM = r"""
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "request/request.h"

static void say(void *record, enum wsgi_level level, const char *line)
{
    (void)record;
    (void)level;
    puts(line);
}

int main(int argc, char **argv)
{
    static const wsgi_host host = {.log = say};
    const char *htaccess[] = {argv[argc - 1], NULL};
    wsgi_request request = {.uri = "/", .htaccess = htaccess};

    wsgi_process_given.host = &host;
%s
    return 0;
}
"""

Asked = Callable[[str, Path], list[str]]


@pytest.fixture
def asked(bits: str, tmp_path: Path) -> Asked:
    """Runs statements of C with the lowest layer. Gives the lines that they print."""

    def ask(statements: str, argument: Path) -> list[str]:
        source, program = tmp_path / "ask.c", tmp_path / "ask"
        source.write_text(PROGRAM % statements)
        layer = map(str, sorted((TOP / "core" / "request").glob("*.c")))
        command = ["gcc", bits, *FLAGS, str(source), *layer, "-o", str(program), "-pthread"]
        subprocess.run(command, check=True)
        words = [str(program), str(argument)]
        return subprocess.run(
            words, capture_output=True, check=True, text=True
        ).stdout.splitlines()

    return ask


@pytest.fixture
def home() -> Iterator[Path]:
    """A customer's directory. Only the customer and root own what leads there."""
    with tempfile.TemporaryDirectory(prefix="large-") as name:
        yield Path(name)


OWNER = r"""
    wsgi_settings settings = {.owner = -1};
    long long owner = -1;
    int fd = open(argv[1], O_RDONLY | O_DIRECTORY);

    printf("%d ", wsgi_owner_of(&request, &owner));
    printf("%lld\n", owner);
    settings.owner = owner;
    printf("%d\n", wsgi_owner_check(&request, &settings, fd, "the directory", argv[1]));
    fd = open("/", O_RDONLY | O_DIRECTORY);
    printf("%d\n", wsgi_owner_check(&request, &settings, fd, "the directory", "/"));
"""


@only_root
def test_a_user_with_a_large_number_is_a_customer(asked: Asked, home: Path) -> None:
    """A number below zero would be the administrator, who may run everybody's files."""
    os.chown(home, LARGE, LARGE)
    found, own, line, foreign = asked(OWNER, home)
    assert (found, own, foreign) == (f"0 {LARGE}", "0", "403")
    assert f"is the user {LARGE}'s" in line


FILE = r"""
    char last[8] = "";
    int fd = open(argv[1], O_RDONLY);

    (void)request;
    printf("%lld\n", (long long)wsgi_file_size(fd));
    printf("%d ", (int)wsgi_file_read(fd, last, sizeof last, INT64_C(3000000000)));
    puts(last);
    printf("%d\n", (int)wsgi_file_read(fd, last, sizeof last, INT64_C(3000000004)));
"""


def test_a_large_file_has_its_size_and_its_end(asked: Asked, home: Path) -> None:
    large = home / "large"
    with large.open("wb") as stream:
        stream.seek(LARGE)
        stream.write(b"last")
    assert asked(FILE, large) == [str(LARGE + 4), "4 last", "0"]


@only_root
def test_the_server_may_be_a_user_with_a_large_number(bits: str) -> None:
    """Its process has the user, is told the user, and can read who has made a connection."""
    with tempfile.TemporaryDirectory(prefix="spawner-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        compile_into(folder, bits)
        program = folder / "mod_wsgi-py3.11"
        shutil.copy(FAKE, program)
        program.chmod(0o755)
        with running(folder, {}) as spawner:
            who = f"#{LARGE}"
            spawner.send(packet(RESTART, user=who, name=who, configuration=CONFIGURATION), [])
            given = spawner.given()
            assert given.ask("os.getuid()") == LARGE
            assert given.ask("sys.argv")[5] == str(LARGE)
