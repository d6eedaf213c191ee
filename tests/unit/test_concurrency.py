"""mod_wsgi.concurrency counts: what no server shows at will.

The layers below Python are linked into a program, which plays the server's children.
"""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.test_layers import CORE, SOURCES, WITHOUT_PYTHON, layer_of

CROWD = r"""
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "request/request.h"

static void say(void *record, enum wsgi_level level, const char *line)
{
    (void)record;
    (void)level;
    printf("%.16s\n", line);
}

static void each_env(void *record, wsgi_put *put, void *arg)
{
    (void)record;
    (void)put;
    (void)arg;
}

static wsgi_request request = {.uri = "/", .filename = "/a", .site_name = "a"};

typedef struct visit {
    wsgi_tally_use use;
    wsgi_place place;
} visit;

static int enter(visit *v, const char *application, long most)
{
    wsgi_settings settings = {
        .application = application, .interpreter = "i", .concurrency = most, .owner = -1};

    wsgi_tally_begin(&v->use, &request, &settings);
    return wsgi_place_enter(&v->place, &v->use, &request, &settings);
}

static void leave(visit *v)
{
    wsgi_place_leave(&v->place);
    wsgi_tally_end(&v->use, 0);
}

/* In a thread of its own: a request around it would be the same request's. */
static void *try_one(void *application)
{
    visit v;
    int status = enter(&v, application, 1);

    if (status == 0)
        leave(&v);
    else
        wsgi_tally_end(&v.use, status);
    return status == 0 ? "in" : "refused";
}

static const char *try(const char *application)
{
    pthread_t thread;
    void *result;

    pthread_create(&thread, NULL, try_one, (void *)application);
    pthread_join(thread, &result);
    return result;
}

static int inside, highest, refused;

static void *rush(void *unused)
{
    int i;

    (void)unused;
    for (i = 0; i < 20000; i++) {
        visit v;
        int status = enter(&v, "rushed", 3), now;

        if (status == 0) {
            now = __atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST);
            if (now > __atomic_load_n(&highest, __ATOMIC_SEQ_CST))
                __atomic_store_n(&highest, now, __ATOMIC_SEQ_CST);
            __atomic_add_fetch(&inside, -1, __ATOMIC_SEQ_CST);
            leave(&v);
        } else {
            refused = 1;
            wsgi_tally_end(&v.use, status);
        }
    }
    return unused;
}

static void rush_all(int threads)
{
    pthread_t all[8];
    int i;

    for (i = 0; i < threads; i++)
        pthread_create(&all[i], NULL, rush, NULL);
    for (i = 0; i < threads; i++)
        pthread_join(all[i], NULL);
}

int main(int argc, char **argv)
{
    static const wsgi_host host = {.each_env = each_env, .log = say};
    wsgi_tally *memory = mmap(NULL, sizeof *memory, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    visit first, second;
    unsigned left = 0;
    pid_t child;
    int i;

    (void)argc;
    wsgi_process_given.host = &host;
    if (strcmp(argv[1], "alone") != 0) {
        wsgi_tally_open(memory, "mod_wsgi/1", 1);
        wsgi_tally_enter_child();
    }
    if (strcmp(argv[1], "others") == 0)
        for (i = 0; i < WSGI_TALLY_ROWS; i++) {
            char name[16];

            snprintf(name, sizeof name, "many%d", i);
            enter(&first, name, WSGI_NO_BOUND);
            leave(&first);
        }
    if (strcmp(argv[1], "rush") == 0 || strcmp(argv[1], "calm") == 0) {
        rush_all(argv[1][0] == 'r' ? 8 : 3);
        printf("%s %s\n", highest <= 3 ? "at most 3" : "more", refused ? "refused" : "all in");
        return 0;
    }
    child = strcmp(argv[1], "killed") == 0 ? fork() : -1;
    if (child == 0) {
        wsgi_tally_enter_child();
        enter(&first, "shop", 1);
        raise(SIGKILL);
    }
    if (child > 0) {
        waitpid(child, NULL, 0);
        for (i = 0; i < WSGI_TALLY_PLACES; i++)
            left += (unsigned)memory->places[i].state;
        printf("%u left\n", left);
    }
    printf("first %d\n", enter(&first, "shop", 1));
    printf("within %d\n", enter(&second, "shop", 1));
    leave(&second);
    printf("shop %s\n", try("shop"));
    printf("other %s\n", try("other"));
    leave(&first);
    printf("shop %s\n", try("shop"));
    return 0;
}
"""

BOUNDED = ["first 0", "within 0", "mod_wsgi: MW0520", "shop refused", "other in", "shop in"]


@pytest.fixture(scope="module")
def crowd(bare_host: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[str]]:
    """The lines of the program, told what to play."""
    built = bare_host.parent.parent / bare_host.parent.name.replace("bare-", "core-", 1)
    folder = tmp_path_factory.mktemp("crowd")
    (folder / "crowd.c").write_text(CROWD)
    linked = [
        str(built / f"{path.stem}.os") for path in SOURCES if layer_of(path) in WITHOUT_PYTHON
    ]
    command = ["gcc", "-std=c99", "-D_GNU_SOURCE", f"-I{CORE}", "-o", str(folder / "crowd")]
    subprocess.run([*command, str(folder / "crowd.c"), *linked, "-pthread"], check=True)

    def play(what: str) -> list[str]:
        ran = subprocess.run(
            [str(folder / "crowd"), what], capture_output=True, check=True, timeout=60
        )
        return ran.stdout.decode().splitlines()

    return play


@pytest.mark.parametrize("where", ["rows", "others"])
def test_only_so_many_run_and_a_request_within_another_is_none(
    crowd: Callable[[str], list[str]], where: str
) -> None:
    assert crowd(where) == BOUNDED


def test_a_server_without_common_memory_counts_in_each_child(
    crowd: Callable[[str], list[str]],
) -> None:
    assert crowd("alone") == ["mod_wsgi: MW0521", *BOUNDED]


def test_what_a_killed_child_has_left_is_taken_off(crowd: Callable[[str], list[str]]) -> None:
    assert crowd("killed") == ["1 left", *BOUNDED]


def test_never_more_run_in_a_rush(crowd: Callable[[str], list[str]]) -> None:
    assert "at most 3" in crowd("rush")[-1]


def test_none_is_refused_while_there_is_room(crowd: Callable[[str], list[str]]) -> None:
    assert crowd("calm") == ["at most 3 all in"]
