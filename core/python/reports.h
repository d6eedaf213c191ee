/*
 * reports.h - what Python writes to the log: exceptions, text streams, and
 * hints how an exception's cause is mended.
 *
 * The rules in interpreters.h about locks and errors hold here too.
 */
#ifndef WSGI_REPORTS_H
#define WSGI_REPORTS_H

#include "interpreters.h"

/* ---- errors.c: exceptions. ---------------------------------------------- */

/* Logs the exception that is set, with its traceback, and clears it. what is
   the first line: the message's code, and what could not be done. request may
   be NULL. */
void wsgi_errors_report(const wsgi_request *request, const char *what);

/* The traceback of the exception that is set, as a tuple of texts, or NULL.
   The exception stays set. */
PyObject *wsgi_errors_texts(void);

/* Logs such a tuple, which may be NULL. Returns how many texts it has. */
int wsgi_errors_log(const wsgi_request *request, enum wsgi_level level,
                    PyObject *texts);

/* Logs text line by line, without empty lines. */
void wsgi_errors_lines(const wsgi_request *request, enum wsgi_level level,
                       const char *text, size_t size);

/* Where another thread of this interpreter is, given its state and number, as
   such a tuple, or NULL if it runs no Python code. No exception is set before
   or after. */
PyObject *wsgi_errors_stack(PyThreadState *state, unsigned long thread);

/* ---- slow.c: requests that take long. ----------------------------------- */

/* A request that is watched. Its thread has it on its stack. */
typedef struct wsgi_slow wsgi_slow;

struct wsgi_slow {
    wsgi_slow *next, **place; /* its place in the list */
    const wsgi_request *request;
    const wsgi_interp *interp;
    const char *application;
    long seconds;
    PyThreadState *state;
    unsigned long thread;
    long long due; /* when something is to be done, in milliseconds */
    int is_told;   /* it is being done, or was */
    int is_used;   /* a thread that does it uses this */

    /* What is to be done, in a thread of its own that holds no lock. Returns
       in how many milliseconds it is to be done again; 0: not again. */
    long (*act)(wsgi_slow *slow);

    /* Optional. Whether it is to be done now; if not, changes due. Must not
       wait. */
    int (*is_quiet)(wsgi_slow *slow, long long now);
};

/* Watches the request of a visit, which has the setting mod_wsgi.slow, from
   now on. slow is valid until the end. */
void wsgi_slow_begin(wsgi_slow *slow, const wsgi_visit *visit,
                     const wsgi_settings *settings);

/* The same for a record with seconds, act, is_quiet, and in due the time until
   then. */
void wsgi_slow_watch(wsgi_slow *slow, const wsgi_visit *visit,
                     const wsgi_settings *settings);

/* Watches it no longer. May release the lock: waits for the thread that logs
   it. Keeps the exception that is set. */
void wsgi_slow_end(wsgi_slow *slow);

/* Logs the request's stack, in its interpreter, with the lock. */
void wsgi_slow_tell_stack(const wsgi_slow *slow);

/* ---- overdue.c: requests without progress. ------------------------------ */

/* A request with mod_wsgi.timeout in a process of the server. */
typedef struct wsgi_overdue {
    wsgi_slow slow; /* the first member */
    const unsigned *steps;
    unsigned seen;         /* of them */
    long long quiet_since; /* milliseconds; 0: not known yet */
    int is_raised;         /* the exception was raised in its thread */
    int is_stuck;          /* and has not ended the request */
} wsgi_overdue;

/* Watches the request from now on. *steps counts its down calls: it is odd
   during one. */
void wsgi_overdue_begin(wsgi_overdue *overdue, const wsgi_visit *visit,
                        const wsgi_settings *settings, const unsigned *steps);

/* Watches it no longer. Returns whether the request was given up. */
int wsgi_overdue_end(wsgi_overdue *overdue);

/* ---- streams.c: wsgi.errors, sys.stdout and sys.stderr. ----------------- */

PyTypeObject *wsgi_streams_text_type(void);
PyTypeObject *wsgi_streams_binary_type(void);

/* Whether an object is of one of those types. */
int wsgi_streams_is_one(PyObject *object);

/* A new wsgi.errors for a request. It refers to the lease. */
PyObject *wsgi_streams_errors(wsgi_lease *lease);

/* Flushes sys.stdout and sys.stderr of the current interpreter. No exception
   is set afterwards. */
void wsgi_streams_flush(void);

/* Makes sys.stdout and sys.stderr of this interpreter write to the log. */
int wsgi_streams_install(wsgi_interp *interp);

/* ---- records.c: a handler for the module logging. ----------------------- */

/* Puts the module mod_wsgi_log into this interpreter. */
int wsgi_records_install(void);

/* ---- faults.c: faulthandler. -------------------------------------------- */

/* Where faulthandler of this interpreter would use sys.stderr, it writes to
   the process's standard error, which is the server's log. */
int wsgi_faults_install(const wsgi_interp *interp);

/* Has faulthandler write the stacks of main_interpreter's threads there, if it
   can, in a process of applications. No lock is needed. Whoever runs Python
   code meanwhile may make the process crash: so only while somebody keeps the
   lock. Any thread. */
void wsgi_faults_tell(void);

/* ---- missing.c: what an application lacks that does not load. ---------- */

/* What an exception says is missing; "" for what is not. */
typedef struct wsgi_missing {
    char variable[256]; /* of os.environ */
    char package[256];
    char file[WSGI_WALK_PATH]; /* the file exists, but the server's user may
                                  not open it */
} wsgi_missing;

/* Finds out what is missing from the exception that is set, and leaves it set.
 */
void wsgi_missing_find(wsgi_missing *missing);

/* Logs how to mend that, for the application of these settings in that
   interpreter. */
void wsgi_missing_hint(const wsgi_request *request,
                       const wsgi_settings *settings,
                       const wsgi_interp *interp, const wsgi_missing *missing);

/* ---- binding.c: modules for one interpreter only. ----------------------- */

/* If an exception says that an extension module refuses to be in this
   interpreter, logs which other interpreter of the process has the module, or
   what to set. Releases the lock meanwhile. No exception is set before or
   after. */
void wsgi_binding_hint(const wsgi_request *request, PyObject *type,
                       PyObject *error, PyObject *traceback);

#endif
