/*
 * idle.c - processes that no request has used for long end.
 *
 * The server's children keep connections. These do not count, only requests
 * do. A process that drains closes its connections, and loses no request
 * (../adapters/process/crew.c).
 */
#include "spawner.h"

/* Where there is no board, a process tells only now and then that it is used:
   after this time it has, in milliseconds. */
#define TOLD 10000

static int may_end(const wsgi_worker *worker)
{
    return worker->is_ready && !worker->is_old && !worker->is_draining;
}

/* Whether one ends just now. Not if it waits for requests: that may take
   long. */
static int is_one_ending(const wsgi_group *group)
{
    const wsgi_worker *worker;

    for (worker = group->workers; worker != NULL; worker = worker->next)
        if (worker->is_draining &&
            (worker->slot < 0 || wsgi_worker_busy(worker) == 0))
            return 1;
    return 0;
}

/* How long it stays if no request uses it: in milliseconds. */
static long long left_of(const wsgi_worker *worker, long long now)
{
    long long idle = worker->group->ask.idle * 1000LL;
    long long used = wsgi_worker_used(worker);

    if (worker->slot < 0 && idle < TOLD)
        idle = TOLD;
    if (worker->slot >= 0 && wsgi_worker_busy(worker) > 0)
        return idle;
    return (used > worker->ready_at ? used : worker->ready_at) + idle - now;
}

long long wsgi_idle_end(wsgi_group *group, long long now)
{
    wsgi_worker *worker, *oldest = NULL;
    long long soonest = -1;

    if (group->ask.idle == 0)
        return -1;
    for (worker = group->workers; worker != NULL; worker = worker->next) {
        long long left = may_end(worker) ? left_of(worker, now) : -1;

        if (may_end(worker) && left <= 0) {
            if (oldest == NULL || worker->started < oldest->started)
                oldest = worker;
        } else if (left >= 0 && (soonest < 0 || left < soonest)) {
            soonest = left;
        }
    }
    if (oldest != NULL && !is_one_ending(group))
        wsgi_worker_drain(oldest);
    return soonest;
}
