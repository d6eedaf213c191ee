/*
 * refusal.c - counts the requests that are refused for one reason. Once a
 * minute the log is to tell how many there were.
 */
#include "request.h"

#define TOLD_SECONDS 60

/* Whether a line is due, which is so for one caller. */
static int is_due(wsgi_tally_refusals *refusals)
{
    uint64_t now = (uint64_t)wsgi_seconds() + 1;
    uint64_t told = wsgi_atomic_load(&refusals->told, WSGI_RELAXED);

    return (told == 0 || now < told || now - told >= TOLD_SECONDS) &&
           wsgi_atomic_swap(&refusals->told, &told, now, WSGI_RELAXED,
                            WSGI_RELAXED);
}

unsigned long long wsgi_refusal_count(wsgi_tally_refusals *refusals)
{
    wsgi_atomic_add(&refusals->all, 1, WSGI_RELAXED);
    wsgi_atomic_add(&refusals->untold, 1, WSGI_RELAXED);
    return is_due(refusals)
               ? wsgi_atomic_exchange(&refusals->untold, 0, WSGI_RELAXED)
               : 0;
}
