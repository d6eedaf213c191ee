/*
 * start_response.c - start_response, and the write() that it returns.
 */
#include "wsgi.h"

static int write_block(wsgi_call *call, PyObject *block)
{
    int64_t size;

    if (wsgi_sending_need_bytes(block, "what write() sends") < 0 ||
        wsgi_sending_need_head(call) < 0)
        return -1;
    size = (int64_t)PyBytes_GET_SIZE(block);
    if (call->head.content_length >= 0 && !wsgi_sending_is_bodiless(call) &&
        size > call->head.content_length - call->sent) {
        PyErr_SetString(PyExc_ValueError,
                        "write() of more than Content-Length announced");
        return -1;
    }
    if (!wsgi_call_is_over(call) && wsgi_sending_block(call, block) < 0)
        return -1;
    if (call->stage != WSGI_BROKEN)
        return 0;
    wsgi_call_raise(&call->write_text, "the client went away");
    return -1;
}

static PyObject *response_write(PyObject *self, PyObject *block)
{
    wsgi_call *call = (wsgi_call *)self;
    int result;

    if (wsgi_call_enter_for_client(call, "write()") < 0)
        return NULL;
    Py_BEGIN_CRITICAL_SECTION(call);
    result = write_block(call, block);
    Py_END_CRITICAL_SECTION();
    wsgi_lease_leave(&call->lease);
    if (result < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef write_method = {"write", WSGI_METHOD(response_write),
                                   METH_O, "write(block) - sends it now"};

/* PEP 3333: "If exc_info is provided, and no HTTP headers have been output
   yet, start_response should replace the currently-stored HTTP response
   headers [...]. However, if exc_info is provided, and the HTTP headers have
   already been sent, start_response must raise an error, and should re-raise
   using the exc_info tuple." Returns 1 for that last case. */
static int check_turn(wsgi_call *call, PyObject *exc_info)
{
    if (exc_info == Py_None) {
        if (call->stage == WSGI_NOT_STARTED)
            return 0;
        PyErr_SetString(PyExc_RuntimeError,
                        "start_response() was called a second time without "
                        "exc_info");
        return -1;
    }
    if (!PyTuple_Check(exc_info) || PyTuple_GET_SIZE(exc_info) != 3) {
        PyErr_SetString(PyExc_TypeError,
                        "exc_info must be a tuple as of sys.exc_info()");
        return -1;
    }
    return wsgi_call_has_begun(call) ? 1 : 0;
}

/* Raises the exception in exc_info. Making the exception may run the
   application's code. */
static void raise_again(PyObject *exc_info)
{
    PyObject *type = PyTuple_GET_ITEM(exc_info, 0);
    PyObject *value = PyTuple_GET_ITEM(exc_info, 1);
    PyObject *traceback = PyTuple_GET_ITEM(exc_info, 2);

    if (!PyExceptionClass_Check(type)) {
        PyErr_SetString(PyExc_RuntimeError, "the headers have been sent");
        return;
    }
    Py_INCREF(type);
    Py_INCREF(value);
    Py_XINCREF(traceback == Py_None ? NULL : traceback);
    PyErr_Restore(type, value, traceback == Py_None ? NULL : traceback);
}

/* Checks and stores a head. */
static int store_head(wsgi_call *call, PyObject *status, PyObject *headers)
{
    int result;

    wsgi_call_advance(call, WSGI_HEAD_REFUSED);
    result = wsgi_head_take(call, status, headers);
    if (result == 0)
        wsgi_call_advance(call, WSGI_HEAD_STORED);
    return result;
}

/* Returns 0, -1 with an exception set, or 1: exc_info is to be raised. */
static int start(wsgi_call *call, PyObject *const *args, Py_ssize_t count)
{
    int result;

    if (count < 2 || count > 3) {
        PyErr_Format(PyExc_TypeError,
                     "start_response() takes status, headers and perhaps "
                     "exc_info, not %zd arguments",
                     count);
        return -1;
    }
    Py_BEGIN_CRITICAL_SECTION2(call, args[1]);
    result = check_turn(call, count == 3 ? args[2] : Py_None);
    if (result == 0)
        result = store_head(call, args[0], args[1]);
    Py_END_CRITICAL_SECTION2();
    return result;
}

WSGI_FUNCTION(start_response)
{
    wsgi_call *call = (wsgi_call *)self;
    int result;

    if (wsgi_lease_enter(&call->lease, "start_response()") < 0)
        return NULL;
    result = start(call, args, count);
    wsgi_lease_leave(&call->lease);
    if (result == 0)
        return PyCFunction_New(&write_method, self);
    if (result > 0)
        raise_again(args[2]);
    return NULL;
}

static PyMethodDef start_method = {
    "start_response", WSGI_METHOD(start_response), WSGI_FAST,
    "start_response(status, headers[, exc_info]) - returns write"};

PyObject *wsgi_start_response_new(wsgi_call *call)
{
    return PyCFunction_New(&start_method, (PyObject *)call);
}
