/*
 * group.c - the processes of one user that share a name.
 *
 * Connections wait here until a process can take them. After a restart of the
 * server a group's processes are old: they end as soon as a fresh one is
 * ready.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spawner.h"

#define LOOK_AGAIN 10       /* milliseconds, while connections wait */
#define LOOK_IF_ENDED 100   /* milliseconds, while all is to end */
#define LOOK_IF_LATE 1000   /* milliseconds, while processes start or end */
#define LOOK_SELDOM 3600000 /* milliseconds, at most */

/* Seconds in which a process may load applications before it is ready, while
   connections may wait for it, and while others serve. */
#define PATIENCE 5
#define LONG_PATIENCE 30

#define SWAP_ALONE 2000 /* milliseconds in which no other group is swapped */
#define KEEP 600000   /* milliseconds: the board of a group without process */
#define MOST_KEPT 64  /* of these groups: each has descriptors open */
#define MOST_DEAD 256 /* groups that are kept for their count of deaths */

static wsgi_group *groups;
static long long kill_at; /* 0: the end has not begun */

/* ---- Finding a group -------------------------------------------------- */

static int is_for(const wsgi_group *group, const wsgi_ask *ask, int is_bounded)
{
    return group->is_bounded == is_bounded &&
           strcmp(group->ask.user, ask->user) == 0 &&
           strcmp(group->ask.python, ask->python) == 0 &&
           strcmp(group->ask.name, ask->name) == 0 &&
           group->ask.is_customer == ask->is_customer;
}

static wsgi_group *add(const wsgi_ask *ask, int is_bounded)
{
    wsgi_group *group = calloc(1, sizeof *group);

    if (group == NULL)
        return NULL;
    snprintf(group->title, sizeof group->title, "%s/%s", ask->user, ask->name);
    wsgi_board_open(&group->board);
    group->is_bounded = is_bounded;
    group->next = groups;
    groups = group;
    return group;
}

/* Returns NULL if there is none. */
static wsgi_group *find(const wsgi_ask *ask, int is_bounded)
{
    wsgi_group *group = groups;

    while (group != NULL && !is_for(group, ask, is_bounded))
        group = group->next;
    return group;
}

static void set_log(wsgi_group *group, int log)
{
    wsgi_log_close(group->log);
    group->log = log >= 0 ? wsgi_log_open(log) : NULL;
}

/* Frees groups that have nothing. What the processes of a group have noted for
   those that begin after them stays for some minutes. */
static void forget_empty(long long now)
{
    wsgi_group **at = &groups, *group;
    unsigned kept = 0, dead = 0;

    while ((group = *at) != NULL)
        if (group->workers == NULL && group->waiting_count == 0 &&
            group->refused_until <= now &&
            (group->kept_until <= now || ++kept > MOST_KEPT) &&
            (!wsgi_pace_is_counting(group, now) || ++dead > MOST_DEAD)) {
            *at = group->next;
            wsgi_log_close(group->log);
            wsgi_board_close(&group->board);
            free(group);
        } else {
            at = &group->next;
        }
}

/* ---- Serving ---------------------------------------------------------- */

static void give(wsgi_worker *worker, int connection)
{
    if (wsgi_worker_give(worker, connection) < 0)
        wsgi_worker_drain(worker); /* it does not read: it may be gone */
    close(connection);
}

static int patience_of(const wsgi_group *group)
{
    if (group->is_cold || !group->has_notes)
        return 0;
    return wsgi_swap_has_old(group) ? LONG_PATIENCE : PATIENCE;
}

/* Returns 0, or -1 when those that wait have been refused. */
static int start_another(wsgi_group *group)
{
    wsgi_report report = {.status = 503};
    wsgi_worker *worker = wsgi_worker_start(group, patience_of(group),
                                            report.text, sizeof report.text);

    group->wants_swap = group->wants_another = 0;
    group->begun++;
    if (worker == NULL) {
        wsgi_log_say(group->log, WSGI_LOG_ERROR, "MW0706: %s", report.text);
        group->refused = report;
        wsgi_queue_refuse(group);
        return -1;
    }
    worker->next = group->workers;
    group->workers = worker;
    return 0;
}

