/*
 * warm.c - a new process loads what its siblings have served, before it takes
 * requests.
 *
 * The loads are in a thread of their own, and the process waits for that
 * thread for a few seconds only. An application that does not load is left to
 * its first request, which logs why. One that has ended a process while it was
 * loaded is not loaded beforehand again.
 */
#include <errno.h>
#include <time.h>

#include "request/notes.h"
#include "run.h"
#include "wsgi/wsgi.h"

#define PATIENCE 5 /* seconds for all of them */
#define RECENT 600 /* seconds since an application was used */
#define MOST WSGI_NOTES_MOST

/* The copies live as long as the process: a load may outlast the wait. */
static wsgi_tally_recall chosen[MOST];
static unsigned count;
static struct timespec until;
static wsgi_semaphore done;
static void (*note)(const wsgi_tally_recall *which);
static void (*tell)(void);

static int is_late(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return wsgi_process_is_ending() || now.tv_sec >= until.tv_sec;
}

/* Loads in the interpreter in which a request would run. */
static void load_in(const wsgi_request *request, const wsgi_settings *settings)
{
    wsgi_visit visit;

    if (wsgi_visit_enter(&visit, request, settings) != 0)
        return;
    wsgi_script_find(&visit, settings);
    if (settings->reload)
        wsgi_reload_watch(&visit, settings);
    wsgi_visit_leave(&visit);
    wsgi_visit_done(&visit);
}

static void load(const wsgi_tally_recall *which)
{
    wsgi_request request;
    wsgi_decision decision;

    note(which);
    if (wsgi_recall_get(which, &request) == 0 &&
        wsgi_decide(&request, &decision) == 0 &&
        decision.settings.process == NULL &&
        wsgi_limits_apply(&request, &decision.settings) == 0)
        load_in(&request, &decision.settings);
    note(NULL);
}

static void *load_all(void *unused)
{
    unsigned i;

    (void)unused;
    for (i = 0; i < count && !is_late(); i++)
        load(&chosen[i]);
    tell();
    return NULL;
}

/* Returns 0, or an errno. */
static int begin(int seconds)
{
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += seconds;
    return wsgi_process_add_thread(load_all, NULL, 0);
}

/* ---- A child of the server ---------------------------------------------- */

static void wake(void)
{
    wsgi_semaphore_post(&done);
}

void wsgi_warm(void)
{
    if (wsgi_process_is_shared() || wsgi_process_given.refusal != NULL)
        return;
    count = wsgi_tally_recall_most(chosen, MOST, RECENT);
    if (count == 0)
        return;
    note = wsgi_tally_note_loading;
    tell = wake;
    wsgi_semaphore_make(&done);
    if (begin(PATIENCE) == 0)
        while (wsgi_semaphore_wait_until(&done, &until) < 0 && errno == EINTR)
            ;
}

/* ---- A process of applications ------------------------------------------ */

int wsgi_warm_begin(int seconds, void (*told)(void))
{
    count = wsgi_notes_take(chosen, RECENT);
    note = wsgi_notes_note_loading;
    tell = told;
    return count > 0 && begin(seconds) == 0 ? 0 : -1;
}
