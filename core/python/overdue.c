/*
 * overdue.c - gives up a request without progress in a process of the server
 * (mod_wsgi.timeout).
 *
 * Only the request's own thread may answer the client. So an exception is
 * raised there, which Python does between two instructions of its code. A
 * thread that waits in C code does not see it. The process ends then, after
 * its other requests.
 */
#include <unistd.h>

#include "reports.h"

#define LOOKS 4          /* at a request, within its time */
#define GRACE 5000       /* ms for the exception to end the request */
#define LEAST_PAUSE 250  /* ms */
#define LOOK_AT_END 1000 /* ms, while the process is to end */

static long pause_of(const wsgi_slow *s)
{
    long pause = s->seconds * 1000 / LOOKS;

    return pause > LEAST_PAUSE ? pause : LEAST_PAUSE;
}

/* A wait for the client is not the application's. */
static int is_quiet(wsgi_slow *s, long long now)
{
    wsgi_overdue *o = (wsgi_overdue *)s;
    unsigned steps = wsgi_atomic_load(o->steps, WSGI_RELAXED);

    if (o->is_raised)
        return 1;
    if (o->quiet_since == 0)
        o->quiet_since = now - pause_of(s);
    if (steps != o->seen || steps % 2 == 1)
        o->quiet_since = now;
    o->seen = steps;
    s->due = now + pause_of(s);
    return now - o->quiet_since >= s->seconds * 1000;
}

/* In the interpreter, with its lock. BaseException, since applications catch
   Exception. */
static void raise_there(void *arg)
{
    wsgi_overdue *o = arg;
    PyObject *type = PyErr_NewException((char *)"mod_wsgi.Timeout",
                                        PyExc_BaseException, NULL);

    wsgi_slow_tell_stack(&o->slow);
    o->is_raised = 1;
    if (type != NULL)
        wsgi_python_raise_in(o->slow.thread, type);
    Py_XDECREF(type);
    PyErr_Clear();
}

static int stuck_count; /* requests: atomic */

static void end_process(void)
{
    wsgi_tally_leave_child();
    _exit(0);
}

/* The process has been retired. It ends when all threads have ended but those
   that never will. Requests of HTTP/2 have threads that the server does not
   count. */
static long look_at_end(const wsgi_host *host)
{
    int stuck = wsgi_atomic_load(&stuck_count, WSGI_RELAXED);

    if (host->is_stopping() && host->count_threads() <= stuck &&
        wsgi_tally_busy() <= (unsigned)stuck)
        end_process();
    return LOOK_AT_END;
}

/* Other requests of the process go on. */
static long retire_process(const wsgi_slow *s)
{
    const wsgi_host *host = wsgi_process_given.host;

    if (host->retire != NULL && host->retire() == 0) {
        wsgi_log(s->request, WSGI_ERROR,
                 "MW0644: %s does not end, since its thread waits in C code: "
                 "this process of the server ends after its other requests",
                 s->request->uri);
        return LOOK_AT_END;
    }
    wsgi_log(s->request, WSGI_ERROR,
             "MW0517: %s does not end, since its thread waits in C code: "
             "until it returns, the server has a thread less",
             s->request->uri);
    return 0;
}

/* Returns in how many milliseconds to look again; 0: never. */
static long replace_process(const wsgi_slow *s)
{
    if (wsgi_process_given.multithread)
        return retire_process(s);
    wsgi_log(s->request, WSGI_ERROR,
             "MW0518: %s does not end, since it waits in C code: this process "
             "of the server ends",
             s->request->uri);
    end_process();
    return 0;
}

static long act(wsgi_slow *s)
{
    wsgi_overdue *o = (wsgi_overdue *)s;

    if (o->is_stuck)
        return look_at_end(wsgi_process_given.host);
    if (o->is_raised) {
        o->is_stuck = 1;
        wsgi_atomic_add(&stuck_count, 1, WSGI_RELAXED);
        return replace_process(s);
    }
    wsgi_log(s->request, WSGI_ERROR,
             "MW0516: %s has sent nothing for %ld s (mod_wsgi.timeout), in "
             "'%s' of the interpreter '%s': it is given up. The request is "
             "here:",
             s->request->uri, s->seconds, s->application, s->interp->shown);
    wsgi_thread_call_in(s->interp, raise_there, o);
    o->is_raised = 1;
    return GRACE;
}

void wsgi_overdue_begin(wsgi_overdue *o, const wsgi_visit *visit,
                        const wsgi_settings *settings, const unsigned *steps)
{
    *o = (wsgi_overdue){.steps = steps,
                        .slow = {.act = act,
                                 .is_quiet = is_quiet,
                                 .seconds = settings->timeout}};
    o->slow.due = pause_of(&o->slow);
    wsgi_slow_watch(&o->slow, visit, settings);
}

int wsgi_overdue_end(wsgi_overdue *o)
{
    wsgi_slow_end(&o->slow);
    if (o->is_stuck)
        wsgi_atomic_sub(&stuck_count, 1, WSGI_RELAXED);
    if (o->is_raised)
        wsgi_python_raise_in(o->slow.thread, NULL); /* not raised yet */
    return o->is_raised;
}
