/*
 * wsgi.h - the call of an application: environ, streams, response (PEP 3333).
 *
 * Unless said otherwise a function that takes a wsgi_call is called with the
 * interpreter's lock held, and one that fails leaves a Python exception set
 * and returns NULL or -1.
 */
#ifndef WSGI_WSGI_H
#define WSGI_WSGI_H

#include "../application/application.h"

typedef struct wsgi_call wsgi_call;

/* ---- kit.c: what an interpreter keeps for calls. ------------------------ */

struct wsgi_kit {
    PyTypeObject *call_type, *input_type, *wrapper_type;
    PyObject *constants; /* the part of environ that is always the same */
    PyObject *input_key, *errors_key;
};

/* Make and end the kit of an interpreter: see wsgi_hooks. */
int wsgi_kit_make(wsgi_interp *interp);
void wsgi_kit_forget(wsgi_interp *interp);

/* ---- environ.c: the environ dict. --------------------------------------- */

/* The variables that are the same in every request of an interpreter. */
PyObject *wsgi_environ_constants(wsgi_interp *interp);

/* The environ of a request, a new dict. */
PyObject *wsgi_environ_new(wsgi_call *call, const wsgi_settings *settings,
                           const wsgi_mount *mount);

/* Ends a slot's cache. cache may be NULL. */
void wsgi_environ_free(wsgi_environ *cache);

/* ---- call.c: one request as its Python objects see it. ------------------ */

/*
 * How far a response has come.
 *
 *     from            to             when
 *     NOT_STARTED     HEAD_REFUSED   start_response() begins to check
 *                                    its arguments
 *     HEAD_REFUSED    HEAD_STORED    start_response() has accepted them
 *     HEAD_STORED     HEAD_REFUSED   start_response() is called again, with
 *     HEAD_REFUSED    HEAD_REFUSED   exc_info, and begins to check
 *     HEAD_STORED     BEGUN          the head goes to the host
 *     HEAD_STORED     COMPLETE       wsgi_response_finish is to send it all
 *     BEGUN           COMPLETE       the end went to the host, or
 *                                    wsgi_sending_fail broke it off
 *     BEGUN           BROKEN         the host could not send
 *
 * The order of the stages matters: the questions below compare by it.
 */
enum wsgi_stage {
    WSGI_NOT_STARTED,  /* start_response() was not called */
    WSGI_HEAD_REFUSED, /* it was called; there is no head yet */
    WSGI_HEAD_STORED,  /* there is a head, which exc_info may replace */
    WSGI_BEGUN,        /* the host has the head */
    WSGI_COMPLETE,     /* no more bytes may follow */
    WSGI_BROKEN        /* no more bytes can follow: the client is gone */
};

/* The table above. Pure. */
static inline int wsgi_call_may_advance(enum wsgi_stage from,
                                        enum wsgi_stage to)
{
    static const unsigned char next[] = {
        [WSGI_NOT_STARTED] = 1 << WSGI_HEAD_REFUSED,
        [WSGI_HEAD_REFUSED] = 1 << WSGI_HEAD_REFUSED | 1 << WSGI_HEAD_STORED,
        [WSGI_HEAD_STORED] = 1 << WSGI_HEAD_REFUSED | 1 << WSGI_BEGUN |
                             1 << WSGI_COMPLETE,
        [WSGI_BEGUN] = 1 << WSGI_COMPLETE | 1 << WSGI_BROKEN,
        [WSGI_COMPLETE] = 0,
        [WSGI_BROKEN] = 0,
    };

    return (next[from] & 1 << to) != 0;
}

/*
 * The request and its response. start_response, write, wsgi.input and
 * wsgi.errors all own a reference to it.
 */
struct wsgi_call {
    wsgi_lease lease;
    wsgi_visit *visit;    /* borrowed, within the lease */
    pthread_mutex_t host; /* held for a down call: see wsgi_call_lock_host */
    unsigned steps;       /* begins and ends of down calls: atomic */
    int is_overdue;       /* it was given up (mod_wsgi.timeout) */

    /* What the client has done. The texts are those of the exceptions that
       told the application, NULL before the first: see wsgi_call_raise. */
    int read_error; /* of the request's body: an enum wsgi_read, or 0 */
    PyObject *read_text, *write_text;
    int is_told; /* the log has its line about the client */

    /* The response. Used in a critical section of the call. Python leaves
       that section, as it does the interpreter's lock, wherever it waits. So
       another thread may change these at each wait. */
    enum wsgi_stage stage;
    int is_discarded; /* before BEGUN: the server sends an error page instead.
                         start_response() goes on as before, without effect */
    wsgi_head head;
    int64_t sent;    /* bytes of the body */
    unsigned pieces; /* that came one by one; the first one with the head */
};

/* A new call for a request, or NULL. */
wsgi_call *wsgi_call_new(wsgi_visit *visit);

/* Takes the response on to another stage. The table above must allow that,
   which an assertion checks. In a critical section of the call. */
void wsgi_call_advance(wsgi_call *call, enum wsgi_stage to);

/* Questions about the stage, in a critical section of the call. Whether there
   is a head, sent or not; whether the head was sent, or may no longer be
   replaced; whether nothing more is sent, whatever the application does; and
   whether bytes may be sent. The last one is asked again after a wait for the
   host. Another thread may have ended the response meanwhile, or spoilt the
   head that was to be sent. */