/* Whether another process may start. If the limits forbid it and the group has
   none, those that wait are refused. */
static int may_start(wsgi_group *group, const wsgi_census *found)
{
    wsgi_report report;

    if (kill_at != 0 || found->all >= group->ask.processes ||
        !wsgi_pace_may_start(group, found->starting, wsgi_loop_now()))
        return 0;
    if (wsgi_room_make(group, &report) == 0)
        return 1;
    if (found->all == 0 && found->idlest == NULL) {
        group->refused = report;
        wsgi_queue_refuse(group);
    }
    return 0;
}

/* Hands over as many of the waiting connections as can be. */
static void serve(wsgi_group *group)
{
    wsgi_census found;
    int is_free;

    while (group->waiting_count > 0) {
        found = wsgi_census_count(group);
        is_free = found.idlest != NULL && found.busy < group->ask.threads;
        if (!is_free && may_start(group, &found)) {
            if (start_another(group) < 0)
                return;
            continue;
        }
        if (!is_free && (found.idlest == NULL || found.starting > 0))
            return;
        give(found.idlest, wsgi_queue_take(group));
    }
}

/* Starts a process in place of the last one, if that has died. While those who
   ask are refused, the next request that is not does it. */
static void replace(wsgi_group *group, long long now)
{
    wsgi_census found = wsgi_census_count(group);

    if (found.all > 0 || group->refused_until > now)
        group->wants_another = 0;
    if (!group->wants_another || wsgi_pace_is_paused(group, now))
        return;
    group->wants_another = 0;
    if (may_start(group, &found))
        start_another(group);
}

void wsgi_group_ask(const wsgi_ask *ask, int is_bounded, int connection,
                    int log)
{
    wsgi_group *group = find(ask, is_bounded);

    if (group == NULL)
        group = add(ask, is_bounded);
    if (group == NULL) {
        close(connection);
        if (log >= 0)
            close(log);
        return;
    }
    group->ask = *ask;
    if (is_bounded)
        wsgi_ceilings_apply(&wsgi_spawner_is.ceilings, &group->ask);
    set_log(group, log);
    if (group->refused_until > wsgi_loop_now() && wsgi_census_is_none(group)) {
        wsgi_queue_refuse_one(group, connection);
        close(connection);
        return;
    }
    wsgi_queue_put(group, connection);
    serve(group);
}

/* ---- Processes that do not answer ------------------------------------- */

/* The processes of one group only: those of others are not the asker's. */
void wsgi_group_replace(const wsgi_ask *ask, int is_bounded)
{
    wsgi_group *group = find(ask, is_bounded);
    wsgi_worker *worker = group != NULL ? group->workers : NULL;
    wsgi_report report;
    int was_draining;

    while (worker != NULL && worker->pid != (pid_t)ask->process)
        worker = worker->next;
    if (worker == NULL || worker->is_killed || worker->hangs_since != 0)
        return;
    was_draining = worker->is_draining;
    wsgi_log_say(group->log, WSGI_LOG_ERROR,
                 "MW0740: process %ld of %s has a request without progress: "
                 "it is replaced, and killed in %d s",
                 (long)worker->pid, group->title, WSGI_LATE_HANGING / 1000);
    wsgi_worker_give_up(worker);
    if (!was_draining && kill_at == 0 &&
        wsgi_census_count(group).all < group->ask.processes &&
        wsgi_room_make(group, &report) == 0)
        start_another(group);
}

/* ---- Old processes ---------------------------------------------------- */

void wsgi_group_worker_ready(wsgi_worker *worker)
{
    wsgi_group *group = worker->group;

    if (worker->is_old || worker->is_draining)
        return;
    group->is_cold = 0;
    group->has_notes = 1;
    wsgi_swap_drain_old(group,
                        wsgi_census_count(group).all >= group->ask.processes);
    group->wants_swap = wsgi_swap_has_old(group);
    serve(group);
}

