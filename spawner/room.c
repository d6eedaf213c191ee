/*
 * room.c - whether another process may start, by MOD_WSGI_LIMITS.
 *
 * Processes that are to end do not count, so that a swap is never refused. But
 * with them there may be twice as many as the limit at the most.
 */
#include <stdio.h>
#include <stdlib.h>

#include "spawner.h"

/* A limit, and whose processes count for it. */
typedef struct room {
    const char *name;
    uint32_t limit;
    const wsgi_group *owner; /* a group of the customer; NULL: all count */
} room;

typedef struct census {
    unsigned all, staying;
    wsgi_worker *idlest; /* of those that have nothing to do; NULL: none */
    long long used;      /* when that one was, last */
} census;

static long long number_of(const wsgi_group *customer)
{
    return wsgi_ask_number(customer->ask.user);
}

static int is_counted(const room *is, const wsgi_group *group)
{
    return is->owner == NULL ||
           (group->is_bounded && number_of(group) == number_of(is->owner));
}

/* Whether it can end with nobody the worse for it. */
static int is_idle(const wsgi_worker *worker)
{
    return worker->is_ready && worker->slot >= 0 &&
           worker->group->waiting_count == 0 && wsgi_worker_busy(worker) == 0;
}

/* Whether a process that is idle ends before the one that was found. */
static int is_before(const wsgi_worker *worker, const census *found)
{
    long long used = wsgi_worker_used(worker);

    return found->idlest == NULL || used < found->used ||
           (used == found->used && worker->started < found->idlest->started);
}

static void count_one(census *found, wsgi_worker *worker)
{
    found->all++;
    if (worker->is_draining || worker->is_old)
        return;
    found->staying++;
    if (is_idle(worker) && is_before(worker, found)) {
        found->idlest = worker;
        found->used = wsgi_worker_used(worker);
    }
}

static census count(const room *is)
{
    census found = {.idlest = NULL};
    const wsgi_group *group;
    wsgi_worker *worker;

    for (group = wsgi_group_first(); group != NULL; group = group->next)
        if (is_counted(is, group))
            for (worker = group->workers; worker != NULL;
                 worker = worker->next)
                count_one(&found, worker);
    return found;
}

/* Returns 0, or -1 if all are needed. */
static int make(const room *is)
{
    census found;

    if (is->limit == 0)
        return 0;
    found = count(is);
    if (found.all >= 2 * is->limit)
        return -1;
    if (found.staying < is->limit)
        return 0;
    if (found.idlest == NULL)
        return -1;
    wsgi_worker_drain(found.idlest);
    return 0;
}

static int explain(const room *is, wsgi_report *report)
{
    char who[32] = "there are";

    if (is->owner != NULL)
        snprintf(who, sizeof who, "the user %lld has", number_of(is->owner));
    report->status = 503;
    snprintf(report->text, sizeof report->text,
             "%s as many processes as " WSGI_CEILINGS
             " in the server's environment allows, %s=%u, and none is idle",
             who, is->name, is->limit);
    return -1;
}

int wsgi_room_make(const wsgi_group *group, wsgi_report *report)
{
    const wsgi_ceilings *ceilings = &wsgi_spawner_is.ceilings;
    const room owners = {"processes", ceilings->processes, group};
    const room everyones = {"total", ceilings->total, NULL};

    if (group->is_bounded && make(&owners) < 0)
        return explain(&owners, report);
    return make(&everyones) < 0 ? explain(&everyones, report) : 0;
}
