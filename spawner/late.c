/*
 * late.c - kills processes that do not end, or do not get ready, in time.
 *
 * A process that drains ends after its requests. Neither these nor what the
 * application does at its end may take for ever.
 */
#include <signal.h>
#include <stdio.h>

#include "spawner.h"

/* Milliseconds: to get ready; to end after the last request, of which an
   application has five seconds; and for requests, beyond the timeout of one.
 */
#define TIME_TO_START 60000
#define TIME_TO_STOP 6000
#define TIME_TO_DRAIN 5000

/* A process that ends closes its pipe of news, and is gone soon after that. In
   so many milliseconds, unless the closing of a file waits. */
#define TIME_TO_DIE 1000

#define STANDARD_TIMEOUT 300 /* seconds, where there is no timeout */

/* In a group, however few processes it may have: a swap needs one more. */
#define LEAST_DRAINING 8

static void kill_now(wsgi_worker *worker, const char *why)
{
    if (worker->is_killed)
        return;
    worker->is_killed = 1;
    kill(worker->pid, SIGKILL);
    wsgi_log_say(worker->group->log, WSGI_LOG_ERROR,
                 "MW0708: process %ld of %s %s: it is killed",
                 (long)worker->pid, worker->group->title, why);
}

/* How long a process may drain: in milliseconds. */
static long long time_to_drain(const wsgi_group *group)
{
    long long timeout = group->ask.timeout;

    return (timeout > 0 ? timeout : STANDARD_TIMEOUT) * 1000 + TIME_TO_DRAIN;
}

static void kill_draining(wsgi_worker *worker, long long now)
{
    long long most = time_to_drain(worker->group);
    char why[100];

    if (worker->slot < 0 || wsgi_worker_busy(worker) > 0)
        worker->quiet_since = now;
    if (worker->hangs_since != 0 &&
        now - worker->hangs_since >= WSGI_LATE_HANGING) {
        kill_now(worker, "hangs");
    } else if (now - worker->drained_at >= most) {
        snprintf(why, sizeof why, "has not ended its requests in %lld s",
                 most / 1000);
        kill_now(worker, why);
    } else if (now - worker->quiet_since >= TIME_TO_STOP) {
        kill_now(worker, "does not end, though it has no request");
    }
}

/* Kills the one that was told first, if too many drain. */
static void kill_first(const wsgi_group *group)
{
    wsgi_worker *worker, *first = NULL;
    unsigned draining = 0, most = group->ask.processes;

    for (worker = group->workers; worker != NULL; worker = worker->next)
        if (worker->is_draining && !worker->is_killed) {
            draining++;
            if (first == NULL || worker->drained_at < first->drained_at)
                first = worker;
        }
    if (draining > (most > LEAST_DRAINING ? most : LEAST_DRAINING))
        kill_now(first, "is one too many of those that end");
}

void wsgi_late_kill(const wsgi_group *group, long long now, int all)
{
    wsgi_worker *worker;

    for (worker = group->workers; worker != NULL; worker = worker->next)
        if (all)
            kill_now(worker, "does not end, as the server does");
        else if (worker->is_draining)
            kill_draining(worker, now);
        else if (!worker->is_ready && now - worker->started >= TIME_TO_START)
            kill_now(worker, "does not get ready");
    kill_first(group);
}

int wsgi_late_is_lost(const wsgi_worker *worker, long long now)
{
    return worker->mute_since != 0 && !worker->is_draining &&
           now - worker->mute_since >= TIME_TO_DIE;
}

int wsgi_late_any(const wsgi_group *group)
{
    const wsgi_worker *worker;

    for (worker = group->workers; worker != NULL; worker = worker->next)
        if (worker->is_draining || !worker->is_ready ||
            worker->mute_since != 0)
            return 1;
    return 0;
}