/* A process that is not ready is old if what it loads may be wrong now: its
   files may have been changed before the restart, and its settings. */
static void restart(wsgi_group *group)
{
    wsgi_worker *worker;

    set_log(group, -1); /* the server has opened its logs again */
    wsgi_pace_forgive(group);
    group->too_large = 0;
    for (worker = group->workers; worker != NULL; worker = worker->next)
        if (worker->is_ready || worker->patience > 0 ||
            worker->configuration != wsgi_spawner_is.configuration)
            worker->is_old = group->wants_swap = 1;
    if (wsgi_swap_is_used(group))
        return;
    wsgi_swap_drain_old(group, 1);
    group->wants_swap = 0;
}

void wsgi_group_restart(void)
{
    wsgi_group *group;

    for (group = groups; group != NULL; group = group->next)
        restart(group);
}

/* Whether a process has just begun that is not ready. */
static int is_starting(const wsgi_group *group, long long now)
{
    const wsgi_worker *worker;

    for (worker = group->workers; worker != NULL; worker = worker->next)
        if (!worker->is_ready && now - worker->started < SWAP_ALONE)
            return 1;
    return 0;
}

/* The group that waits longest for a fresh process, and was not looked at by
   now; or NULL. */
static wsgi_group *next_to_swap(long long now)
{
    wsgi_group *group, *next = NULL;

    for (group = groups; group != NULL; group = group->next)
        if (group->wants_swap && wsgi_swap_has_old(group) &&
            group->swapped_at < now &&
            (next == NULL || group->swapped_at < next->swapped_at))
            next = group;
    return next;
}

/* Starts a fresh process for one group at a time. An application that takes
   long to load does not hold up the groups of others, nor does one that wants
   a fresh one again and again. */
static void swap_next(long long now)
{
    wsgi_group *group;
    wsgi_report report;

    for (group = groups; group != NULL; group = group->next)
        if (wsgi_swap_has_old(group) && is_starting(group, now))
            return;
    while ((group = next_to_swap(now)) != NULL) {
        group->swapped_at = now;
        if (wsgi_room_make(group, &report) < 0)
            continue;
        if (start_another(group) < 0)
            wsgi_swap_keep_old(group);
        return;
    }
}

/* ---- The end ---------------------------------------------------------- */

/* A process that has died while it loaded applications. Those that wait, and
   the group's other applications, are to have one that loads none. */
static int is_retried(wsgi_group *group, const wsgi_worker *worker)
{
    if (worker->is_ready || worker->patience == 0 ||
        worker->report.status != 0 || kill_at != 0)
        return 0;
    group->is_cold = 1;
    return wsgi_census_count(group).all > 0 || start_another(group) == 0;
}

/* A process has ended by itself, or will. */
static void fail(wsgi_group *group, const wsgi_worker *worker,
                 const char *cause)
{
    long long now = wsgi_loop_now();

    if (is_retried(group, worker))
        return;
    wsgi_cause_refuse(group, worker, cause);
    if (worker->report.status == 0)
        wsgi_pace_note_end(group, worker, 1, now);
    if (!worker->is_ready && wsgi_census_count(group).all == 0)
        wsgi_swap_keep_old(group);
    if (wsgi_census_is_none(group) &&
        (!worker->is_ready || group->refused_until > now))
        wsgi_queue_refuse(group);
}

static void bury(wsgi_group *group, wsgi_worker *worker, int status)
{
    long long now = wsgi_loop_now();
    int is_death = !worker->is_draining &&
                   (!worker->is_ready || !worker->is_killed);
    char cause[100];

    wsgi_worker_read_rest(worker);
    wsgi_cgroup_look(group);
    wsgi_cause_describe(cause, sizeof cause, worker, status);
    if ((status != 0 || !worker->is_draining) && !worker->is_killed &&
        worker->report.status == 0)
        wsgi_log_say(group->log, WSGI_LOG_ERROR,
                     "MW0707: process %ld of %s: %s", (long)worker->pid,
                     group->title, cause);
    if (worker->is_ready)
        group->kept_until = now + KEEP;
    if (is_death && worker->is_ready && worker->given > 0)
        group->wants_another = 1;
    if (is_death)
        fail(group, worker, cause);
    else
        wsgi_pace_note_end(group, worker, 0, now);
    serve(group);
    replace(group, now);
    wsgi_worker_free(worker);
}

