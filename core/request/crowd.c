/*
 * crowd.c - how many requests of an application are under way in the whole
 * server, and how many were refused.
 */
#include "request.h"

#define TELL_SECONDS 60

unsigned wsgi_crowd_count(const wsgi_request *request)
{
    const wsgi_tally *tally = wsgi_tally_memory();
    const wsgi_tally_row *row = wsgi_tally_row_of(request);
    unsigned i, sum = 0;

    if (row == NULL || row == &tally->rows[WSGI_TALLY_ROWS])
        return 0;
    for (i = 0; i < WSGI_TALLY_CHILDREN; i++) {
        const wsgi_tally_child *child = &tally->children[i];
        unsigned busy =
            __atomic_load_n(&child->busy[row - tally->rows], __ATOMIC_RELAXED);

        if (busy > 0 && child->pid != 0 && !wsgi_tally_is_dead(child->pid))
            sum += busy;
    }
    return sum;
}

unsigned wsgi_crowd_refuse(const wsgi_request *request)
{
    wsgi_tally_row *row = wsgi_tally_row_of(request);
    int64_t now = (int64_t)wsgi_seconds(), told;

    if (row == NULL)
        return 1;
    __atomic_add_fetch(&row->refused, 1U, __ATOMIC_RELAXED);
    told = __atomic_load_n(&row->told_at, __ATOMIC_RELAXED);
    if ((told != 0 && now >= told && now - told < TELL_SECONDS) ||
        !__atomic_compare_exchange_n(&row->told_at, &told, now, 0,
                                     __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return 0;
    return __atomic_exchange_n(&row->refused, 0U, __ATOMIC_RELAXED);
}
