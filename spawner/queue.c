/*
 * queue.c - connections that wait for a process of their group.
 */
#include <unistd.h>

#include "spawner.h"

#define MOST_WAITING 64 /* connections, for each process there may be */
#define ROOM (sizeof((wsgi_group *)0)->waiting / sizeof(int))

int wsgi_queue_take(wsgi_group *group)
{
    int connection = group->waiting[group->first_waiting];

    group->first_waiting = (group->first_waiting + 1) % ROOM;
    group->waiting_count--;
    return connection;
}

void wsgi_queue_put(wsgi_group *group, int connection)
{
    if (group->waiting_count >= MOST_WAITING * group->ask.processes) {
        wsgi_packet_refuse(connection, 503, 1,
                           "all busy, queue full: 64 requests wait for each "
                           "process");
        close(connection);
        return;
    }
    group->waiting[(group->first_waiting + group->waiting_count) % ROOM] =
        connection;
    group->waiting_count++;
}

void wsgi_queue_refuse_one(const wsgi_group *group, int connection)
{
    const wsgi_report *report = &group->refused;
    int seconds = wsgi_pace_seconds(group, wsgi_loop_now());

    wsgi_packet_refuse(connection, report->status,
                       report->status == 503 ? seconds : 0, report->text);
}

void wsgi_queue_refuse(wsgi_group *group)
{
    long long until = wsgi_loop_now() + WSGI_QUEUE_PAUSE;
    int connection;

    if (group->refused_until < until)
        group->refused_until = until;
    while (group->waiting_count > 0) {
        connection = wsgi_queue_take(group);
        wsgi_queue_refuse_one(group, connection);
        close(connection);
    }
}
