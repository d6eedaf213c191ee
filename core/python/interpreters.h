/*
 * interpreters.h - Python in a process: interpreters, the server's threads in
 * them, and the parts of Python that belong to the server. Nothing of WSGI.
 *
 * Two rules hold unless a function says otherwise. A function that takes a
 * wsgi_slot, a wsgi_visit or a wsgi_lease is called with the interpreter's
 * lock held. A function that fails returns NULL or -1 with a Python exception
 * set.
 */
#ifndef WSGI_INTERPRETERS_H
#define WSGI_INTERPRETERS_H

#include "../client/client.h"
#include "python.h"

#include <pthread.h>
#include <signal.h>

typedef struct wsgi_interp wsgi_interp;
typedef struct wsgi_slot wsgi_slot;
typedef struct wsgi_visit wsgi_visit;

/* What the layers above keep in interpreters and slots. */
typedef struct wsgi_kit wsgi_kit;
typedef struct wsgi_environ wsgi_environ;
typedef struct wsgi_script wsgi_script;
typedef struct wsgi_watch wsgi_watch;
typedef struct wsgi_failure wsgi_failure;

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

/* ---- jobs.c: work for the Python thread. No Python. ---------- */

/* Called once in a process, before the Python thread is made. */
void wsgi_jobs_prepare(void);

/* Runs job(arg) on the Python thread, with the main interpreter's state
   current, and waits for its end. The caller holds no lock. */
void wsgi_jobs_run(void (*job)(void *arg), void *arg);

/* Wakes the Python thread, which then looks for interpreters to end. Safe in a
   signal handler. */
void wsgi_jobs_wake(void);

/* Whether the Python thread is at work, and so needs Python's lock. */
int wsgi_jobs_are_under_way(void);

/* For the Python thread only. The first waits for something to do, or at most
   50 ms (briefly). The second says whether the thread is at work. The third
   does the job that was handed over, if there is one. */
void wsgi_jobs_wait(int briefly);
void wsgi_jobs_set_under_way(int now);
void wsgi_jobs_do(void);

/* ---- runtime.c: Python in this process, and the thread that owns it. ---- */

/* Starts Python unless it runs. The caller holds no lock. Returns 0. On
   failure returns -1, and logs why, but not for each request. */
int wsgi_runtime_start(const wsgi_request *request);

/* ---- stop.c: the end of Python in this process. ------------------------- */

/* Called once in a process, before Python is started in it. */
void wsgi_stop_prepare(void);

/* Called on the Python thread when the end is complete. */
void wsgi_stop_done(void);

/* ---- version.c: names and versions. ------ */

/* Logs at level info that an interpreter was made: which one, for which
   application, in which Python and environment. With or without the lock. */
void wsgi_version_tell(const wsgi_request *request,
                       const wsgi_settings *settings,
                       const wsgi_interp *interp);

/* ---- interp.c: interpreters: who is inside, which end. --------- */

/* Whether an interpreter has a thread that makes it take turns (turns.c). */
enum wsgi_turns {
    WSGI_NO_TURNS,
    WSGI_LACKS_TURNS, /* no thread could be made, and it is tried again */
    WSGI_TAKES_TURNS,
    WSGI_LAST_TURN
};

/* An interpreter. The struct is never freed. A comment names the file whose
   field it is. "loading" means that this mutex guards it. */
struct wsgi_interp {
    wsgi_interp *next; /* registry lock */
    char *name;        /* the registry's, with the owner if there is one */
    const char *shown; /* the part of name for people */
    long owner;        /* the user it belongs to; -1: the server's */
    char **library;    /* imports.c: where the server's own Python is */
    int own_gil;       /* it has its own Python lock */
    int is_pooled;     /* there are several of its name */
    PyThreadState *first_state; /* the Python thread's state here */
    PyInterpreterState *state;
    int steps;                             /* making.c: how many are done */
    PyTypeObject *text_type, *binary_type; /* streams.c */
    wsgi_kit *kit;                         /* kit.c's */
    PyObject *paths;                /* list: what we have put on sys.path */
    PyObject *os_environ;           /* dict: the data of os.environ, or NULL */
    PyObject *environ_given;        /* dict: what mod_wsgi.environ.NAME set */
    unsigned long long environ_sum; /* the settings' hash of that; atomic */
    PyObject *environ_told; /* set: NAMEs whose contradictions were logged */
    char *virtualenv;       /* the environment's setting, or NULL */
    int needs_site;         /* site has not run yet; loading */
    wsgi_script *scripts;
    wsgi_failure *failures; /* failures.c; loading */
    struct timespec born; /* when it was made, by the clock of file systems */
    wsgi_watch *watch;    /* reload.c's, or NULL; atomic */
    pthread_mutex_t loading;   /* held while an application is imported */
    int loads_nothing;         /* a load was interrupted: loading.c; atomic */
    enum wsgi_turns turns;     /* atomic */
    time_t turns_tried;        /* turns.c; atomic */
    PyThreadState *turn_state; /* of the thread for turns, or NULL */
    wsgi_gate visits;          /* closed when retired */
    int slots;                 /* how many threads have a slot here; atomic */
    wsgi_interp *next_ending;  /* ending.c: the next interpreter to end */
    PyObject *ender;           /* ending.c: the thread that ends it, or NULL */
    time_t deadline;           /* ending.c: until when it is waited for */
    int ender_told; /* ending.c: that there is no ender was logged */
    int is_over;    /* ending.c: what ran in it has ended, or can't be ended */
    int lingers;    /* ending.c: that threads go on was logged */
};

