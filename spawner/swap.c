/*
 * swap.c - old processes, which began before the server's last restart, or
 * have grown too large.
 *
 * They end as fresh processes of their group get ready.
 */
#include "spawner.h"

#define RECENT 600000 /* milliseconds since a process was used */

/* Whether it serves, or has served lately. */
static int is_used(const wsgi_worker *worker)
{
    long long used = wsgi_worker_used(worker);

    return worker->slot < 0 || wsgi_worker_busy(worker) > 0 ||
           (used != 0 && wsgi_loop_now() - used < RECENT);
}

int wsgi_swap_is_used(const wsgi_group *group)
{
    const wsgi_worker *worker;

    for (worker = group->workers; worker != NULL; worker = worker->next)
        if (is_used(worker))
            return 1;
    return group->waiting_count > 0;
}

static int is_left(const wsgi_worker *worker)
{
    return worker->is_old && !worker->is_draining;
}

void wsgi_swap_drain_old(wsgi_group *group, int all)
{
    wsgi_worker *worker, *busy = NULL;

    for (worker = group->workers; worker != NULL; worker = worker->next) {
        if (!is_left(worker))
            continue;
        if (!all && worker->configuration == wsgi_spawner_is.configuration &&
            wsgi_worker_busy(worker) > 0)
            busy = worker;
        else
            wsgi_worker_drain(worker);
    }
    if (busy != NULL)
        wsgi_worker_drain(busy);
}

void wsgi_swap_keep_old(wsgi_group *group)
{
    wsgi_worker *worker;

    for (worker = group->workers; worker != NULL; worker = worker->next)
        worker->is_old = 0;
}

/* Whether a process has begun that is not ready. */
static int is_starting(const wsgi_group *group)
{
    const wsgi_worker *worker;

    for (worker = group->workers; worker != NULL; worker = worker->next)
        if (!worker->is_ready && !worker->is_draining)
            return 1;
    return 0;
}

void wsgi_swap_take_stale(wsgi_worker *worker)
{
    wsgi_group *group = worker->group;

    if (!worker->is_ready || worker->is_draining || is_starting(group))
        return;
    if (wsgi_swap_is_used(group))
        worker->is_old = group->wants_swap = 1;
    else
        wsgi_worker_drain(worker);
}

int wsgi_swap_has_old(const wsgi_group *group)
{
    const wsgi_worker *worker;

    for (worker = group->workers; worker != NULL; worker = worker->next)
        if (is_left(worker))
            return 1;
    return 0;
}
