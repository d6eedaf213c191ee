/*
 * crowd.c - how many requests of an application wait for its processes in the
 * whole server, and how many were refused.
 */
#include "request.h"

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
        wsgi_atomic_add(&wsgi_tally_mine()->waiting[number],
                        (uint16_t)difference, WSGI_RELAXED);
}

long wsgi_crowd_count(const wsgi_request *request)
{
    long number = number_of(request);

    return number < 0
               ? -1
               : (long)wsgi_sibling_sum(wsgi_tally_memory(),
                                        offsetof(wsgi_tally_child, waiting) +
                                            (size_t)number * sizeof(uint16_t));
}

unsigned long long wsgi_crowd_refuse(const wsgi_request *request)
{
    wsgi_tally_row *row = wsgi_tally_row_of(request);

    return row != NULL ? wsgi_refusal_count(&row->crowded) : 1;
}
