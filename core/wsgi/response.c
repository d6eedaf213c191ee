/*
 * response.c - start_response, write(), and the body.
 *
 * The head (head.c) goes out with the first bytes of the body (PEP 3333, "The
 * start_response() Callable").
 */
#include "wsgi.h"

/* A list of blocks up to this size together is copied: the lock is released
   for good before it is sent. */
#define SMALL 32768

/* Of so many small pieces the first goes out here and the rest may be given to
   the sender. Here the lock is released: nobody is to wait for it for long. */
#define RUN 64

/* Whether a response with this status has no body (RFC 9110, 6.4.1). */
static int is_bodiless(const wsgi_call *call)
{
    return call->lease.request->head_only || call->head.status == 204 ||
           call->head.status == 304;
}

/* ---- Sending ---------------------------------------------------------- */

/* Gives it to the host, which is taken, with the head before it if that has
   not gone. The lock is released meanwhile. */
static void push(wsgi_call *call, const wsgi_output *p, enum wsgi_after after)
{
    const wsgi_request *request = call->lease.request;
    const wsgi_head *head = call->head_sent ? NULL : &call->head;
    int result = call->headed ? 0 : -1; /* a thread may have spoilt it */

    call->head_sent = 1;
    Py_BEGIN_ALLOW_THREADS
    if (result == 0)
        result = wsgi_client_send(request, head, p, after);
    Py_END_ALLOW_THREADS
    if (result < 0)
        call->broken = 1;
    if (after == WSGI_END)
        call->complete = 1;
}

/* How many of size more bytes of the body may be sent. */
static int64_t room_for(const wsgi_call *call, int64_t size)
{
    int64_t length = call->head.content_length;

    if (is_bodiless(call))
        return 0;
    return length < 0 || size <= length - call->sent ? size
                                                     : length - call->sent;
}

/* The same; logs when it is less because the application said so. */
static int64_t allowed(const wsgi_call *call, int64_t size)
{
    int64_t room = room_for(call, size);

    if (room < size && !is_bodiless(call))
        wsgi_log(call->lease.request, WSGI_WARNING,
                 "the application returned more than the %lld bytes its "
                 "Content-Length announced: the rest is not sent",
                 (long long)call->head.content_length);
    return room;
}

/* Whether nothing more may follow what was sent. */
static int is_full(const wsgi_call *call)
{
    return is_bodiless(call) || (call->head.content_length >= 0 &&
                                 call->sent == call->head.content_length);
}

static int need_head(const wsgi_call *call)
{
    if (call->headed)
        return 0;
    PyErr_SetString(PyExc_RuntimeError,
                    call->asked
                        ? "start_response() failed, and was not called again"
                        : "the application did not call start_response()");
    return -1;
}

static int need_bytes(PyObject *block, const char *what)
{
    if (PyBytes_Check(block))
        return 0;
    PyErr_Format(PyExc_TypeError, "%s must be bytes, not %.200s", what,
                 Py_TYPE(block)->tp_name);
    return -1;
}

/* Sends one block now, or lets the sender do it meanwhile. */
static int send_block(wsgi_call *call, PyObject *block)
{
    wsgi_chunk chunk;
    wsgi_output p = {.chunks = &chunk};

    if (need_head(call) < 0)
        return -1;
    chunk.data = PyBytes_AS_STRING(block);
    chunk.size = (size_t)PyBytes_GET_SIZE(block);
    if (chunk.size == 0)
        return 0;
    wsgi_call_lock_host(call);
    if (!call->complete && !call->broken) {
        chunk.size = (size_t)allowed(call, (int64_t)chunk.size);
        call->sent += (int64_t)chunk.size;
        p.count = chunk.size > 0;
        if (is_full(call))
            push(call, &p, WSGI_END);
        else if (call->pieces++ % RUN == 0 ||
                 wsgi_sender_give(call->lease.request, &chunk) < 0)
            push(call, &p, WSGI_FLUSH);
    }
    wsgi_call_unlock_host(call);
    return 0;
}

