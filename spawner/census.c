/*
 * census.c - how many processes a group has, and which of them gets the next
 * connection.
 */
#include "spawner.h"

/* An old process goes on with connections until a fresh one is ready. Not if
   the configuration has changed since: it may have other settings. */
static int may_serve(const wsgi_worker *worker)
{
    return worker->is_ready && worker->control >= 0 &&
           (!worker->is_old ||
            worker->configuration == wsgi_spawner_is.configuration);
}

/* In which order processes get connections: fresh ones with a free thread, old
   ones with one, the others. */
static int rank_of(const wsgi_group *group, const wsgi_worker *worker,
                   unsigned busy)
{
    if (busy >= group->ask.threads)
        return 2 + worker->is_old;
    return worker->is_old;
}

wsgi_census wsgi_census_count(const wsgi_group *group)
{
    long long now = wsgi_loop_now();
    wsgi_census found = {.idlest = NULL};
    wsgi_worker *worker;
    int best = 0;

    for (worker = group->workers; worker != NULL; worker = worker->next) {
        unsigned busy = wsgi_worker_busy(worker);
        int rank = rank_of(group, worker, busy);

        if (worker->is_draining)
            continue;
        found.all += !worker->is_old;
        found.starting += !worker->is_old && wsgi_pace_helps(worker, now);
        if (may_serve(worker) && (found.idlest == NULL || rank < best ||
                                  (rank == best && busy < found.busy))) {
            found.idlest = worker;
            found.busy = busy;
            best = rank;
        }
    }
    return found;
}

int wsgi_census_is_none(const wsgi_group *group)
{
    wsgi_census found = wsgi_census_count(group);

    return found.all == 0 && found.idlest == NULL;
}
