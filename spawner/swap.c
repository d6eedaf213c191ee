/*
 * swap.c - old processes, which began before the server's last restart.
 *
 * They end as soon as a fresh process of their group is ready.
 */
#include "spawner.h"

void wsgi_swap_drain_old(wsgi_group *group)
{
    wsgi_worker *worker;

    for (worker = group->workers; worker != NULL; worker = worker->next)
        if (worker->is_old && !worker->is_draining)
            wsgi_worker_drain(worker);
}

void wsgi_swap_keep_old(wsgi_group *group)
{
    wsgi_worker *worker;

    for (worker = group->workers; worker != NULL; worker = worker->next)
        worker->is_old = 0;
}

int wsgi_swap_has_old(const wsgi_group *group)
{
    const wsgi_worker *worker;

    for (worker = group->workers; worker != NULL; worker = worker->next)
        if (worker->is_old && !worker->is_draining)
            return 1;
    return 0;
}
