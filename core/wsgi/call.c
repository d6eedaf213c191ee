/*
 * call.c - one request as its Python objects see it.
 */
#include <assert.h>

#include "wsgi.h"

static void dealloc(PyObject *self)
{
    wsgi_call *call = (wsgi_call *)self;

    pthread_mutex_destroy(&call->host);
    Py_XDECREF(call->read_text);
    Py_XDECREF(call->write_text);
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
    PyTypeObject *type = visit->slot->interp->kit->call_type;
    wsgi_call *call = (wsgi_call *)type->tp_alloc(type, 0);

    if (call == NULL)
        return NULL;
    call->lease.request = visit->request;
    call->lease.interp = visit->slot->interp;
    call->visit = visit;
    call->head.content_length = -1;
    pthread_mutex_init(&call->host, NULL);
    return call;
}

void wsgi_call_advance(wsgi_call *call, enum wsgi_stage to)
{
    assert(wsgi_call_may_advance(call->stage, to));
    call->stage = to;
}

int wsgi_call_enter_for_client(wsgi_call *call, const char *what)
{
    if (!wsgi_fork_is_copy())
        return wsgi_lease_enter(&call->lease, what);
    PyErr_Format(PyExc_RuntimeError,
                 "%s was used in a copy of the process: the request is the "
                 "original's",
                 what);
    return -1;
}

/* For those who watch the request. */
static void step(wsgi_call *call)
{
    wsgi_atomic_store(&call->steps, call->steps + 1, WSGI_RELAXED);
}

void wsgi_call_lock_host(wsgi_call *call)
{
    if (pthread_mutex_trylock(&call->host) != 0) {
        Py_BEGIN_ALLOW_THREADS
        pthread_mutex_lock(&call->host);
        Py_END_ALLOW_THREADS
    }
    step(call);
}

void wsgi_call_unlock_host(wsgi_call *call)
{
    step(call);
    pthread_mutex_unlock(&call->host);
}

void wsgi_call_end(wsgi_call *call)
{
    wsgi_lease_end(&call->lease);
    call->visit = NULL;
}

/* ---- What the client has done ------------------------------------------ */

void wsgi_call_raise(PyObject **text, const char *words)
{
    if (*text == NULL)
        *text = wsgi_native(words, strlen(words));
    if (*text != NULL)
        PyErr_SetObject(PyExc_IOError, *text);
}

int wsgi_call_is_about_reading(const wsgi_call *call)
{
    return call->read_text != NULL && wsgi_error_comes_from(call->read_text);
}

/* Only an IOError can come from a failed write(). An exception of another kind
   is the application's own, even if it was raised while the IOError was
   handled. */
static int is_about_writing(const wsgi_call *call)
{
    return call->write_text != NULL && PyErr_ExceptionMatches(PyExc_IOError) &&
           wsgi_error_comes_from(call->write_text);
}

static const char *explain_gone(int read_error)
{
    return read_error == WSGI_READ_GONE || read_error == WSGI_READ_TIMEOUT
               ? wsgi_body_explain(read_error)
               : "the client went away before the response was complete";
}

void wsgi_call_log_gone(const wsgi_visit *visit)
{
    wsgi_log(visit->request, WSGI_INFO, "MW0506: %s",
             explain_gone(visit->read_error));
}

/* If a framework has raised an exception of its own for ours, the line names
   that one, too. */
static void log_client(const wsgi_call *call, const char *words)
{
    PyObject *type, *value, *traceback, *text = NULL, *bytes = NULL;

    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (type != PyExc_IOError && value != NULL)
        text = PyObject_Str(value);
    if (text != NULL)
        bytes = wsgi_text_bytes(text);
    if (bytes != NULL)
        wsgi_log(call->lease.request, WSGI_INFO, "MW0506: %s (%s: %.300s)",
                 words, PyExceptionClass_Name(type), PyBytes_AS_STRING(bytes));
    else
        wsgi_log(call->lease.request, WSGI_INFO, "MW0506: %s", words);
    Py_XDECREF(bytes);
    Py_XDECREF(text);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
}

void wsgi_call_report(wsgi_call *call, const char *what)
{
    const char *words = NULL;

    if (is_about_writing(call))
        words = explain_gone(call->read_error);
    else if (wsgi_call_is_about_reading(call))
        words = wsgi_body_explain(call->read_error);
    if (words == NULL) {
        wsgi_errors_report(call->lease.request, what);
    } else if (!call->is_told) {
        call->is_told = 1;
        log_client(call, words);
    }
    PyErr_Clear();
}
