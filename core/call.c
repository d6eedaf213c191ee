/*
 * call.c - one request as Python objects see it.
 *
 * Applications keep objects longer than their request: a closure holds
 * start_response, a thread goes on reading wsgi.input. What such an object
 * refers to is gone by then, so each use asks this object first, and the
 * request's end waits for the uses under way in other threads.
 */
#include <time.h>

#include "core.h"

/* In users, beside the number of calls under way. */
#define ENDED (1L << 24)

static void dealloc(PyObject *self)
{
    pthread_mutex_destroy(&((wsgi_call *)self)->host);
    wsgi_type_free(self);
}

static PyType_Slot slots[] = {
    {Py_tp_dealloc, WSGI_SLOT(dealloc)},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "mod_wsgi.Call",
    .basicsize = sizeof(wsgi_call),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

PyTypeObject *wsgi_call_type(void)
{
    return wsgi_type(&spec);
}

wsgi_call *wsgi_call_new(wsgi_visit *visit)
{
    PyTypeObject *type = visit->slot->interp->call_type;
    wsgi_call *call = (wsgi_call *)type->tp_alloc(type, 0);

    if (call == NULL)
        return NULL;
    call->request = visit->request;
    call->visit = visit;
    call->head.content_length = -1;
    pthread_mutex_init(&call->host, NULL);
    return call;
}

int wsgi_call_try_enter(wsgi_call *call)
{
    if (!(__atomic_add_fetch(&call->users, 1, __ATOMIC_ACQ_REL) & ENDED))
        return 0;
    wsgi_call_leave(call);
    return -1;
}

int wsgi_call_enter(wsgi_call *call, const char *what)
{
    if (wsgi_call_try_enter(call) == 0)
        return 0;
    PyErr_Format(PyExc_RuntimeError, "%s was used after its request had ended",
                 what);
    return -1;
}

int wsgi_call_enter_for_client(wsgi_call *call, const char *what)
{
    if (!wsgi_fork_is_copy())
        return wsgi_call_enter(call, what);
    PyErr_Format(PyExc_RuntimeError,
                 "%s was used in a copy of the process: the request is the "
                 "original's",
                 what);
    return -1;
}

void wsgi_call_leave(wsgi_call *call)
{
    __atomic_sub_fetch(&call->users, 1, __ATOMIC_RELEASE);
}

void wsgi_call_lock_host(wsgi_call *call)
{
    if (pthread_mutex_trylock(&call->host) == 0)
        return;
    Py_BEGIN_ALLOW_THREADS
    pthread_mutex_lock(&call->host);
    Py_END_ALLOW_THREADS
}

void wsgi_call_unlock_host(wsgi_call *call)
{
    pthread_mutex_unlock(&call->host);
}

void wsgi_call_end(wsgi_call *call)
{
    static const struct timespec moment = {.tv_nsec = 1 * WSGI_MS};

    __atomic_or_fetch(&call->users, ENDED, __ATOMIC_ACQ_REL);
    while (__atomic_load_n(&call->users, __ATOMIC_ACQUIRE) != ENDED) {
        Py_BEGIN_ALLOW_THREADS
        nanosleep(&moment, NULL);
        Py_END_ALLOW_THREADS
    }
    wsgi_lines_end(&call->lines, call->request);
    Py_CLEAR(call->read_raised); /* its frames may lead to this object */
    call->request = NULL;
    call->visit = NULL;
}
