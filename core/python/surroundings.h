/*
 * surroundings.h - what surrounds an application in its interpreter: virtual
 * environments, sys.path, os.environ, signals, programs, copies of the
 * process, and what it may import.
 *
 * The rules in interpreters.h about locks and errors hold here too.
 */
#ifndef WSGI_SURROUNDINGS_H
#define WSGI_SURROUNDINGS_H

#include "interpreters.h"

/* ---- virtualenv.c: virtual environments. No Python. ------------ */

/* What was found out about an environment. */
typedef struct wsgi_virtualenv {
    const char *what;          /* the setting that names it */
    char root[WSGI_WALK_PATH]; /* "": there is none */
    int has_own_library;       /* it has a standard library */
    int is_customers;          /* an .htaccess file names it */
} wsgi_virtualenv;

/* Whether a directory is marked as a virtual environment. */
int wsgi_virtualenv_is_one(const char *root);

/* MOD_WSGI_PYTHON_HOME if that is a virtual environment, else NULL. All
   interpreters use that environment. */
const char *wsgi_virtualenv_of_process(void);

/* Examines the environment of the settings, or else that of the process.
   Returns 0. If it can't be used, logs why and returns an HTTP status. */
int wsgi_virtualenv_find(const wsgi_request *request,
                         const wsgi_settings *settings, wsgi_virtualenv *env);

/* ---- site.c: runs Python's site.py. ------------------------------------- */

/* sys.path. A new reference, for an application may replace the list while the
   caller uses it. */
PyObject *wsgi_site_path(void);

/* Gives the current interpreter the paths and prefixes that the environment's
   own python would have, and runs site, again if need be. Returns 0, or -1
   with an exception set. */
int wsgi_site_run(const wsgi_request *request, const wsgi_virtualenv *env);

/* ---- path.c: what the settings put on an interpreter's sys.path. -------- */

/* Puts mod_wsgi.directory and mod_wsgi.virtualenv on the sys.path of the
   interpreter that the request is in, once each. Returns 0, or after logging
   the HTTP status for the client; no exception is set. The caller has
   interp->loading. */
int wsgi_path_apply(const wsgi_request *request, wsgi_interp *interp,
                    const wsgi_settings *settings);

/* Whether a file is below one of the directories that we put on sys.path. */
int wsgi_path_covers(const wsgi_interp *interp, const char *file);

/* ---- osenviron.c: os.environ of an interpreter. ------------------------- */

/* Copies the process's environment, from which each os.environ is made. Called
   once, on the Python thread, before any application runs. Returns 0, or -1
   when memory is out. */
int wsgi_osenviron_copy(void);

/* Gives a new interpreter its own os.environ. */
int wsgi_osenviron_install(wsgi_interp *interp);

/* Whether the interpreter has been given the variables mod_wsgi.environ.NAME
   of a request. True if there are none. */
int wsgi_osenviron_is_known(const wsgi_interp *interp,
                            const wsgi_settings *settings);

/* Puts those variables into os.environ. If an earlier request gave another
   value, the new one is not used, which is logged once. The caller holds
   interp->loading. */
int wsgi_osenviron_apply(wsgi_visit *visit, const wsgi_settings *settings);

/* ---- children.c: programs that an application starts. ------------------- */

/* Gives them this interpreter's os.environ as their environment, unless the
   application passes another. Called after wsgi_osenviron_install. */
int wsgi_children_install(wsgi_interp *interp);

/* A new list with b"NAME=VALUE" for each entry of an os.environ's data, or
   NULL with an exception set. */
PyObject *wsgi_children_strings(PyObject *data);

/* ---- programs.c: programs, copies and threads of applications. --------- */

/* Called once in a process, before Python is started in it. */
void wsgi_programs_prepare(void);

/* Programs that this interpreter starts get the signals that the server was
   started with. Its threads get no signals, and its shells get its os.environ.
   Called after wsgi_osenviron_install, where that is called, and after the
   module threading has been imported. Returns 0, or -1 with an exception set.
 */
int wsgi_programs_install(wsgi_interp *interp);

/* ---- signals.c: signals are the server's. ------------------------------- */

/* Makes Python's table of signal handlers. On the Python thread, in the first
   interpreter, when Python has started. Returns 0, or -1 with an exception
   set. */
int wsgi_signals_prepare(void);

/* Replaces signal.signal() of this interpreter by a function without effect.
   Does the same to others that change how this process handles signals, or
   send it one. Returns 0, or -1 with an exception set. */
int wsgi_signals_ignore(void);

/* ---- fork.c: copies of this process that applications fork. ------------- */

/* Called once in a process, before Python is started in it and any application
   has opened a file. */
void wsgi_fork_prepare(void);

/* Makes Python tell us when code of this interpreter, which is current, forks.
   Returns 0, or -1 with an exception set. */
int wsgi_fork_watch(wsgi_interp *interp);

/* Whether this process is such a copy. Any thread, with or without the lock.
 */
int wsgi_fork_is_copy(void);

/* Called when the application's code has returned. Does nothing in the
   server's process. A copy of it exits here, with status 0 if no exception is
   set, else with SystemExit's code. Any other exception is logged, and the
   status is 1. */
void wsgi_fork_leave(const wsgi_request *request);

/* ---- imports.c: what a customer's interpreter may import. ------------------
 */

/* Restricts a customer's interpreter to imports of files that belong to the
   customer, to root or to the server's Python. Called before anything of the
   customer's is on sys.path. Does nothing in other interpreters. Returns 0, or
   -1 with an exception set. */
int wsgi_imports_guard(wsgi_interp *interp);

/* Called before and after the calling thread loads an application. */
void wsgi_imports_begin(void);
void wsgi_imports_end(void);

/* Between the two: whether the exception that is set is a refused import. A
   refusal that the application has caught does not count. */
int wsgi_imports_is_refusal(void);

/* Reads a whole open file as bytes. Returns NULL with an exception set, in
   which the file is called name. */
PyObject *wsgi_imports_read(int fd, const char *name);

#endif