/* A process lives on without the pipe through which it speaks to this program.
   For those who ask, and for the next one, that is a death. */
static void lose(wsgi_group *group, wsgi_worker *worker, long long now)
{
    char cause[64];

    snprintf(cause, sizeof cause, "it has closed its descriptor %d",
             WSGI_NEWS_FD);
    wsgi_log_say(group->log, WSGI_LOG_ERROR,
                 "MW0755: process %ld of %s: %s, which is mod_wsgi's: it is "
                 "replaced, and killed in %d s",
                 (long)worker->pid, group->title, cause,
                 WSGI_LATE_HANGING / 1000);
    wsgi_worker_give_up(worker);
    group->wants_another = worker->is_ready && worker->given > 0;
    fail(group, worker, cause);
    serve(group);
    replace(group, now);
}

static void lose_those_without_news(wsgi_group *group, long long now)
{
    wsgi_worker *worker;

    for (worker = group->workers; worker != NULL; worker = worker->next)
        if (wsgi_late_is_lost(worker, now))
            lose(group, worker, now);
}

void wsgi_group_reap(pid_t pid, int status)
{
    wsgi_group *group;
    wsgi_worker **at, *worker;

    for (group = groups; group != NULL; group = group->next)
        for (at = &group->workers; (worker = *at) != NULL; at = &worker->next)
            if (worker->pid == pid) {
                *at = worker->next;
                bury(group, worker, status);
                return;
            }
}

void wsgi_group_end(int milliseconds)
{
    wsgi_report report = {.status = 503, .text = "the server ends"};
    wsgi_group *group;
    wsgi_worker *worker;

    kill_at = wsgi_loop_now() + milliseconds;
    for (group = groups; group != NULL; group = group->next) {
        group->wants_swap = 0;
        group->refused = report;
        wsgi_queue_refuse(group);
        for (worker = group->workers; worker != NULL; worker = worker->next)
            wsgi_worker_drain(worker);
    }
}

/* When to look again, in milliseconds; -1: when something happens. idle: when
   wsgi_idle_end has something to do. */
static int pause_of(const wsgi_group *group, long long now, long long idle)
{
    if (group->waiting_count > 0)
        return LOOK_AGAIN;
    if (kill_at != 0 || group->wants_another)
        return LOOK_IF_ENDED;
    if (group->workers == NULL) /* forget_empty */
        idle = group->kept_until > now ? group->kept_until - now
                                       : WSGI_QUEUE_PAUSE;
    else if (wsgi_late_any(group) && (idle < 0 || idle > LOOK_IF_LATE))
        idle = LOOK_IF_LATE;
    return idle < LOOK_SELDOM ? (int)idle : LOOK_SELDOM;
}

wsgi_group *wsgi_group_first(void)
{
    return groups;
}

int wsgi_group_any(void)
{
    const wsgi_group *group;

    for (group = groups; group != NULL; group = group->next)
        if (group->workers != NULL)
            return 1;
    return 0;
}

int wsgi_group_tick(void)
{
    long long now = wsgi_loop_now();
    wsgi_group *group;
    int pause = -1, its;

    if (kill_at == 0)
        swap_next(now);
    for (group = groups; group != NULL; group = group->next) {
        lose_those_without_news(group, now);
        wsgi_late_kill(group, now, kill_at != 0 && now >= kill_at);
        serve(group);
        replace(group, now);
        its = pause_of(group, now,
                       kill_at == 0 ? wsgi_idle_end(group, now) : -1);
        if (pause < 0 || (its >= 0 && its < pause))
            pause = its;
    }
    forget_empty(now);
    return pause;
}
