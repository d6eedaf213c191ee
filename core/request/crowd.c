/*
 * crowd.c - how many requests of an application wait for its processes in the
 * whole server, and how many were refused.
 */
#include "request.h"

#define TELL_SECONDS 60

/* The number of the application's row, or -1: it has none to itself. */
static long number_of(const wsgi_request *request)
{
    const wsgi_tally *tally = wsgi_tally_memory();
    const wsgi_tally_row *row = wsgi_tally_row_of(request);

    if (row == NULL || row == &tally->rows[WSGI_TALLY_ROWS] ||
        wsgi_tally_mine() == NULL)
        return -1;
    return row - tally->rows;
}

void wsgi_crowd_wait(const wsgi_request *request, int difference)
{
    long number = number_of(request);

    if (number >= 0)
        __atomic_add_fetch(&wsgi_tally_mine()->waiting[number],
                           (uint16_t)difference, __ATOMIC_RELAXED);
}

long wsgi_crowd_count(const wsgi_request *request)
{
    const wsgi_tally *tally = wsgi_tally_memory();
    long number = number_of(request), sum = 0;
    unsigned i;

    for (i = 0; number >= 0 && i < WSGI_TALLY_CHILDREN; i++) {
        const wsgi_tally_child *child = &tally->children[i];
        unsigned waiting =
            __atomic_load_n(&child->waiting[number], __ATOMIC_RELAXED);

        if (waiting > 0 && child->pid != 0 && !wsgi_tally_is_dead(child->pid))
            sum += waiting;
    }
    return number >= 0 ? sum : -1;
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
