/*
 * crowd.c - whether too many requests wait for the processes of an
 * application.
 *
 * A request waits from when it came, if no process was known to have a free
 * thread then, until its process says something. This counts those that run
 * and have said nothing, too. So what the processes have under way is taken
 * off.
 */
#include "trip.h"

#define MOST_WAITING 64 /* for each process there may be */

int wsgi_crowd_is_full(const wsgi_request *request, const wsgi_ask *ask,
                       const wsgi_crowd *crowd)
{
    long waiting;

    if (!crowd->waits)
        return 0;
    waiting = wsgi_crowd_count(request);
    if (waiting < 0)
        waiting = (long)crowd->of_child;
    return waiting >=
           (long)crowd->served + MOST_WAITING * (long)ask->processes;
}

void wsgi_crowd_begin(wsgi_trip *trip, const wsgi_crowd *crowd)
{
    trip->waits = crowd->waits || trip->connection->is_fresh;
    if (trip->waits)
        wsgi_crowd_wait(trip->request, 1);
}

void wsgi_crowd_end(wsgi_trip *trip)
{
    if (trip->waits)
        wsgi_crowd_wait(trip->request, -1);
    trip->waits = 0;
}

void wsgi_crowd_tell(const wsgi_request *request, const wsgi_ask *ask)
{
    unsigned long long refused = wsgi_crowd_refuse(request);

    if (refused > 0)
        wsgi_log(
            request, WSGI_ERROR,
            "MW0615: mod_wsgi.process '%s': all busy, queue full: refused "
            "%llu, since %u requests wait for each process",
            ask->name, refused, MOST_WAITING);
}
