/*
 * signals.c - keeps applications from changing the server's signals.
 *
 * Apache controls its processes with signals, and in Python only the main
 * thread can handle any. But applications that can also run by themselves
 * register handlers, or ask for an alarm, which would end the process. Here
 * these calls have no effect but a line in the log. In a copy of the process
 * that an application has forked, they work.
 *
 * From Python 3 on the functions are replaced in _signal, the part of the
 * module that is in C. The module signal takes them from there when it is
 * imported. Importing it here would cost each interpreter 0.25 MB, for it
 * imports enum.
 */
#include <signal.h>

#include "surroundings.h"

/* Makes the result of a replaced function from the original and its first
   argument. */
typedef PyObject *answer(PyObject *original, PyObject *first);

static PyObject *ask_module(const char *function, PyObject *first)
{
    PyObject *signal = PyImport_ImportModule(WSGI_SIGNAL_MODULE);
    PyObject *told = NULL;

    if (signal != NULL)
        told =
            PyObject_CallMethod(signal, (char *)function, (char *)"O", first);
    Py_XDECREF(signal);
    return told;
}

/* The current handler. */
static PyObject *tell_handler(PyObject *original, PyObject *first)
{
    (void)original;
    return ask_module("getsignal", first);
}

/* The current timer. */
static PyObject *tell_timer(PyObject *original, PyObject *first)
{
    (void)original;
    return ask_module("getitimer", first);
}

/* alarm() returns the seconds left of the last alarm: there is none. */
static PyObject *tell_zero(PyObject *original, PyObject *first)
{
    (void)original;
    (void)first;
    return PyLong_FromLong(0);
}

/* Sends signal 0, which only checks that the thread exists. */
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
    const char *shown;      /* the module that applications import */
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

/* self is a tuple: the address of a struct function, and Python's function
   that is replaced. */
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
                 "MW0416: the application's call of %s.%s() has no effect: "
                 "signals are the server's",
                 f->shown, f->method.ml_name);
    return told;
}

#define METHOD(name)                                                          \
    {                                                                         \
        name, WSGI_METHOD(ignore_call), WSGI_FAST,                            \
            "has no effect under mod_wsgi"                                    \
    }

#define SIGNAL WSGI_SIGNAL_MODULE, "signal"

/* The functions that change how this process handles signals, or send it one.
 */
static function functions[] = {
    {SIGNAL, 2, 2, tell_handler, METHOD("signal")},
    {SIGNAL, 2, 2, tell_nothing, METHOD("siginterrupt")},
    {SIGNAL, 1, 1, tell_zero, METHOD("alarm")},
    {SIGNAL, 2, 3, tell_timer, METHOD("setitimer")},
    {SIGNAL, 1, 1, tell_nothing, METHOD("raise_signal")},
    {SIGNAL, 2, 2, probe_thread, METHOD("pthread_kill")},
    {WSGI_THREAD, WSGI_THREAD, 0, 1, tell_nothing, METHOD("interrupt_main")},
};

/* Replaces original, an attribute of module, by our function. */
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

/* Replaces a function, if this Python has it. */
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
 * PyErr_SetInterrupt needs Python's table of handlers, which importing this
 * module makes. Up to 3.9 the import also installs a handler for SIGINT, so
 * the server's action is restored.
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
