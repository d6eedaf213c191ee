/*
 * core.h - what the core's files share.
 *
 * A function's prefix names its file: wsgi_settings_read is in settings.c.
 * Unless said otherwise a function that takes a wsgi_slot or a wsgi_call is
 * called with the interpreter's lock held, and one that fails leaves a Python
 * exception set and returns NULL or -1.
 */
#ifndef WSGI_CORE_H
#define WSGI_CORE_H

#include "host.h"
#include "python.h"

#include <pthread.h>

typedef struct wsgi_settings wsgi_settings;
typedef struct wsgi_interp wsgi_interp;
typedef struct wsgi_script wsgi_script;
typedef struct wsgi_environ wsgi_environ;
typedef struct wsgi_slot wsgi_slot;
typedef struct wsgi_visit wsgi_visit;
typedef struct wsgi_call wsgi_call;

/* ---- log.c: lines for the server's error log. Any thread, lock or not. -- */

/* Writes one line, prefixed with "mod_wsgi: ". request may be NULL. */
void wsgi_log(const wsgi_request *request, enum wsgi_level level,
              const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Writes one line as it is; what is not printable is shown as \xNN. */
void wsgi_log_line(const wsgi_request *request, enum wsgi_level level,
                   const char *text, size_t size);

/* ---- settings.c: the variables mod_wsgi.* of a request. No Python. ------ */

struct wsgi_settings {
    const char *application; /* NULL: the mapped file is the application */
    const char *interpreter; /* NULL: named after site and directory */
    const char *directory;   /* NULL, or absolute paths with ':' between */
    const char *virtualenv;  /* NULL, or an absolute path */
    const char *script_name; /* NULL: where the section says */
    long interpreters;
    int reload;
    int own_gil;
    int authorization;
};

/* Fills in settings, which borrow their strings from the request. Returns 0,
   or -1 after logging what is wrong and how to mend it. */
int wsgi_settings_read(const wsgi_request *request, wsgi_settings *settings);

/* ---- mount.c: SCRIPT_NAME and PATH_INFO. No Python. --------------------- */

/* Returns how many bytes at the front of request->uri are SCRIPT_NAME, the
   rest being PATH_INFO, or -1 where script_name does not lead to this URL. */
int64_t wsgi_mount_split(const wsgi_request *request,
                         const wsgi_settings *settings);

/* ---- runtime.c: Python in this process, and the thread that owns it. ---- */

extern wsgi_process wsgi_runtime_process;

/* Starts Python if nobody did. No lock held. Returns 0, or -1 after logging
   (once) why it can't be. */
int wsgi_runtime_start(const wsgi_request *request);

/* Runs job(arg) on the Python thread, with the main interpreter's state
   current, and waits for its end. No lock held. */
void wsgi_runtime_run(void (*job)(void *arg), void *arg);

/* ---- buffer.c: memory that grows, kept from request to request. --------- */

typedef struct wsgi_buffer {
    char *data;
    size_t size, room;
} wsgi_buffer;

/* Makes room for so many bytes in all; what data points to may move. Returns
   0, or -1 when memory is out. No lock needed. */
int wsgi_buffer_reserve(wsgi_buffer *buffer, size_t room);

/* Appends. Returns 0, or -1 when memory is out. No lock needed. */
int wsgi_buffer_add(wsgi_buffer *buffer, const void *data, size_t size);

/* ---- interp.c: the registry of interpreters, and how threads visit. ----- */

/* An interpreter. What is below `state` is written with its lock held. */
struct wsgi_interp {
    wsgi_interp *next;
    char *name;
    PyThreadState *birth; /* its first state, on the Python thread; NULL where
                             another module owns the interpreter */
    PyInterpreterState *state;
    PyTypeObject *call_type, *input_type, *errors_type, *wrapper_type;
    PyObject *constants;   /* the part of environ that is always the same */
    PyObject *input_key, *errors_key;
    PyObject *paths;        /* list: what we put on sys.path */
    char *virtualenv;       /* the one it uses, or NULL */
    wsgi_script *scripts;
    pthread_mutex_t loading; /* held while an application is imported */
};

/* One thread's place in one interpreter; only that thread uses it. */
struct wsgi_slot {
    wsgi_slot *next;
    wsgi_interp *interp;
    PyThreadState *state; /* NULL: none now */
    wsgi_environ *environ;
    wsgi_script *script; /* what the last request ran */
};

/* A request thread's stay in an interpreter. Stays nest: a filter of the
   server may make a sub-request while a response is sent. */
struct wsgi_visit {
    const wsgi_request *request;
    wsgi_visit *outer; /* the visit this one interrupts, or NULL */
    wsgi_slot *slot;
    wsgi_buffer head, body; /* for the response; the thread keeps them */
};

/*
 * Enters the interpreter for a request, made if need be: its lock is held
 * then and the thread's state there current. Returns 0, or after logging the
 * HTTP status for the client; the visit has not begun then.
 */
int wsgi_interp_enter(wsgi_visit *visit, const wsgi_request *request,
                      const wsgi_settings *settings);

/* Leaves the interpreter: the lock is released. */
void wsgi_interp_leave(wsgi_visit *visit);

/* Ends the visit, after wsgi_interp_leave: its buffers go. */
void wsgi_interp_done(wsgi_visit *visit);

/* The request that the calling thread serves, or NULL. */
const wsgi_request *wsgi_interp_request(void);

/* Runs the functions registered with atexit in every interpreter, when their
   threads have ended. On the Python thread, with the lock held. */
void wsgi_interp_end_all(void);

/* ---- script.c: finds, imports and caches applications. ------------------ */

/* The application for a request: a borrowed reference, or NULL after logging
   why there is none. */
PyObject *wsgi_script_find(wsgi_visit *visit, const wsgi_settings *settings);

/* ---- path.c: what the settings put on an interpreter's sys.path. -------- */

/* Puts mod_wsgi.directory and mod_wsgi.virtualenv on sys.path, once each.
   Returns 0, or -1 after logging or with an exception set. */
int wsgi_path_apply(wsgi_interp *interp, const wsgi_request *request,
                    const wsgi_settings *settings);

/* ---- environ.c: the environ dict. --------------------------------------- */

/* The part of it that is the same in every request of an interpreter. */
PyObject *wsgi_environ_constants(wsgi_interp *interp);

/* A new environ. script_name_size is wsgi_mount_split's answer. */
PyObject *wsgi_environ_new(wsgi_call *call, const wsgi_settings *settings,
                           size_t script_name_size);

/* Ends a slot's cache. cache may be NULL. */
void wsgi_environ_free(wsgi_environ *cache);

/* ---- call.c: one request as Python objects see it. ---------------------- */

/*
 * The request and its response. start_response, write, wsgi.input and
 * wsgi.errors all own a reference to it; when the request has ended it knows
 * so, and what they are asked to do then raises RuntimeError.
 */
struct wsgi_call {
    PyObject_HEAD
    const wsgi_request *request; /* borrowed, as is visit: see ended */
    wsgi_visit *visit;
    long users; /* calls under way, and a flag for "ended"; atomic */

    /* input.c */
    int read_error; /* an enum wsgi_read, or 0 */

    /* response.c */
    int asked;     /* start_response was called */
    int headed;    /* ... and accepted what it was given */
    int head_sent; /* the host has the head */
    int complete;  /* no more bytes may follow */
    int broken;    /* no more bytes can follow: the client is gone */
    int wrote;     /* write() was used */
    wsgi_head head;
    int64_t sent; /* bytes of the body */
};

/* A new call for a request, or NULL. */
wsgi_call *wsgi_call_new(wsgi_visit *visit);

/* Ends it: waits for down calls of other threads, then forgets the request.
   The reference is the caller's. */
void wsgi_call_end(wsgi_call *call);

/* Takes the request for a down call; every success needs a wsgi_call_leave.
   -1 with RuntimeError when it has ended; what names the object. */
int wsgi_call_enter(wsgi_call *call, const char *what);
void wsgi_call_leave(wsgi_call *call);

PyTypeObject *wsgi_call_type(void);

/* ---- input.c, errors.c: wsgi.input, wsgi.errors. ------------------------ */

PyTypeObject *wsgi_input_type(void);
PyObject *wsgi_input_new(wsgi_call *call);

PyTypeObject *wsgi_errors_type(void);
PyObject *wsgi_errors_new(wsgi_call *call);

/* Makes sys.stdout and sys.stderr of this interpreter write to the log. */
int wsgi_errors_install(wsgi_interp *interp);

/* Logs the exception that is set, with its traceback, and clears it. what
   says what could not be done. call may be NULL. */
void wsgi_errors_report(const wsgi_request *request, const char *what);

/* ---- file_wrapper.c: wsgi.file_wrapper. --------------------------------- */

PyTypeObject *wsgi_file_wrapper_type(void);

/*
 * Looks for an open file behind a file wrapper. Returns 1 with descriptor,
 * position and size (from there to the file's end), or 0 when the object has
 * to be read.
 */
int wsgi_file_wrapper_open(PyObject *wrapper, int *fd, int64_t *offset,
                           int64_t *size);

/* ---- response.c: start_response, write(), the body. --------------------- */

/* A new start_response for this call. */
PyObject *wsgi_response_start(wsgi_call *call);

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
