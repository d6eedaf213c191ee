/*
 * runtime.c - starts Python in this process, on a thread that owns it.
 *
 * The thread that starts Python is Python's main thread to the end. It makes
 * and ends interpreters, joins the applications' threads and runs atexit
 * functions. A server's request threads do not live that long in every MPM,
 * and a signal may end the process while a request runs. So Python has a
 * thread of its own, which the first request starts, with all signals blocked.
 * The thread waits until there is an interpreter to make or end, or until the
 * process ends.
 */
#include <pthread.h>
#include <time.h>

#include "reports.h"
#include "surroundings.h"

enum state { NEW, RUNNING, FAILED };

static enum state state; /* atomic: every thread reads it */
static pthread_mutex_t starting = PTHREAD_MUTEX_INITIALIZER;
static wsgi_semaphore started;
static char failure[256];

static enum state current_state(void)
{
    return wsgi_atomic_load(&state, WSGI_ACQUIRE);
}

static void set_state(enum state now)
{
    wsgi_atomic_store(&state, now, WSGI_RELEASE);
}

/* Starts Python. Returns 0, or -1 with the reason in failure. */
static int start_python(void)
{
    const char *home = wsgi_settings_of_process()->python_home;

    if (wsgi_python_start(wsgi_virtualenv_of_process() == NULL ? home : NULL,
                          failure, sizeof failure) < 0)
        return -1;
    if (wsgi_osenviron_copy() == 0)
        return 0;
    snprintf(failure, sizeof failure, "out of memory");
    return -1;
}

/* The life of the Python thread, from start to end. */
static void own_python(void)
{
    PyThreadState *main_state;
    int again = 0;

    if (start_python() < 0) {
        set_state(FAILED);
        wsgi_semaphore_post(&started);
        return;
    }
    wsgi_states_prepare();
    if (wsgi_signals_prepare() < 0)
        wsgi_errors_report(NULL,
                           "MW0405: signals can't be left to the server:");
    main_state = PyEval_SaveThread();
    wsgi_process_set_python();
    set_state(RUNNING);
    wsgi_semaphore_post(&started);
    for (;;) {
        wsgi_jobs_wait(again);
        wsgi_jobs_set_under_way(1);
        wsgi_turns_want();
        PyEval_RestoreThread(main_state);
        if (wsgi_process_is_ending())
            break;
        wsgi_jobs_do();
        again = wsgi_ending_step();
        main_state = PyEval_SaveThread();
        wsgi_jobs_set_under_way(0);
    }
    wsgi_ending_all();
    wsgi_stop_done();
    /* The lock is never released, so no thread of an application runs Python
       code while the process exits. A free-threaded Python has no such lock.
       Daemon threads go on there to the last moment. Python stays intact for
       them, and what they write is not passed on to the host. */
}

/* The same where another module owns Python. There is less to do, but the
   states that keep the other's interpreters open need a thread that stays. */
static void share_python(void)
{
    set_state(RUNNING);
    wsgi_semaphore_post(&started);
    for (;;) {
        wsgi_jobs_wait(0);
        wsgi_jobs_do();
    }
}

static void *python_thread(void *unused)
{
    (void)unused;
    if (wsgi_process_is_shared())
        share_python();
    else
        own_python();
    return NULL;
}

static void prepare_once(const wsgi_request *request)
{
    static int is_prepared;

    if (is_prepared)
        return;
    wsgi_semaphore_make(&started);
    wsgi_jobs_prepare();
    wsgi_settings_read_process(request);
    wsgi_stop_prepare();
    wsgi_fork_prepare();
    wsgi_programs_prepare();
    is_prepared = 1;
}

/* Whether a second has passed since the last attempt, or there was none. */
static int is_time_to_try(void)
{
    static time_t tried;
    time_t now = wsgi_seconds() + 1;

    if (now == tried)
        return 0;
    tried = now;
    return 1;
}

/* Makes the Python thread and waits until it has started Python. If no thread
   can be made now, a later request tries again. */
static void start_thread(const wsgi_request *request)
{
    int error;

    prepare_once(request);
    error = wsgi_process_add_thread(python_thread, NULL, 0);
    if (error == 0)
        wsgi_semaphore_wait(&started);
    else
        wsgi_log(request, WSGI_ERROR,
                 "MW0402: Python %s can't be started now, because there is no "
                 "thread: %s; requests try again, once a second",
                 PY_VERSION, strerror(error));
}

static void report_failure(const wsgi_request *request)
{
    const char *home = wsgi_settings_of_process()->python_home;

    wsgi_log(request, WSGI_ERROR,
             "MW0403: Python %s can't be started: %s (" WSGI_PYTHON_HOME
             " is %s%s%s in the server's environment; it must be the prefix "
             "of a Python %d.%d, a virtual environment of one, or unset)",
             PY_VERSION, failure, home ? "'" : "", home ? home : "not set",
             home ? "'" : "", PY_MAJOR_VERSION, PY_MINOR_VERSION);
}

/* Logs once why Python must not be used. */
static void report_refusal(const wsgi_request *request)
{
    static int reported;

    if (!wsgi_atomic_exchange(&reported, 1, WSGI_RELAXED))
        wsgi_log(request, WSGI_ERROR, "MW0404: Python is not started: %s",
                 wsgi_process_given.refusal);
}

int wsgi_runtime_start(const wsgi_request *request)
{
    if (wsgi_process_given.refusal != NULL) {
        report_refusal(request);
        return -1;
    }
    if (current_state() == RUNNING)
        return 0;
    pthread_mutex_lock(&starting);
    if (current_state() == NEW && is_time_to_try()) {
        start_thread(request);
        if (current_state() == FAILED)
            report_failure(request);
    }
    pthread_mutex_unlock(&starting);
    return current_state() == RUNNING ? 0 : -1;
}