static inline int wsgi_call_has_head(const wsgi_call *call)
{
    return call->stage >= WSGI_HEAD_STORED;
}

static inline int wsgi_call_has_begun(const wsgi_call *call)
{
    return call->stage >= WSGI_BEGUN;
}

static inline int wsgi_call_is_over(const wsgi_call *call)
{
    return call->is_discarded || call->stage >= WSGI_COMPLETE;
}

static inline int wsgi_call_may_send(const wsgi_call *call)
{
    return wsgi_call_has_head(call) && !wsgi_call_is_over(call);
}

/* Ends the call's lease. The caller keeps its reference. */
void wsgi_call_end(wsgi_call *call);

/* wsgi_lease_enter for functions that reach the client. They also fail in a
   forked copy of the process, because the request belongs to the original. */
int wsgi_call_enter_for_client(wsgi_call *call, const char *what);

/* The host takes one down call at a time for a request. A thread decides on
   the call and makes it between these two. Nothing between them may run Python
   code. */
void wsgi_call_lock_host(wsgi_call *call);
void wsgi_call_unlock_host(wsgi_call *call);

/* Raises IOError for what the client has done. text points to read_text or
   write_text of a call. The first time, *text is made from words. Each
   exception has this very object as its argument. So have the exceptions that
   frameworks make from those arguments. In a critical section of the call. */
void wsgi_call_raise(PyObject **text, const char *words);

/* Whether the exception that is set was raised by a failed read of the body,
   or while such an exception was handled. */
int wsgi_call_is_about_reading(const wsgi_call *call);

/* Logs the exception that is set, and clears it. If the client caused it, the
   log gets one line of level info for the request. Otherwise this does what
   wsgi_errors_report does. what says what could not be done. */
void wsgi_call_report(wsgi_call *call, const char *what);

/* Logs that the client of a request went away. No lock needed. */
void wsgi_call_log_gone(const wsgi_visit *visit);

PyTypeObject *wsgi_call_type(void);

/* ---- input.c: wsgi.input. ----------------------------------------------- */

PyTypeObject *wsgi_input_type(void);
PyObject *wsgi_input_new(wsgi_call *call);

/* ---- file_wrapper.c: wsgi.file_wrapper. --------------------------------- */

PyTypeObject *wsgi_file_wrapper_type(void);

/*
 * Looks for an open file behind a file wrapper. Returns 1 with descriptor,
 * position and size (from there to the file's end), or 0 when the object has
 * to be read.
 */
int wsgi_file_wrapper_open(PyObject *wrapper, int *fd, int64_t *offset,
                           int64_t *size);

/* ---- head.c: the head of a response, as start_response is given it. ----- */

/* Checks a status and the headers, and copies them into call->head, whose
   texts live in the visit's buffer. 0, or -1 with an exception. */
int wsgi_head_take(wsgi_call *call, PyObject *status, PyObject *headers);

/* ---- sending.c: the parts of a response go to the client. ---------------

   All in a critical section of the call. */

/* Whether a response with this status has no body (RFC 9110, 6.4.1). */
int wsgi_sending_is_bodiless(const wsgi_call *call);

/* How many of the next size bytes of the body may be sent. wsgi_sending_allow
   also logs if the application's Content-Length allows fewer. */
int64_t wsgi_sending_room(const wsgi_call *call, int64_t size);
int64_t wsgi_sending_allow(const wsgi_call *call, int64_t size);

/* Whether nothing more may follow what was sent. */
int wsgi_sending_is_full(const wsgi_call *call);

/* Check that there is a head, and that a block is bytes. what names the block
   in the exception. Return 0 or -1. */
int wsgi_sending_need_head(const wsgi_call *call);
int wsgi_sending_need_bytes(PyObject *block, const char *what);

/* Sends an output, and the head before it if the head was not sent yet. The
   caller holds the host (wsgi_call_lock_host), and has asked
   wsgi_call_may_send. */
void wsgi_sending_push(wsgi_call *call, const wsgi_output *output,
                       enum wsgi_after after);

/* Sends one block, or gives it to the sender's thread. Returns 0, or -1 with
   an exception. */
int wsgi_sending_block(wsgi_call *call, PyObject *block);

/* Sends what is left when the body is over: the head if it was not sent yet,
   and the end. Returns 0, or -1 with an exception. */
int wsgi_sending_rest(wsgi_call *call, enum wsgi_after after);

/* Makes a response that broke look broken to the client. */
void wsgi_sending_fail(wsgi_call *call);

/* ---- start_response.c: start_response and write(). ---------------------- */

/* A new start_response for this call. */
PyObject *wsgi_start_response_new(wsgi_call *call);

/* ---- response.c: what the application returned. ------------------------- */

/*
 * Sends what the application returned, calls its close() and drops the
 * reference. Returns 0, or -1 with an exception set. A small response that
 * is complete is not sent but left in visit->body, for wsgi_response_finish:
 * *rest is its size then, else -1.
 */
int wsgi_response_send(wsgi_call *call, PyObject *result, int64_t *rest);

/* Sends the head and the bytes in visit->body. No lock held. Returns 0, or -1
   when the client is gone. */
int wsgi_response_finish(const wsgi_visit *visit, const wsgi_head *head);

#endif
