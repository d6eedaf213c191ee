/*
 * patience.c - how long a request waits for its process (mod_wsgi.timeout).
 *
 * The time is the application's: while it does nothing for its client. It
 * begins again with each frame but a line for the log. Waits for the client
 * are between frames, and do not count.
 */
#include "trip.h"

int wsgi_patience_is_over(wsgi_trip *trip)
{
    if (trip->ask.timeout == 0)
        return 0;
    if (trip->waits_since != 0)
        return wsgi_tally_now() - trip->waits_since >=
               trip->ask.timeout * UINT64_C(1000000);
    trip->waits_since = wsgi_tally_now();
    return 0;
}

void wsgi_patience_end(const wsgi_trip *trip, int is_unread)
{
    const char *uri = trip->request->uri;
    unsigned seconds = trip->ask.timeout;

    if (trip->stage == WSGI_TRIP_SENT && is_unread &&
        wsgi_group_is_full(trip->connection)) {
        wsgi_obey_complain(trip, "MW0621",
                           "has not begun %s within %u s (mod_wsgi.timeout): "
                           "all of its threads are busy with other requests",
                           uri, seconds);
        return;
    }
    wsgi_obey_complain(trip, "MW0620",
                       "has sent nothing for %u s (mod_wsgi.timeout), serving "
                       "%s: it is replaced",
                       seconds, uri);
    wsgi_asking_tell_overdue(&trip->ask, trip->connection);
}