/* ---- write() and start_response --------------------------------------- */

static int write_block(wsgi_call *call, PyObject *block)
{
    int64_t size;

    if (need_bytes(block, "what write() sends") < 0 || need_head(call) < 0)
        return -1;
    size = (int64_t)PyBytes_GET_SIZE(block);
    if (call->head.content_length >= 0 && !is_bodiless(call) &&
        size > call->head.content_length - call->sent) {
        PyErr_SetString(PyExc_ValueError,
                        "write() of more than Content-Length announced");
        return -1;
    }
    if (!call->broken && !call->complete && send_block(call, block) < 0)
        return -1;
    if (call->broken)
        wsgi_call_raise(&call->write_text, "the client went away");
    return call->broken ? -1 : 0;
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
        if (!call->asked)
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
    return call->head_sent ? 1 : 0;
}

/* Raises what exc_info holds. To make an exception of it may run code of the
   application's. */
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
    if (result == 0) {
        call->asked = 1;
        call->headed = 0;
        result = wsgi_head_take(call, args[0], args[1]);
    }
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

PyObject *wsgi_response_start(wsgi_call *call)
{
    return PyCFunction_New(&start_method, (PyObject *)call);
}

/* ---- The body --------------------------------------------------------- */

/* Checks blocks that all exist, and adds up their sizes. */
static int total_size(PyObject *blocks, int64_t *total)
{
    Py_ssize_t i;

    *total = 0;
    for (i = 0; i < PyTuple_GET_SIZE(blocks); i++) {
        PyObject *block = PyTuple_GET_ITEM(blocks, i);

        if (need_bytes(block, "a block of the response") < 0)
            return -1;
        *total += PyBytes_GET_SIZE(block);
    }
    return 0;
}

/* Points chunks at the first size bytes of the blocks; returns how many. */
static size_t point_at(PyObject *blocks, int64_t size, wsgi_chunk *chunks)
{
    size_t count = 0;
    Py_ssize_t i;

    for (i = 0; i < PyTuple_GET_SIZE(blocks) && size > 0; i++) {
        PyObject *block = PyTuple_GET_ITEM(blocks, i);
        int64_t part = PyBytes_GET_SIZE(block);

        if (part > size)
            part = size;
        chunks[count].data = PyBytes_AS_STRING(block);
        chunks[count].size = (size_t)part;
        count += part > 0;
        size -= part;
    }
    return count;
}

