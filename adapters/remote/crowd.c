/*
 * crowd.c - whether too many requests wait for the processes of an
 * application.
 *
 * Nobody counts those that wait. They are what is under way in the server's
 * processes and not, as the board says, in the application's.
 */
#include "trip.h"

#define MOST_WAITING 64 /* for each process there may be */

int wsgi_crowd_is_full(const wsgi_request *request, const wsgi_ask *ask,
                       const wsgi_crowd *crowd)
{
    unsigned under_way;

    if (!crowd->waits)
        return 0;
    under_way = wsgi_crowd_count(request);
    if (under_way < crowd->of_child)
        under_way = crowd->of_child;
    return under_way > crowd->served + MOST_WAITING * ask->processes;
}

void wsgi_crowd_tell(const wsgi_request *request, const wsgi_ask *ask)
{
    unsigned refused = wsgi_crowd_refuse(request);

    if (refused > 0)
        wsgi_log(
            request, WSGI_ERROR,
            "MW0615: mod_wsgi.process '%s': all busy, queue full: refused "
            "%u, since %u requests wait for each process",
            ask->name, refused, MOST_WAITING);
}
