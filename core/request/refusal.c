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
    uint64_t told = __atomic_load_n(&refusals->told, __ATOMIC_RELAXED);

    return (told == 0 || now < told || now - told >= TOLD_SECONDS) &&
           __atomic_compare_exchange_n(&refusals->told, &told, now, 0,
                                       __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

unsigned long long wsgi_refusal_count(wsgi_tally_refusals *refusals)
{
    __atomic_add_fetch(&refusals->all, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&refusals->untold, 1, __ATOMIC_RELAXED);
    return is_due(refusals)
               ? __atomic_exchange_n(&refusals->untold, 0, __ATOMIC_RELAXED)
               : 0;
}
