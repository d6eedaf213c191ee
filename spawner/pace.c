/*
 * pace.c - when a group may start another process.
 *
 * While processes live, one, two, four ... more may start in a second. When
 * they die as soon as they have begun, the next one begins after 1, 2, 4 ...
 * 64 s, and those who ask meanwhile are told why.
 */
#include <stdio.h>

#include "spawner.h"

#define MOST_IN_A_SECOND 32

/* Milliseconds in which a process that starts is waited for. One that takes
   longer does not keep others from starting. */
#define USUAL_START 6000

/* A process that dies so soon may do so again: milliseconds. */
#define SOON 10000

#define MOST_DOUBLED 6 /* 64 s */
#define COUNTED 128000 /* milliseconds: deaths of a group without process */

/* ---- The rate ----------------------------------------------------------- */

/* The number doubles with each second in which as many were wanted. */
static unsigned rate_of(wsgi_group *group, long long now)
{
    long long age = now - group->second;

    if (age >= 2000 || group->rate == 0)
        group->rate = 1;
    else if (age >= 1000 && group->begun >= group->rate &&
             group->rate < MOST_IN_A_SECOND)
        group->rate *= 2;
    if (age >= 1000) {
        group->second = now;
        group->begun = 0;
    }
    return group->rate;
}

int wsgi_pace_helps(const wsgi_worker *worker, long long now)
{
    return !worker->is_ready && now - worker->started < USUAL_START;
}

int wsgi_pace_is_paused(const wsgi_group *group, long long now)
{
    return now < group->refused_until || now < group->not_before;
}

int wsgi_pace_may_start(wsgi_group *group, unsigned starting, long long now)
{
    unsigned rate = rate_of(group, now);

    return !wsgi_pace_is_paused(group, now) &&
           (starting == 0 ||
            (starting * group->ask.threads < group->waiting_count &&
             group->begun < rate));
}

/* ---- Deaths ------------------------------------------------------------- */

/* Whether it has lived, and began after the last early death. */
static int is_well(const wsgi_worker *worker, long long now)
{
    return worker->is_ready && worker->started >= worker->group->died_at &&
           now - worker->ready_at >= SOON;
}

static int has_recovered(const wsgi_group *group, long long now)
{
    const wsgi_worker *worker;

    for (worker = group->workers; worker != NULL; worker = worker->next)
        if (is_well(worker, now))
            return 1;
    return 0;
}

/* Whether it has answered a request, as far as is known. What has killed it is
   not its start then. */
static int has_served(const wsgi_worker *worker)
{
    return worker->told_used != 0 ||
           wsgi_board_used(&worker->group->board, worker->slot) != 0;
}

static void refuse_for(wsgi_group *group, unsigned doubled, long long now)
{
    if (doubled > MOST_DOUBLED)
        doubled = MOST_DOUBLED;
    group->refused_until = now + (1000LL << doubled);
    if (doubled > 0)
        wsgi_log_say(group->log, WSGI_LOG_ERROR,
                     "MW0720: %u processes of %s have died soon after their "
                     "start, one after the other: the next one starts in %d s",
                     group->deaths, group->title, 1 << doubled);
}

static void note_early_death(wsgi_group *group, const wsgi_worker *worker,
                             long long now)
{
    if (has_recovered(group, now))
        group->deaths = 0;
    group->deaths++;
    group->died_at = now;
    if (!worker->is_ready)
        refuse_for(group, group->deaths - 1, now);
    else if (group->deaths > 1)
        refuse_for(group, group->deaths - 2, now);
}

void wsgi_pace_note_end(wsgi_group *group, const wsgi_worker *worker,
                        int is_death, long long now)
{
    int is_early = !worker->is_ready || now - worker->started < SOON;

    if (!is_early && is_well(worker, now))
        group->deaths = 0;
    else if (is_death && is_early && has_served(worker))
        group->not_before = worker->started + 1000;
    else if (is_death && is_early)
        note_early_death(group, worker, now);
}

int wsgi_pace_is_counting(const wsgi_group *group, long long now)
{
    return group->deaths > 0 && now < group->died_at + COUNTED;
}

void wsgi_pace_forgive(wsgi_group *group)
{
    group->refused_until = group->not_before = 0;
    group->deaths = 0;
}

int wsgi_pace_seconds(const wsgi_group *group, long long now)
{
    long long left = group->refused_until - now;

    return left > 1000 ? (int)((left + 999) / 1000) : 1;
}
