"""mod_wsgi.concurrency and the ceiling of a customer: what no server shows at will.

The layers below Python are linked into a program, which plays the server's children.
"""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.test_layers import CORE, SOURCES, WITHOUT_PYTHON, layer_of

CROWD = r"""
#include <pthread.h>
#include <signal.h>
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
    if (strstr(line, "MW0522") != NULL)
        printf("%s\n", line + 10);
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

static int enter_of(visit *v, const char *application, long most, long owner, long ceiling)
{
    wsgi_settings settings = {
        .application = application, .interpreter = "i", .concurrency = most, .owner = owner};

    wsgi_tally_begin(&v->use, &request, &settings);
    return wsgi_place_enter(&v->place, &v->use, &request, &settings, ceiling);
}

static int enter(visit *v, const char *application, long most)
{
    return enter_of(v, application, most, -1, WSGI_NO_BOUND);
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

/* An application of a customer, whose ceiling is 1. */
typedef struct customers {
    const char *application;
    long most, owner;
} customers;

static void *try_customers(void *arg)
{
    const customers *asked = arg;
    visit v;
    int status = enter_of(&v, asked->application, asked->most, asked->owner, 1);

    if (status == 0)
        leave(&v);
    else
        wsgi_tally_end(&v.use, status);
    return status == 0 ? "in" : "refused";
}

static const char *try_of(const char *application, long most, long owner)
{
    customers asked = {application, most, owner};
    pthread_t thread;
    void *result;

    pthread_create(&thread, NULL, try_customers, &asked);
    pthread_join(thread, &result);
    return result;
}

static void play_customer(const wsgi_tally *memory)
{
    visit first, second, other;
    unsigned i, refused = 0;

    printf("first %d\n", enter_of(&first, "a", 5, 4001, 1));
    printf("within %d\n", enter_of(&second, "b", WSGI_NO_BOUND, 4001, 1));
    leave(&second);
    printf("b %s\n", try_of("b", WSGI_NO_BOUND, 4001));
    printf("a %s\n", try_of("a", 5, 4001));
    printf("another's %s\n", try_of("b", WSGI_NO_BOUND, 4001 + WSGI_TALLY_OWNERS));
    leave(&first);
    printf("b %s\n", try_of("b", WSGI_NO_BOUND, 4001));
    enter_of(&other, "c", 1, 4002, WSGI_NO_BOUND);
    printf("c %s\n", try_of("c", 1, 4002));
    leave(&other);
    for (i = 0; memory != NULL && i < WSGI_TALLY_PLACES; i++)
        if (memory->places[i].state & UINT32_MAX)
            printf("%u are left\n", i);
    for (i = 0; memory != NULL && i < WSGI_TALLY_OF_OWNERS; i++)
        refused += (unsigned)memory->places[i].refused.all;
    if (memory != NULL)
        printf("%u were refused\n", refused);
}

/* More customers than there are places: none is forgotten. */
static void play_many_customers(void)
{
    visit first;
    long owner;

    for (owner = 1; owner <= WSGI_TALLY_OWNERS; owner++)
        if (strcmp(try_of("a", WSGI_NO_BOUND, owner), "in") != 0)
            printf("%ld is refused\n", owner);
    enter_of(&first, "a", WSGI_NO_BOUND, 5, 1);
    printf("the same %s\n", try_of("b", WSGI_NO_BOUND, 5));
    printf("another %s\n", try_of("b", WSGI_NO_BOUND, 6));
    printf("one more %s\n", try_of("b", WSGI_NO_BOUND, WSGI_TALLY_OWNERS + 7));
    printf("with the first %s\n", try_of("b", WSGI_NO_BOUND, WSGI_TALLY_OWNERS + 5));
    leave(&first);
}

/* How much of the memory a child has used that counts, and looks at others. */
static void play_pages(const wsgi_tally *memory)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = sizeof *memory, i, used = 0;
    unsigned char *pages = calloc(size / page + 1, 1);
    visit v;

    enter(&v, "shop", 1);
    printf("%ld wait\n", wsgi_crowd_count(&request));
    printf("shop %s\n", try("shop"));
    leave(&v);
    wsgi_tally_enter_child();
    if (pages == NULL || mincore((void *)(uintptr_t)memory, size, pages) != 0)
        abort();
    for (i = 0; i <= size / page; i++)
        used += pages[i] & 1;
    printf("%s\n", used * page < 200000 ? "little" : "much");
    free(pages);
}

/* Another process has the number of a child that has died. */
static void play_namesake(wsgi_tally *memory)
{
    visit v;
    int began[2];
    char byte = 0;
    pid_t stranger;

    if (pipe(began) < 0 || (stranger = fork()) < 0)
        abort();
    if (stranger == 0) {
        setsid();
        byte = (char)(write(began[1], "x", 1) == 1);
        for (;;)
            pause();
    }
    if (read(began[0], &byte, 1) != 1)
        abort();
    memory->children[7].pid = (uint32_t)stranger;
    memory->taken = 8;
    enter(&v, "shop", 1);
    memory->children[7].waiting[wsgi_tally_number_of(&v.use)] = 9;
    memory->children[7].places[wsgi_tally_number_of(&v.use)] = 9;
    memory->places[wsgi_tally_number_of(&v.use)].state += 9;
    printf("%ld wait\n", wsgi_crowd_count(&request));
    leave(&v);
    printf("shop %s\n", try("shop"));
    memory->children[7].pid = 0;
    kill(stranger, SIGKILL);
    waitpid(stranger, NULL, 0);
}

static int inside, highest, refused, of_customer;

static void *rush(void *unused)
{
    int i;

    (void)unused;
    for (i = 0; i < 20000; i++) {
        const char *name = (i & 1) != 0 ? "rushed" : "hurried";
        visit v;
        int status = of_customer ? enter_of(&v, name, WSGI_NO_BOUND, 4001, 3)
                                 : enter(&v, "rushed", 3);
        int now;

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

    wsgi_process_given.host = &host;
    if (argc < 3 || strcmp(argv[2], "alone") != 0) {
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
    if (strcmp(argv[1], "customer") == 0)
        return play_customer(wsgi_tally_memory()), 0;
    if (strcmp(argv[1], "many") == 0)
        return play_many_customers(), 0;
    if (strcmp(argv[1], "pages") == 0)
        return play_pages(memory), 0;
    if (strcmp(argv[1], "namesake") == 0)
        return play_namesake(memory), 0;
    of_customer = argc > 2;
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


def link(source: str, bare_host: Path, folder: Path) -> Path:
    """A program of the layers below Python."""
    built = bare_host.parent.parent / bare_host.parent.name.replace("bare-", "core-", 1)
    (folder / "program.c").write_text(source)
    linked = [
        str(built / f"{path.stem}.os") for path in SOURCES if layer_of(path) in WITHOUT_PYTHON
    ]
    command = ["gcc", "-std=c99", "-D_GNU_SOURCE", f"-I{CORE}", "-o", str(folder / "program")]
    subprocess.run([*command, str(folder / "program.c"), *linked, "-pthread"], check=True)
    return folder / "program"


@pytest.fixture(scope="module")
def crowd(bare_host: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[str]]:
    """The lines of the program, told what to play."""
    program = link(CROWD, bare_host, tmp_path_factory.mktemp("crowd"))

    def play(*what: str) -> list[str]:
        ran = subprocess.run([str(program), *what], capture_output=True, check=True, timeout=60)
        return ran.stdout.decode().splitlines()

    return play


@pytest.mark.parametrize("where", ["rows", "others"])
def test_only_so_many_run_and_a_request_within_another_is_none(
    crowd: Callable[..., list[str]], where: str
) -> None:
    assert crowd(where) == BOUNDED


def test_a_server_without_common_memory_counts_in_each_child(
    crowd: Callable[..., list[str]],
) -> None:
    assert crowd("shop", "alone") == ["mod_wsgi: MW0521", *BOUNDED]


def test_what_a_killed_child_has_left_is_taken_off(crowd: Callable[..., list[str]]) -> None:
    assert crowd("killed") == ["1 left", *BOUNDED]


def test_never_more_run_in_a_rush(crowd: Callable[..., list[str]]) -> None:
    assert "at most 3" in crowd("rush")[-1]


def test_none_is_refused_while_there_is_room(crowd: Callable[..., list[str]]) -> None:
    assert crowd("calm") == ["at most 3 all in"]


TOO_MANY = (
    "MW0522: the user #4001 (number 4001) has 1 requests at the same time, as many as "
    "concurrency= in MOD_WSGI_LIMITS allows for all applications of a customer. To allow more, "
    "raise it in the server's environment, and stop and start the server. Refused since the last "
    "such line: 1, the last of them /, for 'b' in the interpreter 'i'"
)
CUSTOMER = [
    "first 0",
    "within 0",
    "mod_wsgi: MW0522",
    TOO_MANY,
    "b refused",
    "a refused",
    "another's in",
    "b in",
    "mod_wsgi: MW0520",
    "c refused",
]


def test_all_applications_of_a_customer_count_together(crowd: Callable[..., list[str]]) -> None:
    """Beside each one's own bound. A refused request keeps no place."""
    assert crowd("customer") == [*CUSTOMER, "3 were refused"]


