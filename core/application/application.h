/*
 * application.h - finds, imports, caches and replaces applications.
 *
 * Every function here is called with the interpreter's lock held.
 */
#ifndef WSGI_APPLICATION_H
#define WSGI_APPLICATION_H

#include "../python/reports.h"
#include "../python/surroundings.h"

/* ---- kinds.c: applications that are not WSGI's. ----------------- */

enum wsgi_kind {
    WSGI_KIND_UNKNOWN,
    WSGI_KIND_ASGI,
    WSGI_KIND_FACTORY,
    WSGI_KIND_CLASS
};

/* Guesses the kind of an application whose call with environ and
   start_response has failed, from the exception that is set. The exception
   stays set. */
enum wsgi_kind wsgi_kinds_find(PyObject *application);

/* Logs what to do with an application of that kind. name is the setting's
   value, NULL for a file. */
void wsgi_kinds_hint(const wsgi_request *request, enum wsgi_kind kind,
                     const char *name);

/* For a result that can't be iterated over: if its type tells which mistake
   was made, replaces the TypeError that is set by one that says so. */
void wsgi_kinds_explain(PyObject *result);

/* ---- reload.c: a changed application in a fresh interpreter. ------------ */

/* If a source file of the application has changed since it was loaded, loads
   the application in a fresh interpreter. If that works, the visit moves
   there. */
void wsgi_reload_check(wsgi_visit *visit, const wsgi_settings *settings);

/* Begins to watch the files of the loaded application, unless that has begun.
 */
void wsgi_reload_watch(wsgi_visit *visit, const wsgi_settings *settings);

/* Whether wsgi_reload_watch was called in this process. Any thread, without a
   lock. */
int wsgi_reload_is_used(void);

/* Frees a watch. watch may be NULL. */
void wsgi_reload_forget(wsgi_watch *watch);

/* ---- script.c: finds, imports and caches applications. ------------------ */

/* Finds or loads the application for a request. Returns a borrowed reference.
   On failure logs why and returns NULL, with the client's HTTP status in
   visit->status. */
PyObject *wsgi_script_find(wsgi_visit *visit, const wsgi_settings *settings);

/* Frees a list of scripts, which may be NULL. */
void wsgi_script_forget(wsgi_script *scripts);

/* ---- loading.c: a load that takes long, or never ends. ------------------ */

/* A load that is under way. Only loading.c uses the fields. */
typedef struct wsgi_loading {
    const wsgi_request *request;
    wsgi_interp *interp;
    const char *application;
    PyThreadState *state; /* of the thread that loads */
    unsigned long thread;
    int is_watched, is_over, is_interrupted;
} wsgi_loading;

/* Called before and after an application is loaded in the current interpreter.
   In between, another thread watches the load. If the load takes too long,
   that thread logs where it is. If the process is to end after that, it
   interrupts the load with KeyboardInterrupt. wsgi_loading_end waits for the
   watching thread, and releases the interpreter's lock meanwhile. */
void wsgi_loading_begin(wsgi_loading *l, const wsgi_request *request,
                        wsgi_interp *interp, const char *application);
void wsgi_loading_end(wsgi_loading *l);

/* Whether an interpreter loads no application any more, because a load there
   was interrupted. If so, logs it. */
int wsgi_loading_is_refused(const wsgi_request *request,
                            const wsgi_interp *interp,
                            const char *application);

/* ---- failures.c: why an application did not load at first. -------------- */

/* Remembers the first exception that loading an application has raised. If a
   later one differs, logs the first. texts are those of wsgi_errors_texts, or
   NULL, which is ignored. The caller holds interp->loading. */
void wsgi_failures_note(const wsgi_request *request, wsgi_interp *interp,
                        const char *application, PyObject *texts);

/* Called when the application has loaded. The caller holds interp->loading. */
void wsgi_failures_forget(wsgi_interp *interp, const char *application);

/* Frees a list of failures, which may be NULL. */
void wsgi_failures_end(wsgi_failure *failures);

#endif