/* How the layers above make and end what they keep in an interpreter and in a
   thread's slot. handler.c fills this in when the process starts. The hooks
   are called with the interpreter's lock held and a state of it current. */
typedef struct wsgi_hooks {
    /* Called for a new interpreter. Returns 0, or -1 with an exception set. */
    int (*made)(wsgi_interp *interp);

    /* Called when it ends, and again if anything was made meanwhile. */
    void (*ends)(wsgi_interp *interp);

    /* Called when a thread gives up its slot. */
    void (*left)(wsgi_slot *slot);
} wsgi_hooks;

extern const wsgi_hooks *wsgi_interp_hooks;

/* The head of the list of interpreters that serve. registry.c changes the list
   under its lock. Everybody may read it atomically. */
wsgi_interp **wsgi_interp_serving(void);

/* Whether a request is inside any interpreter that serves. Takes no lock. */
int wsgi_interp_is_anyone_inside(void);

/* Counts an interpreter that is about to be made. Returns how many this
   process has in memory, with that one. The second takes one off the count. */
int wsgi_interp_count_one(void);
void wsgi_interp_forget_one(void);

/* Closes an interpreter, which must not be in the list of those that serve. It
   ends when nobody is inside any more. */
void wsgi_interp_retire(wsgi_interp *interp);
int wsgi_interp_is_retired(const wsgi_interp *interp);

/* How many interpreters have been retired since the process began. */
unsigned long wsgi_interp_retirements(void);

/* Takes the list (by next_ending) of retired interpreters that nobody is
   inside. The second puts one back that can't be ended yet. On the Python
   thread. */
wsgi_interp *wsgi_interp_take_ending(void);
void wsgi_interp_put_back(wsgi_interp *interp);

/* Calls look for each interpreter that serves, on the Python thread, with that
   interpreter's lock held. The caller holds no lock. */
void wsgi_interp_visit_all(void (*look)(const wsgi_interp *interp, void *arg),
                           void *arg);

/* The state of main_interpreter, or NULL if we have not made it. Takes no
   lock. */
const PyInterpreterState *wsgi_interp_main(void);

/* The first counts a visit and returns 1. If the interpreter is retired, it
   returns 0 and counts nothing. The second gives the count back. */
int wsgi_interp_hold(wsgi_interp *interp);
void wsgi_interp_release(wsgi_interp *interp);

/* ---- turns.c: interpreters take turns at Python's lock. ----------------- */

/* From now on, threads of other interpreters get the lock while a thread of
   this one computes. On the Python thread, once for each interpreter. */
void wsgi_turns_begin(wsgi_interp *interp);

/* Tries again if there was no thread for that. The caller is inside the
   interpreter, without its lock. */
void wsgi_turns_try(wsgi_interp *interp);

/* Called before waiting for the lock. Any thread that does not have it. */
void wsgi_turns_want(void);

/* Ends the taking of turns. Returns whether that has ended. If not, the caller
   asks again later, for the ending needs the lock. */
int wsgi_turns_end(wsgi_interp *interp);

/* ---- ending.c: the end of interpreters, on the Python thread. ----------- */

/* Does what it can for the interpreters that are ending, without waiting.
   Returns whether more is to do. The main interpreter's state is current. */
int wsgi_ending_step(void);

/* Runs the atexit functions of all interpreters that serve and of the main
   one. Waits until they are done, or until the time for the end is over. */
void wsgi_ending_all(void);

/* ---- thread.c: threads of the server, and what each keeps. -------------- */

