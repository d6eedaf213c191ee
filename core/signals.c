/*
 * signals.c - signals belong to the server.
 *
 * Apache steers its processes with signals, and Python lets none but its main
 * thread handle any. Applications made to run by themselves register handlers
 * nevertheless; here that has no effect but a line in the log.
 */
#include "core.h"

WSGI_FUNCTION(ignore_signal)
{
    PyObject *signal, *handler = NULL;

    (void)self;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError,
                        "signal() takes a signal's number and a handler");
        return NULL;
    }
    signal = PyImport_ImportModule("signal");
    if (signal != NULL)
        handler = PyObject_CallMethod(signal, (char *)"getsignal", (char *)"O",
                                      args[0]);
    Py_XDECREF(signal);
    if (handler != NULL)
        wsgi_log(wsgi_visit_request(), WSGI_WARNING,
                 "the application's call of signal.signal() has no effect: "
                 "signals are the server's");
    return handler;
}

static PyMethodDef method = {
    "signal", WSGI_METHOD(ignore_signal), WSGI_FAST,
    "signal(number, handler) - has no effect under mod_wsgi"};

int wsgi_signals_ignore(void)
{
    PyObject *signal = PyImport_ImportModule("signal");
    PyObject *function = PyCFunction_New(&method, NULL);
    int result = -1;

    if (signal != NULL && function != NULL)
        result = PyObject_SetAttrString(signal, "signal", function);
    Py_XDECREF(function);
    Py_XDECREF(signal);
    return result;
}
