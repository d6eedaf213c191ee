/*
 * sending.c - the parts of a response go to the client.
 *
 * The head (head.c) goes out with the first bytes of the body (PEP 3333, "The
 * start_response() Callable").
 */
#include "wsgi.h"

/* The first of every 64 pieces is sent here, which releases Python's lock. The
   others may be given to the sender's thread, which keeps the lock. */
#define RUN 64

int wsgi_sending_is_bodiless(const wsgi_call *call)
{
    return wsgi_check_is_bodiless(call->lease.request, call->head.status);
}

void wsgi_sending_push(wsgi_call *call, const wsgi_output *output,
                       enum wsgi_after after)
{
    const wsgi_request *request = call->lease.request;
    const wsgi_head *head = NULL;
    int result;

    if (!wsgi_call_has_begun(call)) {
        head = &call->head;
        wsgi_call_advance(call, WSGI_BEGUN);
    }
    Py_BEGIN_ALLOW_THREADS
    result = wsgi_client_send(request, head, output, after);
    Py_END_ALLOW_THREADS
    if (result < 0)
        wsgi_call_advance(call, WSGI_BROKEN);
    else if (after == WSGI_END)
        wsgi_call_advance(call, WSGI_COMPLETE);
}

int64_t wsgi_sending_room(const wsgi_call *call, int64_t size)
{
    int64_t length = call->head.content_length;

    if (wsgi_sending_is_bodiless(call))
        return 0;
    return length < 0 || size <= length - call->sent ? size
                                                     : length - call->sent;
}

int64_t wsgi_sending_allow(const wsgi_call *call, int64_t size)
{
    int64_t room = wsgi_sending_room(call, size);

    if (room < size && !wsgi_sending_is_bodiless(call))
        wsgi_log(call->lease.request, WSGI_WARNING,
                 "MW0504: the application returned more than the %lld bytes "
                 "its Content-Length announced: the rest is not sent",
                 (long long)call->head.content_length);
    return room;
}

int wsgi_sending_is_full(const wsgi_call *call)
{
    return wsgi_sending_is_bodiless(call) ||
           (call->head.content_length >= 0 &&
            call->sent == call->head.content_length);
}

int wsgi_sending_need_head(const wsgi_call *call)
{
    if (wsgi_call_has_head(call))
        return 0;
    PyErr_SetString(PyExc_RuntimeError,
                    call->stage == WSGI_HEAD_REFUSED
                        ? "start_response() failed, and was not called again"
                        : "the application did not call start_response()");
    return -1;
}

int wsgi_sending_need_bytes(PyObject *block, const char *what)
{
    if (PyBytes_Check(block))
        return 0;
    PyErr_Format(PyExc_TypeError, "%s must be bytes, not %.200s", what,
                 Py_TYPE(block)->tp_name);
    return -1;
}

int wsgi_sending_block(wsgi_call *call, PyObject *block)
{
    wsgi_chunk chunk;
    wsgi_output p = {.chunks = &chunk};

    if (wsgi_sending_need_head(call) < 0)
        return -1;
    chunk.data = PyBytes_AS_STRING(block);
    chunk.size = (size_t)PyBytes_GET_SIZE(block);
    if (chunk.size == 0)
        return 0;
    wsgi_call_lock_host(call);
    if (wsgi_call_may_send(call)) {
        chunk.size = (size_t)wsgi_sending_allow(call, (int64_t)chunk.size);
        call->sent += (int64_t)chunk.size;
        p.count = chunk.size > 0;
        if (wsgi_sending_is_full(call))
            wsgi_sending_push(call, &p, WSGI_END);
        else if (call->pieces++ % RUN == 0 ||
                 wsgi_sender_give(call->lease.request, &chunk) < 0)
            wsgi_sending_push(call, &p, WSGI_FLUSH);
    }
    wsgi_call_unlock_host(call);
    return wsgi_sending_need_head(call);
}

int wsgi_sending_rest(wsgi_call *call, enum wsgi_after after)
{
    static const wsgi_output nothing = {.chunks = NULL};

    wsgi_call_lock_host(call);
    if (wsgi_call_may_send(call))
        wsgi_sending_push(call, &nothing, after);
    wsgi_call_unlock_host(call);
    return wsgi_sending_need_head(call);
}

void wsgi_sending_fail(wsgi_call *call)
{
    wsgi_call_lock_host(call);
    if (!wsgi_call_is_over(call)) {
        Py_BEGIN_ALLOW_THREADS
        wsgi_client_fail(call->lease.request);
        Py_END_ALLOW_THREADS
        wsgi_call_advance(call, WSGI_COMPLETE);
    }
    wsgi_call_unlock_host(call);
}
