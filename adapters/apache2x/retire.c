/*
 * retire.c - has the server replace this child.
 *
 * No function of a server does that. But a child whose accept fails for want
 * of memory or descriptors ends by itself, as at MaxConnectionsPerChild: it
 * closes its listening sockets and finishes its requests, and the parent
 * starts another. What accepts is a field of each listening socket. No
 * connection is lost, since none is taken from there.
 */
#include "adapter.h"

#include <ap_listen.h>
#include <scoreboard.h>
#include <unistd.h>

static apr_status_t take_none(void **accepted, ap_listen_rec *listener,
                              apr_pool_t *pool)
{
    (void)listener, (void)pool;
    *accepted = NULL;
    return APR_EGENERAL;
}

/* The parent would take it for a child that is short of something. If no other
   child were there, it would end the server. */
static void end_well(void)
{
    _exit(0);
}

/* Whether the parent has room for another child beside this one. */
static int has_room(void)
{
    int children = 0, i;

    ap_mpm_query(AP_MPMQ_HARD_LIMIT_DAEMONS, &children);
    for (i = 0; i < children; i++)
        if (ap_scoreboard_image->parent[i].pid == 0)
            return 1;
    return 0;
}

/* Whether this child listens on these sockets, or has done so and ends. With
   ListenCoresBucketsRatio another one may have copies of them, which only its
   MPM knows, and these are closed there. */
static int has_listened(void)
{
    const ap_listen_rec *listener;

    if (wsgi_apache_is_stopping())
        return 1;
    for (listener = ap_listeners; listener != NULL; listener = listener->next)
        if (!listener->active)
            return 0;
    return 1;
}

int wsgi_apache_retire(void)
{
    ap_listen_rec *listener;
    int is_threaded = 0;

    if (!WSGI_THREADS_HAVE_PIDS ||
        ap_mpm_query(AP_MPMQ_IS_THREADED, &is_threaded) != APR_SUCCESS ||
        !is_threaded || !has_listened() || !has_room() ||
        atexit(end_well) != 0)
        return -1;
    for (listener = ap_listeners; listener != NULL; listener = listener->next)
        listener->accept_func = take_none;
    return 0;
}

/* Another child may have got the process's place on the scoreboard. The
   threads keep theirs until they end. */
int wsgi_apache_count_threads(void)
{
    int children = 0, threads = 0, i, j, count = 0;

    ap_mpm_query(AP_MPMQ_HARD_LIMIT_DAEMONS, &children);
    ap_mpm_query(AP_MPMQ_HARD_LIMIT_THREADS, &threads);
    for (i = 0; i < children; i++)
        for (j = 0; j < threads; j++) {
            const worker_score *thread =
                ap_get_scoreboard_worker_from_indexes(i, j);

            count += thread != NULL && thread->status != SERVER_DEAD &&
                     wsgi_pid_of_thread(thread) == getpid();
        }
    return count;
}