/* One thread's place in one interpreter. Only that thread uses it. */
struct wsgi_slot {
    wsgi_slot *next;
    wsgi_interp *interp;
    PyThreadState *state; /* NULL if there is none now */
    wsgi_environ *environ;
    wsgi_script *script; /* what this thread's last request ran here */
};

/* A request's stay in an interpreter. Visits nest: a filter of the server may
   make a sub-request while a response is sent. */
struct wsgi_visit {
    const wsgi_request *request;
    wsgi_visit *outer; /* the visit that this one interrupts, or NULL */
    wsgi_slot *slot;
    wsgi_body *kept;  /* the body, if it was read beforehand, or NULL */
    int status;       /* for the client, if the application can't be run */
    int read_error;   /* one of enum wsgi_read, or 0 */
    wsgi_line *lines; /* unfinished ones of sys.stdout and sys.stderr */
    wsgi_buffer head, body; /* for the response; lent by the thread */
};

/* What one thread of the server keeps. */
typedef struct wsgi_thread {
    wsgi_slot *slots;
    wsgi_slot *last;                 /* the slot that was entered last */
    wsgi_visit *visit;               /* the innermost visit, or NULL */
    volatile sig_atomic_t under_way; /* a visit is under way, or about to be */
    unsigned long retirements; /* the count when its slots were last checked */
    unsigned long number;      /* from 1 on; no two threads have the same */
    wsgi_line *lines;          /* unfinished ones, written outside of visits */
    wsgi_buffer head, body;
} wsgi_thread;

/* The calling thread's record, made if need be, or NULL when memory is out. */
wsgi_thread *wsgi_thread_self(void);

/* Takes the lock of the slot's interpreter, with the slot's state current. */
void wsgi_thread_enter_slot(wsgi_slot *slot);

/* Ends a slot's thread state. The thread holds no lock. */
void wsgi_thread_drop_state(wsgi_slot *slot);

/* In Pythons where a thread may have one state only: ends the state of the
   slot that was entered last, unless it is this one. */
void wsgi_thread_make_way(wsgi_thread *self, const wsgi_slot *slot);

/* Ends the thread's slots in retired interpreters, which wait for that. Does
   nothing inside a visit. */
void wsgi_thread_drop_retired(wsgi_thread *self);

/* The thread's slot in an interpreter, made if need be, or NULL when memory is
   out. */
wsgi_slot *wsgi_thread_slot_in(wsgi_thread *self, wsgi_interp *interp);

/* The first says whether the calling thread serves a request that is inside an
   interpreter, or on its way in or out. The second says whether the thread has
   a lock of Python's. Both are safe in a signal handler, if Python runs in
   this process. */
int wsgi_thread_is_under_way(void);
int wsgi_thread_has_lock(void);

/* The request that the calling thread serves, or NULL. */
const wsgi_request *wsgi_thread_request(void);

/* Fills in first and request for what the calling thread writes to sys.stdout
   or sys.stderr: those of its innermost visit, or its own list outside of
   visits. Returns 0, or -1 when memory is out. */
int wsgi_thread_lines(wsgi_lines *lines);

/* The calling thread's number, which no other thread of the process has or
   had. 0 when memory is out. */
unsigned long wsgi_thread_number(void);

/* ---- making.c: makes interpreters. -------------------------------------- */

/* Separates the owner's number from the name in wsgi_interp.name. No setting
   can contain this character. */
#define WSGI_OWNER_MARK "\037"

/* A name of the registry without the owner. */
const char *wsgi_making_shown_part(const char *name);

/* Makes an interpreter that is not in the registry yet. The caller has counted
   it (wsgi_interp_count_one) and holds no lock. Returns NULL after logging. */
wsgi_interp *wsgi_making_new(const wsgi_request *request,
                             const wsgi_settings *settings, const char *name,
                             int is_pooled);

/* ---- registry.c: finds interpreters by name. ---------------------------- */

/*
 * Finds the interpreter of that name for a request, or the least busy of
 * several, or makes one. The visit is counted (wsgi_interp_hold). The caller
 * holds no lock. On failure logs why, stores the client's HTTP status in
 * *status and returns NULL.
 */
wsgi_interp *wsgi_registry_find(const wsgi_request *request,
                                const wsgi_settings *settings,
                                const char *name, int *status);

/* Makes a second interpreter of the name of one in the registry, for
   wsgi_registry_replace. settings are the request's. Returns NULL after
   logging. That the process may have no more is logged only if *told is 0, and
   sets it. */
wsgi_interp *wsgi_registry_again(const wsgi_request *request,
                                 const wsgi_settings *settings,
                                 const wsgi_interp *interp, int *told);

