"""How much an application may log: lines that are longer than all that, and spoilt numbers.

The layers below Python are linked into a program, which plays one of the server's children.
"""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.test_concurrency import link

FLOOD = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "request/request.h"

#define LONG_LINE 60000000

static size_t written;

static void count(void *record, enum wsgi_level level, const char *line)
{
    (void)record;
    (void)level;
    written += strlen(line);
    if (strlen(line) < 100)
        printf("%.16s\n", line);
}

static void each_env(void *record, wsgi_put *put, void *arg)
{
    (void)record;
    (void)put;
    (void)arg;
}

int main(int argc, char **argv)
{
    static const wsgi_host host = {.each_env = each_env, .log = count};
    static wsgi_request request = {.uri = "/", .filename = "/a", .site_name = "a"};
    wsgi_settings settings = {.application = "a", .interpreter = "i", .owner = -1};
    wsgi_tally *memory = calloc(1, sizeof *memory);
    char *line = malloc(LONG_LINE);
    wsgi_tally_use use;

    alarm(10);
    if (memory == NULL || line == NULL || argc != 2)
        abort();
    wsgi_process_given.host = &host;
    wsgi_tally_open(memory, "mod_wsgi/1", 1);
    wsgi_tally_enter_child();
    wsgi_tally_begin(&use, &request, &settings);
    if (strcmp(argv[1], "spoilt") == 0) {
        wsgi_tally_row_of(&request)->floods[0].until = UINT64_MAX;
        wsgi_flood_line(&request, WSGI_ERROR, "short", 5);
        wsgi_flood_line(&request, WSGI_ERROR, "", 0);
    } else {
        memset(line, 'x', LONG_LINE);
        wsgi_flood_line(&request, WSGI_ERROR, line, LONG_LINE);
        wsgi_flood_line(&request, WSGI_ERROR, "left out", 8);
        wsgi_flood_line(&request, WSGI_ERROR, line, LONG_LINE);
        printf("%s\n", written < 30000000 ? "a part" : "all");
    }
    return 0;
}
"""


@pytest.fixture(scope="module")
def flood(bare_host: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[str]]:
    """What the program writes, told what to play."""
    program = link(FLOOD, bare_host, tmp_path_factory.mktemp("flood"))

    def play(what: str) -> list[str]:
        ran = subprocess.run([str(program), what], capture_output=True, check=True, timeout=60)
        return ran.stdout.decode().splitlines()

    return play


def test_a_line_longer_than_the_bound_is_cut_and_the_next_does_not_hang(
    flood: Callable[[str], list[str]],
) -> None:
    assert flood("long") == ["mod_wsgi: MW0641", "a part"]


def test_a_time_that_nobody_can_have_written_holds_no_thread(
    flood: Callable[[str], list[str]],
) -> None:
    """Applications in the server's children can write the memory."""
    assert flood("spoilt") == ["short", ""]
