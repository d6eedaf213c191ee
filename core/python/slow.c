/*
 * slow.c - watches requests that may take long: logs where one is
 * (mod_wsgi.slow), or what else is to be done then (overdue.c).
 *
 * A thread, the watcher, sleeps until a request has taken too long. It exists
 * only while requests have the setting, and ends when it wakes and finds none.
 * It never waits for Python's lock, which such a request may hold. For each
 * request that it finds, it starts another thread that logs the request. That
 * thread waits for the lock only after the first line.
 */
#include <pthread.h>

#include "reports.h"

#define STACK_SIZE 262144
#define AGAIN 1000 /* ms until another attempt, when there was no thread */

/* Guards the list. Nobody waits for Python's lock while holding this one. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER; /* for the watcher */
static pthread_cond_t told = PTHREAD_COND_INITIALIZER;

/* All under the lock. */
static wsgi_slow *first;
static int has_watcher;
static long long wakes_at; /* when the watcher does, in milliseconds */

static long long now(void)
{
    return (long long)(wsgi_tally_now() / 1000U);
}

/* ---- A request that is slow ------------------------------------------- */

void wsgi_slow_tell_stack(const wsgi_slow *s)
{
    PyObject *texts = wsgi_errors_stack(s->state, s->thread);

    if (texts == NULL)
        wsgi_log(s->request, WSGI_WARNING,
                 "MW0514: no Python code of %s runs now: its response waits "
                 "for the client, or has just ended",
                 s->request->uri);
    wsgi_errors_log(s->request, WSGI_WARNING, texts);
    Py_XDECREF(texts);
}

static void tell_stack(void *arg)
{
    wsgi_slow_tell_stack(arg);
}

static long tell(wsgi_slow *s)
{
    wsgi_log(s->request, WSGI_WARNING,
             "MW0513: %s takes longer than %ld s, in '%s' of the interpreter "
             "'%s'. The request is here:",
             s->request->uri, s->seconds, s->application, s->interp->shown);
    wsgi_thread_call_in(s->interp, tell_stack, s);
    return 0;
}

/* ---- The watcher, with the lock --------------------------------------- */

/* The request that is to be logged next, or NULL. */
static wsgi_slow *find_next(void)
{
    wsgi_slow *s, *next = NULL;

    for (s = first; s != NULL; s = s->next)
        if (!s->is_told && (next == NULL || s->due < next->due))
            next = s;
    return next;
}

static void *watch(void *unused);

/* Sees that there is a watcher, and that it wakes in time. */
static void see_to(const wsgi_slow *s)
{
    if (!has_watcher)
        has_watcher = wsgi_process_add_thread(watch, NULL, STACK_SIZE) == 0;
    else if (s->due < wakes_at)
        pthread_cond_signal(&changed);
}

/* In a thread of its own, without the lock. */
static void *act(void *arg)
{
    wsgi_slow *s = arg;
    long again = s->act(s);

    pthread_mutex_lock(&lock);
    s->is_used = 0;
    if (again > 0) {
        s->is_told = 0;
        s->due = now() + again;
        see_to(s);
    }
    pthread_cond_broadcast(&told);
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void start_acting(wsgi_slow *s)
{
    s->is_told = s->is_used = 1;
    if (wsgi_process_add_thread(act, s, STACK_SIZE) == 0)
        return;
    s->is_told = s->is_used = 0;
    s->due += AGAIN;
}

static void sleep_until(long long due)
{
    long long left = due - now();
    struct timespec until;

    if (left <= 0)
        return;
    until = wsgi_from_now((long)(left % 1000) * WSGI_MS);
    until.tv_sec += (time_t)(left / 1000);
    wakes_at = due;
    pthread_cond_timedwait(&changed, &lock, &until);
}

static void *watch(void *unused)
{
    wsgi_slow *s;

    (void)unused;
    pthread_mutex_lock(&lock);
    while (!wsgi_process_is_ending() && (s = find_next()) != NULL)
        if (s->due > now())
            sleep_until(s->due);
        else if (s->is_quiet == NULL || s->is_quiet(s, now()))
            start_acting(s);
    has_watcher = 0;
    pthread_mutex_unlock(&lock);
    return NULL;
}

/* ---- Requests --------------------------------------------------------- */

void wsgi_slow_watch(wsgi_slow *s, const wsgi_visit *visit,
                     const wsgi_settings *settings)
{
    s->place = &first;
    s->request = visit->request;
    s->interp = visit->slot->interp;
    s->application = settings->application != NULL ? settings->application
                                                   : visit->request->filename;
    s->state = PyThreadState_Get();
    s->thread = (unsigned long)PyThread_get_thread_ident();
    s->due += now();
    pthread_mutex_lock(&lock);
    s->next = first;
    if (first != NULL)
        first->place = &s->next;
    first = s;
    see_to(s);
    pthread_mutex_unlock(&lock);
}

void wsgi_slow_begin(wsgi_slow *s, const wsgi_visit *visit,
                     const wsgi_settings *settings)
{
    *s = (wsgi_slow){.act = tell,
                     .seconds = settings->slow,
                     .due = settings->slow * 1000LL};
    wsgi_slow_watch(s, visit, settings);
}

static void wait_for_teller(const wsgi_slow *s)
{
    Py_BEGIN_ALLOW_THREADS
    pthread_mutex_lock(&lock);
    while (s->is_used)
        pthread_cond_wait(&told, &lock);
    pthread_mutex_unlock(&lock);
    Py_END_ALLOW_THREADS
}

void wsgi_slow_end(wsgi_slow *s)
{
    int is_used;

    pthread_mutex_lock(&lock);
    *s->place = s->next;
    if (s->next != NULL)
        s->next->place = s->place;
    is_used = s->is_used;
    pthread_mutex_unlock(&lock);
    if (is_used)
        wait_for_teller(s);
}