/* Replaces an old interpreter by a new one. The old one ends when nobody is
   inside any more. */
void wsgi_registry_replace(wsgi_interp *old, wsgi_interp *fresh);

/* ---- limits.c: what this Python can't do. ----------------------- */

/* Resets settings that this Python can't satisfy, and logs a warning. Returns
   0, or 500 after logging that settings contradict each other. The caller
   holds no lock. */
int wsgi_limits_apply(const wsgi_request *request, wsgi_settings *settings);

/* ---- visit.c: a request's stay in an interpreter. ----------------------- */

/*
 * Enters the interpreter for a request, which is made if need be. Returns 0
 * with the interpreter's lock held and the thread's state there current. On
 * failure logs why and returns the client's HTTP status, and the visit has not
 * begun.
 */
int wsgi_visit_enter(wsgi_visit *visit, const wsgi_request *request,
                     const wsgi_settings *settings);

/* Leaves the interpreter and releases its lock. */
void wsgi_visit_leave(wsgi_visit *visit);

/* Ends the visit, after wsgi_visit_leave. Its buffers go back to the thread.
 */
void wsgi_visit_done(wsgi_visit *visit);

/* Moves a visit to another interpreter: releases the old one's lock and takes
   the new one's. Returns 0. Returns -1 without an exception if the visit stays
   where it is, for the other one is retired or memory is out. */
int wsgi_visit_move(wsgi_visit *visit, wsgi_interp *interp);

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

/* ---- programs.c: programs, copies and threads of applications. --------- */

/* Called once in a process, before Python is started in it. */
void wsgi_programs_prepare(void);

/* Programs that this interpreter starts get the signals that the server was
   started with. Its threads get no signals, and its shells get its os.environ.
   Called after wsgi_osenviron_install, where that is called, and after the
   module threading has been imported. Returns 0, or -1 with an exception set.
 */
int wsgi_programs_install(wsgi_interp *interp);

/* ---- path.c: what the settings put on an interpreter's sys.path. -------- */

/* Puts mod_wsgi.directory and mod_wsgi.virtualenv on the sys.path of the
   interpreter that the request is in, once each. Returns 0, or after logging
   the HTTP status for the client; no exception is set. The caller has
   interp->loading. */
int wsgi_path_apply(const wsgi_request *request, wsgi_interp *interp,
                    const wsgi_settings *settings);

/* Whether a file is below one of the directories that we put on sys.path. */
int wsgi_path_covers(const wsgi_interp *interp, const char *file);

/* ---- lease.c: a request that is lent to Python objects. ----------------- */

/* A request that is lent to Python objects, which may outlive it. After the
   request has ended, what those objects are asked to do raises RuntimeError.
 */
typedef struct wsgi_lease {
    PyObject_HEAD
    const wsgi_request *request; /* borrowed until the lease ends */
    const wsgi_interp *interp;
    wsgi_gate gate;
    wsgi_line *lines; /* unfinished lines of wsgi.errors */
} wsgi_lease;

/* Begins a use of the request. Returns 0, and the caller must call
   wsgi_lease_leave. If the request has ended, returns -1 with RuntimeError
   set. what names the object for its message. */
int wsgi_lease_enter(wsgi_lease *lease, const char *what);

void wsgi_lease_leave(wsgi_lease *lease);

/* Ends the lease: waits for uses in other threads, then forgets the request.
 */
void wsgi_lease_end(wsgi_lease *lease);

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

/* ---- faults.c: faulthandler. -------------------------------------------- */

/* Where faulthandler of this interpreter would use sys.stderr, it writes to
   the process's standard error, which is the server's log. */
int wsgi_faults_install(void);

/* ---- errors.c: exceptions. ---------------------------------------------- */

/* Logs the exception that is set, with its traceback, and clears it. what is
   the first line: what could not be done. request may be NULL. */
void wsgi_errors_report(const wsgi_request *request, const char *what);

/* The traceback of the exception that is set, as a tuple of texts, or NULL.
   The exception stays set. */
PyObject *wsgi_errors_texts(void);

/* Logs such a tuple, which may be NULL. Returns how many texts it has. */
int wsgi_errors_log(const wsgi_request *request, PyObject *texts);

/* ---- binding.c: modules for one interpreter only. ----------------------- */

/* If an exception says that an extension module refuses to be in this
   interpreter, logs which other interpreter of the process has the module, or
   what to set. Releases the lock meanwhile. No exception is set before or
   after. */
void wsgi_binding_hint(const wsgi_request *request, PyObject *type,
                       PyObject *error, PyObject *traceback);

#endif