def test_customers_count_in_each_child_of_a_server_without_common_memory(
    crowd: Callable[..., list[str]],
) -> None:
    told = crowd("customer", "alone")
    assert told.pop(0) == "mod_wsgi: MW0521"
    assert told == [line.replace("another's in", "another's refused") for line in CUSTOMER]


def test_more_customers_than_there_are_places_count_with_others(
    crowd: Callable[..., list[str]],
) -> None:
    told = [line for line in crowd("many") if "MW05" not in line]
    assert told == ["the same refused", "another in", "one more in", "with the first refused"]


def test_never_more_of_a_customers_requests_run_in_a_rush(crowd: Callable[..., list[str]]) -> None:
    assert "at most 3" in crowd("rush", "of a customer")[-1]
    assert crowd("calm", "of a customer") == ["at most 3 all in"]


def test_a_process_that_has_got_the_number_of_a_child_counts_nothing(
    crowd: Callable[..., list[str]],
) -> None:
    """Neither among those that wait nor among those that run."""
    assert crowd("namesake") == ["0 wait", "shop in"]


def test_places_of_children_that_never_were_take_no_memory(
    crowd: Callable[..., list[str]],
) -> None:
    """Each refused request looks at all children: at those that there are."""
    assert crowd("pages") == ["0 wait", "mod_wsgi: MW0520", "shop refused", "little"]
