"""The three ways of core/atomic.h: what the compiler offers, __sync, and a mutex.

One program uses them from threads, in a signal's handler and in a copy of the process.
"""

import subprocess
from pathlib import Path

import pytest

from command import TOP

WAYS = {"__atomic": 1, "__sync": 2, "mutex": 3}

PROGRAM = r"""
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "atomic.h"

#define THREADS 4
#define ROUNDS 50000

typedef struct node node;

struct node {
    node *next;
};

static uint64_t wide, halves;
static uint16_t small;
static uint32_t swapped;
static long sum;
static int once, torn, signals;
static node nodes[THREADS * 100], *list;

static void push(node *made)
{
    made->next = wsgi_atomic_load(&list, WSGI_ACQUIRE);
    while (!wsgi_atomic_swap(&list, &made->next, made, WSGI_RELEASE, WSGI_RELAXED))
        ;
}

static void swap_up(void)
{
    uint32_t before = wsgi_atomic_load(&swapped, WSGI_RELAXED);

    while (!wsgi_atomic_swap(&swapped, &before, before + 1, WSGI_RELAXED, WSGI_RELAXED))
        ;
}

static void write_halves(uint64_t with)
{
    uint64_t found = wsgi_atomic_load(&halves, WSGI_SEQ_CST);

    if (found >> 32 != (found & UINT32_MAX))
        wsgi_atomic_store(&torn, 1, WSGI_RELEASE);
    wsgi_atomic_store(&halves, with << 32 | with, WSGI_SEQ_CST);
}

static void *work(void *arg)
{
    int number = *(int *)arg, i;

    for (i = 0; i < 100; i++)
        push(&nodes[number * 100 + i]);
    for (i = 0; i < ROUNDS; i++) {
        wsgi_atomic_add(&wide, (uint64_t)1 << 31, WSGI_RELAXED);
        wsgi_atomic_add(&small, (uint16_t)3, WSGI_SEQ_CST);
        wsgi_atomic_sub(&small, 2, WSGI_ACQ_REL);
        wsgi_atomic_fetch_add(&sum, 1, WSGI_RELAXED);
        swap_up();
        write_halves((uint64_t)i);
    }
    if (!wsgi_atomic_exchange(&once, 1, WSGI_ACQUIRE))
        wsgi_atomic_or(&sum, 1L << 24, WSGI_ACQ_REL);
    return NULL;
}

static void on_signal(int number)
{
    (void)number;
    wsgi_atomic_add(&signals, 1, WSGI_RELAXED);
}

/* Whether a copy can go on, though other threads change numbers meanwhile. */
static int copies(void)
{
    int status, i;

    for (i = 0; i < 20; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            signal(SIGALRM, SIG_DFL);
            alarm(20);
            _exit(wsgi_atomic_add(&signals, 1, WSGI_SEQ_CST) > 0 ? 0 : 1);
        }
        if (waitpid(pid, &status, 0) != pid || status != 0)
            return 0;
    }
    return 1;
}

static int count_nodes(void)
{
    const node *at;
    int count = 0;

    for (at = list; at != NULL; at = at->next)
        count++;
    return count;
}

int main(void)
{
    struct itimerval often = {{0, 500}, {0, 500}}, never = {{0, 0}, {0, 0}};
    struct sigaction action;
    pthread_t threads[THREADS];
    int numbers[THREADS], i, copied;

    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    for (i = 0; i < THREADS; i++) {
        numbers[i] = i;
        pthread_create(&threads[i], NULL, work, &numbers[i]);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    copied = copies();
    setitimer(ITIMER_REAL, &often, NULL);
    for (i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    setitimer(ITIMER_REAL, &never, NULL);
    wsgi_atomic_fence(WSGI_ACQUIRE);
    printf("%llu %u %ld %u %d %d %d\n", (unsigned long long)(wide >> 31), small, sum,
           (unsigned)swapped, count_nodes(), torn, copied);
    return 0;
}
"""

THREADS, ROUNDS = 4, 50000
RIGHT = (
    f"{THREADS * ROUNDS} {THREADS * ROUNDS % 65536} {THREADS * ROUNDS | 1 << 24} "
    f"{THREADS * ROUNDS} {THREADS * 100} 0 1\n"
)


@pytest.mark.parametrize("way", WAYS)
def test_no_change_is_lost(way: str, tmp_path: Path) -> None:
    source, program = tmp_path / "atomics.c", tmp_path / "atomics"
    source.write_text(PROGRAM)
    command = [
        "gcc",
        "-std=c99",
        "-D_GNU_SOURCE",
        "-O2",
        "-Wall",
        "-Wextra",
        "-Wshadow",
        "-Werror",
    ]
    command += [f"-DWSGI_ATOMICS={WAYS[way]}", f"-I{TOP / 'core'}", "-o", str(program)]
    subprocess.run([*command, str(source), "-pthread"], check=True, timeout=60)
    done = subprocess.run([str(program)], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == RIGHT
