/*
 * loading.c - watches loads that take long or never end.
 *
 * Many modules end with app.run(), which starts a server of its own and never
 * returns. The page then hangs, and so does the end of the server's process.
 * So a thread watches each load. When the load has taken too long, the thread
 * logs where it is. If the process is to end after that, the load is
 * interrupted, as Ctrl-C interrupts a program.
 */
#include <errno.h>
#include <pthread.h>

#include "application.h"

/* After so many seconds a load is logged as slow. From then on the thread asks
   every PAUSE milliseconds whether the process is to end. */
#define SECONDS 10
#define PAUSE 500

#define STACK_SIZE (256 * 1024UL)

/* Guards what loads share with the threads that watch them. Nobody waits for
   Python's lock while holding this one. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

/* ---- In the interpreter, with its lock -------------------------------- */

/* Nothing is logged of a load without a request. But a request would wait for
   this one, and log nothing. So this is told at once. */
static void tell(void *arg)
{
    const wsgi_loading *l = arg;
    const wsgi_request *request = l->request->recalled == NULL ? l->request
                                                               : NULL;
    PyObject *texts = wsgi_errors_stack(l->state, l->thread);

    wsgi_log(request, WSGI_ERROR,
             "MW0308: '%s' is still being loaded after %d s, in the "
             "interpreter '%s'; its requests wait. Does its module start a "
             "server of its own (app.run())? That belongs under \"if __name__ "
             "== '__main__':\". The load is here:",
             l->application, SECONDS, l->interp->shown);
    wsgi_errors_log(request, WSGI_ERROR, texts);
    Py_XDECREF(texts);
}

static void interrupt(void *arg)
{
    wsgi_loading *l = arg;

    pthread_mutex_lock(&lock);
    if (!l->is_over) {
        if (!l->is_interrupted)
            wsgi_log(l->request, WSGI_WARNING,
                     "MW0309: the load of '%s' is interrupted, because this "
                     "process is ending",
                     l->application);
        l->is_interrupted = 1;
        wsgi_atomic_store(&l->interp->loads_nothing, 1, WSGI_RELEASE);
        wsgi_python_raise_in(l->thread, PyExc_KeyboardInterrupt);
    }
    pthread_mutex_unlock(&lock);
}

/* ---- The thread ------------------------------------------------------- */

/* Waits so many milliseconds for the end of the load. Returns whether it has
   ended. */
static int wait_for_end(const wsgi_loading *l, int milliseconds)
{
    struct timespec until = wsgi_from_now(milliseconds % 1000 * WSGI_MS);
    int is_over;

    until.tv_sec += milliseconds / 1000;
    pthread_mutex_lock(&lock);
    while (!l->is_over &&
           pthread_cond_timedwait(&changed, &lock, &until) != ETIMEDOUT)
        ;
    is_over = l->is_over;
    pthread_mutex_unlock(&lock);
    return is_over;
}

static int is_stopping(void)
{
    const wsgi_host *host = wsgi_process_given.host;

    return host->is_stopping != NULL && host->is_stopping();
}

static void *watch(void *arg)
{
    wsgi_loading *l = arg;

    if (!wait_for_end(l, SECONDS * 1000)) {
        wsgi_thread_call_in(l->interp, tell, l);
        while (!wait_for_end(l, PAUSE))
            if (is_stopping())
                wsgi_thread_call_in(l->interp, interrupt, l);
    }
    pthread_mutex_lock(&lock);
    l->is_watched = 0;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return NULL;
}

/* ---- The load --------------------------------------------------------- */

void wsgi_loading_begin(wsgi_loading *l, const wsgi_request *request,
                        wsgi_interp *interp, const char *application)
{
    memset(l, 0, sizeof *l);
    l->request = request;
    l->interp = interp;
    l->application = application;
    l->state = PyThreadState_Get();
    l->thread = (unsigned long)PyThread_get_thread_ident();
    l->is_watched = 1;
    if (wsgi_process_add_thread(watch, l, STACK_SIZE) != 0)
        l->is_watched = 0; /* the load works without a watcher, too */
}

void wsgi_loading_end(wsgi_loading *l)
{
    Py_BEGIN_ALLOW_THREADS
    pthread_mutex_lock(&lock);
    l->is_over = 1;
    pthread_cond_broadcast(&changed);
    while (l->is_watched)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    Py_END_ALLOW_THREADS
    if (l->is_interrupted)
        wsgi_python_raise_in(
            l->thread,
            NULL); /* cancels an interrupt that has not been raised yet */
}

int wsgi_loading_is_refused(const wsgi_request *request,
                            const wsgi_interp *interp, const char *application)
{
    if (!wsgi_atomic_load(&interp->loads_nothing, WSGI_ACQUIRE))
        return 0;
    wsgi_log(request, WSGI_WARNING,
             "MW0310: '%s' is not loaded, because this process is ending",
             application);
    return 1;
}
