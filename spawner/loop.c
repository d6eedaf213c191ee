/*
 * loop.c - waits for descriptors.
 *
 * A turn calls one function only, for it may remove others. The next turn
 * begins behind that descriptor, so that a busy one does not starve the rest.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

#include "spawner.h"

typedef struct watch {
    wsgi_ready *ready;
    void *arg;
} watch;

static struct pollfd *polled;
static watch *watches; /* as many, in the same order */
static size_t count, capacity, next;

static int grow(void)
{
    size_t more = capacity == 0 ? 64 : 2 * capacity;
    struct pollfd *new_polled = realloc(polled, more * sizeof *polled);
    watch *new_watches;

    if (new_polled == NULL)
        return -1;
    polled = new_polled;
    new_watches = realloc(watches, more * sizeof *watches);
    if (new_watches == NULL)
        return -1;
    watches = new_watches;
    capacity = more;
    return 0;
}

int wsgi_loop_add(int fd, wsgi_ready *ready, void *arg)
{
    if (count == capacity && grow() < 0)
        return -1;
    polled[count] = (struct pollfd){.fd = fd, .events = POLLIN};
    watches[count] = (watch){.ready = ready, .arg = arg};
    count++;
    return 0;
}

void wsgi_loop_remove(int fd)
{
    size_t i;

    for (i = 0; i < count; i++)
        if (polled[i].fd == fd) {
            count--;
            polled[i] = polled[count];
            watches[i] = watches[count];
            return;
        }
}

void wsgi_loop_turn(int milliseconds)
{
    size_t i, at;

    if (poll(polled, count, milliseconds) <= 0)
        return;
    for (i = 0; i < count; i++) {
        at = (next + i) % count;
        if (polled[at].revents != 0) {
            next = at + 1;
            watches[at].ready(watches[at].arg);
            return;
        }
    }
}

long long wsgi_loop_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}
