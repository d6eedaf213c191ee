/*
 * response.c - what the application returned: blocks, an iterable, or a file.
 */
#include "wsgi.h"

/* A list whose blocks have at most this size together is copied. So it can be
   sent after the request has released Python's lock for good. */
#define SMALL 32768

/* Checks the blocks of a tuple, and adds up their sizes. */
static int total_size(PyObject *blocks, int64_t *total)
{
    Py_ssize_t i;

    *total = 0;
    for (i = 0; i < PyTuple_GET_SIZE(blocks); i++) {
        PyObject *block = PyTuple_GET_ITEM(blocks, i);

        if (wsgi_sending_need_bytes(block, "a block of the response") < 0)
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
    if (wsgi_call_may_send(call)) {
        size = wsgi_sending_room(call,
                                 size); /* another thread may have written */
        p.count = point_at(blocks, size, chunks);
        call->sent += size;
        wsgi_sending_push(call, &p,
                          wsgi_sending_is_full(call) ? WSGI_END : WSGI_FLUSH);
    }
    wsgi_call_unlock_host(call);
    return wsgi_sending_need_head(call);
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
    wsgi_call_advance(call, WSGI_COMPLETE);
    return 0;
}

/* Sends or keeps blocks that were checked, size bytes in all. */
static int send_checked(wsgi_call *call, PyObject *blocks, int64_t size,
                        int64_t *rest)
{
    if (call->head.content_length < 0 && !wsgi_call_has_begun(call) &&
        !wsgi_sending_is_bodiless(call))
        call->head.content_length = size;
    if (size > 0)
        size = wsgi_sending_allow(call, size);
    if (wsgi_call_is_over(call)) /* by write() */
        return 0;
    if (wsgi_call_has_begun(call) || size > SMALL ||
        (!wsgi_sending_is_bodiless(call) && size != call->head.content_length))
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
        wsgi_sending_need_head(call) == 0)
        done = send_checked(call, blocks, size, rest);
    Py_XDECREF(blocks);
    return done;
}

/* PEP 3333, "Handling the Content-Length Header": "If the application does
   not supply a Content-Length header, [and] the len() of the iterable is 1,
   then the server can automatically determine Content-Length". */
static void take_only_block(wsgi_call *call, PyObject *block)
{
    if (wsgi_call_has_begun(call) || !wsgi_call_has_head(call) ||
        call->head.content_length >= 0 || wsgi_sending_is_bodiless(call))
        return;
    call->head.content_length = PyBytes_GET_SIZE(block);
}

/* Whether the iterable says that it has one block. Asked before the block is
   taken, because the length of some iterables is what is left. */
static int has_one_block(const wsgi_call *call, PyObject *result)
{
    int answer = 0;

    if (!wsgi_call_has_head(call) || call->head.content_length < 0)
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
    while (done == 0 && !wsgi_call_is_over(call)) {
        block = PyIter_Next(iterator);
        wsgi_fork_leave(call->lease.request);
        if (block == NULL)
            break;
        done = wsgi_sending_need_bytes(block, "a block of the response");
        if (done == 0) {
            if (is_alone)
                take_only_block(call, block);
            done = wsgi_sending_block(call, block);
        }
        Py_DECREF(block);
    }
    Py_XDECREF(iterator);
    return PyErr_Occurred() ? -1 : done;
}

/* PEP 3333, "Optional Platform-Specific File Handling": sends the file from
   its position to its end, or as much as Content-Length says. */
static int send_open_file(wsgi_call *call, int fd, int64_t offset,
                          int64_t size)
{
    wsgi_output p = {.is_file = 1, .fd = fd, .offset = offset};

    if (wsgi_sending_need_head(call) < 0)
        return -1;
    if (call->head.content_length < 0 && !wsgi_call_has_begun(call) &&
        !wsgi_sending_is_bodiless(call))
        call->head.content_length = size;
    wsgi_call_lock_host(call);
    p.size = wsgi_sending_room(call, size);
    if (p.size > 0 && wsgi_call_may_send(call)) {
        call->sent += p.size;
        wsgi_sending_push(call, &p,
                          wsgi_sending_is_full(call) ? WSGI_END : WSGI_FLUSH);
    }
    wsgi_call_unlock_host(call);
    return wsgi_sending_need_head(call);
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

/* After the last block. A head without a body must still be sent, and a body
   that is too short must look broken. */
static int end_body(wsgi_call *call)
{
    int64_t length = call->head.content_length;

    if (wsgi_call_is_over(call))
        return 0;
    if (wsgi_sending_need_head(call) < 0)
        return -1;
    if (wsgi_sending_is_bodiless(call) || length < 0 || call->sent == length)
        return wsgi_sending_rest(call, WSGI_END);
    if (wsgi_sending_rest(call, WSGI_FLUSH) < 0)
        return -1;
    if (wsgi_call_is_over(call))
        return 0;
    wsgi_log(call->lease.request, WSGI_ERROR,
             "MW0503: the application returned %lld of the %lld bytes its "
             "Content-Length announced: the connection is closed",
             (long long)call->sent, (long long)length);
    wsgi_sending_fail(call);
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
        wsgi_call_report(call, "MW0502: the response's close() failed");
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

    return wsgi_client_send(visit->request, head, &output, WSGI_LAST);
}
