/*
 * swap.c - old processes, which began before the server's last restart, or
 * have grown too large.
 *
 * They end as fresh processes of their group get ready.
 */
#include "spawner.h"

#define RECENT 600000 /* milliseconds since a process was used */

/* A process that is too large so soon is so by what it loads: milliseconds.
   The next one will be, too. */
#define SOON 10000

#define MINUTE 60000
#define MOST_DOUBLED 4 /* 16 minutes */

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

/* How long it stays. Else there would be one swap after the other, and those
   of other groups would wait. */
static void note_size(wsgi_worker *worker, long long now)
{
    wsgi_group *group = worker->group;
    unsigned doubled;

    worker->stays_until = now;
    group->too_large = now - worker->ready_at < SOON ? group->too_large + 1
                                                     : 0;
    if (group->too_large < 2)
        return;
    doubled = group->too_large - 1;
    if (doubled > MOST_DOUBLED)
        doubled = MOST_DOUBLED;
    worker->stays_until += (long long)MINUTE << doubled;
    wsgi_log_say(group->log, WSGI_LOG_WARNING,
                 "MW0741: process %ld of %s has more memory than "
                 "mod_wsgi.memory allows as soon as it has loaded: it stays "
                 "for %d min",
                 (long)worker->pid, group->title, 1 << doubled);
}

void wsgi_swap_take_stale(wsgi_worker *worker)
{
    wsgi_group *group = worker->group;
    long long now = wsgi_loop_now();

    if (!worker->is_ready || worker->is_draining)
        return;
    if (worker->stays_until == 0)
        note_size(worker, now);
    if (now < worker->stays_until || is_starting(group))
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
