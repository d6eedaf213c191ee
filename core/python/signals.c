/*
 * signals.c - signals belong to the server.
 *
 * Apache steers its processes with signals, and Python lets none but its main
 * thread handle any. An application made to run by itself registers handlers
 * nevertheless, or asks for an alarm, which ends a process that handles none.
 * Here these calls have no effect but a line in the log. A copy of the process
 * that an application forked is no process of the server's: there they work.
 */
#include <signal.h>

#include "interpreters.h"

/* What a replaced function answers, given itself and its first argument. */
typedef PyObject *answer(PyObject *original, PyObject *first);

static PyObject *ask_module(const char *function, PyObject *first)
{
    PyObject *signal = PyImport_ImportModule("signal");
    PyObject *told = NULL;

    if (signal != NULL)
        told =
            PyObject_CallMethod(signal, (char *)function, (char *)"O", first);
    Py_XDECREF(signal);
    return told;
}

/* The handler that there is. */
static PyObject *tell_handler(PyObject *original, PyObject *first)
{
    (void)original;
    return ask_module("getsignal", first);
}

/* The timer that there is. */
static PyObject *tell_timer(PyObject *original, PyObject *first)
{
    (void)original;
    return ask_module("getitimer", first);
}

/* How many seconds were left of an alarm. */
static PyObject *tell_zero(PyObject *original, PyObject *first)
{
    (void)original;
    (void)first;
    return PyLong_FromLong(0);
}

/* Whether there is such a thread: signal 0 asks for no more. */
static PyObject *probe_thread(PyObject *original, PyObject *first)
{
    return PyObject_CallFunction(original, (char *)"Oi", first, 0);
}

static PyObject *tell_nothing(PyObject *original, PyObject *first)
{
    (void)original;
    (void)first;
    Py_RETURN_NONE;
}

typedef struct function {
    const char *module;
    Py_ssize_t least, most; /* arguments */
    answer *answer;
    PyMethodDef method;
} function;

static PyObject *call_original(PyObject *original, PyObject *const *args,
                               Py_ssize_t count)
{
    PyObject *tuple = PyTuple_New(count), *result = NULL;
    Py_ssize_t i;

    for (i = 0; tuple != NULL && i < count; i++) {
        Py_INCREF(args[i]);
        PyTuple_SET_ITEM(tuple, i, args[i]);
    }
    if (tuple != NULL)
        result = PyObject_CallObject(original, tuple);
    Py_XDECREF(tuple);
    return result;
}

/* self is a tuple: the address of a function, and the one of Python's that it
   replaces. */
WSGI_FUNCTION(ignore_call)
{
    const function *f = PyLong_AsVoidPtr(PyTuple_GET_ITEM(self, 0));
    PyObject *original = PyTuple_GET_ITEM(self, 1), *told;

    if (wsgi_fork_is_copy())
        return call_original(original, args, count);
    if (count < f->least || count > f->most) {
        PyErr_Format(PyExc_TypeError, "%s() does not take %zd arguments",
                     f->method.ml_name, count);
        return NULL;
    }
    told = f->answer(original, count > 0 ? args[0] : NULL);
    if (told != NULL)
        wsgi_log(wsgi_thread_request(), WSGI_WARNING,
                 "the application's call of %s.%s() has no effect: signals "
                 "are the server's",
                 f->module, f->method.ml_name);
    return told;
}

#define METHOD(name)                                                          \
    {                                                                         \
        name, WSGI_METHOD(ignore_call), WSGI_FAST,                            \
            "has no effect under mod_wsgi"                                    \
    }

/* What changes how this process takes signals, or sends it one. */
static function functions[] = {
    {"signal", 2, 2, tell_handler, METHOD("signal")},
    {"signal", 2, 2, tell_nothing, METHOD("siginterrupt")},
    {"signal", 1, 1, tell_zero, METHOD("alarm")},
    {"signal", 2, 3, tell_timer, METHOD("setitimer")},
    {"signal", 1, 1, tell_nothing, METHOD("raise_signal")},
    {"signal", 2, 2, probe_thread, METHOD("pthread_kill")},
    {WSGI_THREAD_MODULE, 0, 1, tell_nothing, METHOD("interrupt_main")},
};

/* Puts ours in the place of original, an attribute of module. */
static int put(function *f, PyObject *module, PyObject *original)
{
    PyObject *address = PyLong_FromVoidPtr(f);
    PyObject *self = NULL, *ours = NULL;
    int result = -1;

    if (address != NULL)
        self = PyTuple_Pack(2, address, original);
    if (self != NULL)
        ours = PyCFunction_New(&f->method, self);
    if (ours != NULL)
        result = PyObject_SetAttrString(module, f->method.ml_name, ours);
    Py_XDECREF(ours);
    Py_XDECREF(self);
    Py_XDECREF(address);
    return result;
}

/* The same for the attribute that is there, if this Python has it. */
static int replace(function *f)
{
    PyObject *module = PyImport_ImportModule(f->module), *original;
    int result = 0;

    if (module == NULL)
        return -1;
    original = PyObject_GetAttrString(module, f->method.ml_name);
    if (original != NULL)
        result = put(f, module, original);
    else
        PyErr_Clear();
    Py_XDECREF(original);
    Py_DECREF(module);
    return result;
}

int wsgi_signals_ignore(void)
{
    size_t i;

    for (i = 0; i < sizeof functions / sizeof *functions; i++)
        if (replace(&functions[i]) < 0)
            return -1;
    return 0;
}

/*
 * PyErr_SetInterrupt looks at the main interpreter's handlers, which are not
 * there before this module is. Up to 3.9 it handles SIGINT itself when it is
 * imported: that stays as the server has it.
 */
int wsgi_signals_prepare(void)
{
    struct sigaction servers;
    PyObject *module;

    sigaction(SIGINT, NULL, &servers);
    module = PyImport_ImportModule(WSGI_SIGNAL_MODULE);
    sigaction(SIGINT, &servers, NULL);
    Py_XDECREF(module);
    return module != NULL ? 0 : -1;
}