static int push_blocks(wsgi_call *call, PyObject *blocks, int64_t size)
{
    wsgi_buffer *body = &call->visit->body;
    wsgi_chunk *chunks;
    wsgi_output p = {.chunks = NULL};

    if (wsgi_buffer_reserve(body, (size_t)PyTuple_GET_SIZE(blocks) *
                                      sizeof *chunks) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    chunks = (wsgi_chunk *)(void *)body->data;
    p.chunks = chunks;
    wsgi_call_lock_host(call);
    if (!call->complete && !call->broken) {
        size = room_for(call, size); /* another thread may have written */
        p.count = point_at(blocks, size, chunks);
        call->sent += size;
        push(call, &p, is_full(call) ? WSGI_END : WSGI_FLUSH);
    }
    wsgi_call_unlock_host(call);
    return 0;
}

/* Copies the blocks for wsgi_response_finish. */
static int keep_blocks(wsgi_call *call, PyObject *blocks, int64_t size)
{
    wsgi_buffer *body = &call->visit->body;
    int64_t left = size;
    Py_ssize_t i;

    body->size = 0;
    for (i = 0; i < PyTuple_GET_SIZE(blocks) && left > 0; i++) {
        PyObject *block = PyTuple_GET_ITEM(blocks, i);
        int64_t part = PyBytes_GET_SIZE(block);

        if (part > left)
            part = left;
        left -= part;
        if (wsgi_buffer_add(body, PyBytes_AS_STRING(block), (size_t)part) <
            0) {
            PyErr_NoMemory();
            return -1;
        }
    }
    call->sent = size;
    call->complete = 1;
    call->head_sent = 1; /* as good as: the host is to have it as it is */
    return 0;
}

/* Blocks that were checked, size bytes of them. */
static int send_checked(wsgi_call *call, PyObject *blocks, int64_t size,
                        int64_t *rest)
{
    if (call->head.content_length < 0 && !call->head_sent &&
        !is_bodiless(call))
        call->head.content_length = size;
    if (size > 0)
        size = allowed(call, size);
    if (call->complete || call->broken) /* by write() */
        return 0;
    if (call->head_sent || size > SMALL ||
        (!is_bodiless(call) && size != call->head.content_length))
        return push_blocks(call, blocks, size);
    *rest = size;
    return keep_blocks(call, blocks, size);
}

/* A list or tuple: all blocks exist, so they are sent in one call, and their
   total is the Content-Length if the application gave none. */
static int send_blocks(wsgi_call *call, PyObject *result, int64_t *rest)
{
    PyObject *blocks = PySequence_Tuple(result);
    int64_t size;
    int done = -1;

    if (blocks != NULL && total_size(blocks, &size) == 0 &&
        need_head(call) == 0)
        done = send_checked(call, blocks, size, rest);
    Py_XDECREF(blocks);
    return done;
}

/* PEP 3333, "Handling the Content-Length Header": "If the application does
   not supply a Content-Length header, [and] the len() of the iterable is 1,
   then the server can automatically determine Content-Length". */
static void take_only_block(wsgi_call *call, PyObject *block)
{
    if (call->head_sent || !call->headed || call->head.content_length >= 0 ||
        is_bodiless(call))
        return;
    call->head.content_length = PyBytes_GET_SIZE(block);
}

/* Whether the iterable says that it has one block. Asked before that block is
   taken, for some tell what is left. */
static int has_one_block(const wsgi_call *call, PyObject *result)
{
    int answer = 0;

    if (!call->headed || call->head.content_length < 0)
        answer = PyObject_Length(result) == 1;
    PyErr_Clear();
    return answer;
}

static int send_iterable(wsgi_call *call, PyObject *result)
{
    int is_alone = has_one_block(call, result);
    PyObject *iterator = PyObject_GetIter(result), *block;
    int done = iterator != NULL ? 0 : -1;

    if (iterator == NULL)
        wsgi_kinds_explain(result);
    while (done == 0 && !call->complete && !call->broken) {
        block = PyIter_Next(iterator);
        wsgi_fork_leave(call->lease.request);
        if (block == NULL)
            break;
        done = need_bytes(block, "a block of the response");
        if (done == 0) {
            if (is_alone)
                take_only_block(call, block);
            done = send_block(call, block);
        }
        Py_DECREF(block);
    }
    Py_XDECREF(iterator);
    return PyErr_Occurred() ? -1 : done;
}

/* PEP 3333, "Optional Platform-Specific File Handling": from where the file
   stands to its end, or as much as Content-Length says. */
static int send_open_file(wsgi_call *call, int fd, int64_t offset,
                          int64_t size)
{
    wsgi_output p = {.is_file = 1, .fd = fd, .offset = offset};

    if (need_head(call) < 0)
        return -1;
    if (call->head.content_length < 0 && !call->head_sent &&
        !is_bodiless(call))
        call->head.content_length = size;
    wsgi_call_lock_host(call);
    p.size = room_for(call, size);
    if (p.size > 0 && !call->complete && !call->broken) {
        call->sent += p.size;
        push(call, &p, is_full(call) ? WSGI_END : WSGI_FLUSH);
    }
    wsgi_call_unlock_host(call);
    return 0;
}

static int send_body(wsgi_call *call, PyObject *result, int64_t *rest)
{
    int fd;
    int64_t offset, size;

    if (PyList_CheckExact(result) || PyTuple_CheckExact(result))
        return send_blocks(call, result, rest);
    if (Py_TYPE(result) == call->visit->slot->interp->kit->wrapper_type &&
        wsgi_client_takes_files() &&
        wsgi_file_wrapper_open(result, &fd, &offset, &size))
        return send_open_file(call, fd, offset, size);
    return send_iterable(call, result);
}

/* Sends what is left when there is no more to the body: the head if it has not
   gone, and the end. */
static void push_rest(wsgi_call *call, enum wsgi_after after)
{
    static const wsgi_output nothing = {.chunks = NULL};

    wsgi_call_lock_host(call);
    if (!call->complete && !call->broken) /* by another thread meanwhile */
        push(call, &nothing, after);
    wsgi_call_unlock_host(call);
}

void wsgi_response_fail(wsgi_call *call)
{
    wsgi_call_lock_host(call);
    if (!call->complete) {
        Py_BEGIN_ALLOW_THREADS
        wsgi_client_fail(call->lease.request);
        Py_END_ALLOW_THREADS
        call->complete = 1;
    }
    wsgi_call_unlock_host(call);
}

/* After the last block: a head without a body still has to go, and too short
   a body must look broken. */
static int end_body(wsgi_call *call)
{
    int64_t length = call->head.content_length;

    if (call->complete || call->broken)
        return 0;
    if (need_head(call) < 0)
        return -1;
    if (is_bodiless(call) || length < 0 || call->sent == length) {
        push_rest(call, WSGI_END);
        return 0;
    }
    push_rest(call, WSGI_FLUSH);
    if (call->complete || call->broken)
        return 0;
    wsgi_log(call->lease.request, WSGI_ERROR,
             "the application returned %lld of the %lld bytes its "
             "Content-Length announced: the connection is closed",
             (long long)call->sent, (long long)length);
    wsgi_response_fail(call);
    return 0;
}

/* PEP 3333: "If the iterable returned by the application has a close()
   method, the server or gateway must call that method upon completion of the
   current request". What it raises is logged, the response is sent by then. */
static void close_result(wsgi_call *call, PyObject *result)
{
    PyObject *type, *value, *traceback;
    PyObject *close, *answer = NULL;

    if (PyList_CheckExact(result) || PyTuple_CheckExact(result))
        return;
    PyErr_Fetch(&type, &value, &traceback);
    close = PyObject_GetAttrString(result, "close");
    if (close != NULL)
        answer = PyObject_CallObject(close, NULL);
    else if (PyErr_ExceptionMatches(PyExc_AttributeError))
        PyErr_Clear();
    wsgi_fork_leave(call->lease.request);
    if (PyErr_Occurred()) {
        Py_BEGIN_CRITICAL_SECTION(call);
        wsgi_call_report(call, "the response's close() failed");
        Py_END_CRITICAL_SECTION();
    }
    Py_XDECREF(answer);
    Py_XDECREF(close);
    PyErr_Restore(type, value, traceback);
}

int wsgi_response_send(wsgi_call *call, PyObject *result, int64_t *rest)
{
    int done;

    *rest = -1;
    Py_BEGIN_CRITICAL_SECTION(call);
    done = send_body(call, result, rest);
    if (done == 0)
        done = end_body(call);
    Py_END_CRITICAL_SECTION();
    close_result(call, result);
    Py_DECREF(result);
    return done;
}

int wsgi_response_finish(const wsgi_visit *visit, const wsgi_head *head)
{
    wsgi_chunk chunk = {visit->body.data, visit->body.size};
    wsgi_output output = {.chunks = &chunk, .count = chunk.size > 0};

    return wsgi_client_send(visit->request, head, &output, WSGI_END);
}
