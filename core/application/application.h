/*
 * application.h - finds, imports, caches and replaces applications.
 *
 * All is called with the interpreter's lock held.
 */
#ifndef WSGI_APPLICATION_H
#define WSGI_APPLICATION_H

#include "../python/interpreters.h"

/* ---- kinds.c: applications of another kind than WSGI's. ----------------- */

enum wsgi_kind {
    WSGI_KIND_UNKNOWN,
    WSGI_KIND_ASGI,
    WSGI_KIND_FACTORY,
    WSGI_KIND_CLASS
};

/* What an application is that could not be called with environ and
   start_response, by the exception that is set and stays so. */
enum wsgi_kind wsgi_kinds_find(PyObject *application);

/* Logs what to do with such a one. name is the setting's. */
void wsgi_kinds_hint(const wsgi_request *request, enum wsgi_kind kind,
                     const char *name);

/* If it is known how a WSGI application came to return such an object, which
   can't be iterated over, says so in the exception that is set. */
void wsgi_kinds_explain(PyObject *result);

/* ---- reload.c: a changed application in a fresh interpreter. ------------ */

/* If the source of what runs here has changed since it was loaded: loads the
   application in a fresh interpreter, and moves there if that works. */
void wsgi_reload_check(wsgi_visit *visit, const wsgi_settings *settings);

/* Begins to watch the files of what was loaded, unless they are watched. */
void wsgi_reload_watch(wsgi_visit *visit, const wsgi_settings *settings);

/* Ends a watch. watch may be NULL. */
void wsgi_reload_forget(wsgi_watch *watch);

/* ---- script.c: finds, imports and caches applications. ------------------ */

/* The application for a request: a borrowed reference, or NULL after logging
   why there is none; visit->status is for the client then. */
PyObject *wsgi_script_find(wsgi_visit *visit, const wsgi_settings *settings);

/* Ends a list of what was found. scripts may be NULL. */
void wsgi_script_forget(wsgi_script *scripts);

/* ---- loading.c: a load that takes long, or never ends. ------------------ */

/* The load of an application, while it lasts; for loading.c. */
typedef struct wsgi_loading {
    const wsgi_request *request;
    wsgi_interp *interp;
    const char *application;
    PyThreadState *state; /* of the thread that loads, and its number */
    unsigned long thread;
    int is_watched, is_over, is_interrupted;
} wsgi_loading;

/* The calling thread begins to load an application in the interpreter it is
   in, and ends it: in between another thread watches. Where that takes too
   long, the log says where the load is; if the process is to end then, the
   load is interrupted (KeyboardInterrupt). The end waits for that thread,
   without the lock. */
void wsgi_loading_begin(wsgi_loading *l, const wsgi_request *request,
                        wsgi_interp *interp, const char *application);
void wsgi_loading_end(wsgi_loading *l);

/* Whether no application is to be loaded in an interpreter any more, since a
   load there had to be interrupted; that is logged then. */
int wsgi_loading_is_refused(const wsgi_request *request,
                            const wsgi_interp *interp,
                            const char *application);

/* ---- failures.c: why an application did not load at first. -------------- */

/* Takes note of the texts of an exception (wsgi_errors_texts, NULL: none) that
   an application's load has raised. If it is not the first and another one
   than that, logs the first. The caller has interp->loading. */
void wsgi_failures_note(const wsgi_request *request, wsgi_interp *interp,
                        const char *application, PyObject *texts);

/* The application has loaded. The caller has interp->loading. */
void wsgi_failures_forget(wsgi_interp *interp, const char *application);

/* Ends a list of failures, which may be NULL. */
void wsgi_failures_end(wsgi_failure *failures);

#endif
