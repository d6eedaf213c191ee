/*
 * interpreters.h - Python in a process: its thread, interpreters, the server's
 * threads in them, and requests that visit them. Nothing of WSGI.
 *
 * surroundings.h has what surrounds an application in its interpreter, and
 * reports.h has what Python writes to the log.
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
    long long owner;   /* the user it belongs to; -1: the server's */
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

/* A thread that is in no visit begins to wait for the lock, and has it. */
void wsgi_turns_begin_wait(void);
void wsgi_turns_end_wait(void);

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

/* ---- states.c: which of a thread's states PyGILState_Ensure finds. ------ */

/* Finds where Python keeps the state of a thread, once, or logs that it was
   not found. On the Python thread, with a state current, before any request
   visits an interpreter. */
void wsgi_states_prepare(void);

/* Whether a thread may keep states in several interpreters. If not, a thread
   that is to enter one ends its state in another. */
int wsgi_states_may_be_many(void);

/* Lets PyGILState_Ensure find this state of the calling thread, which has it
   current or will. Lock or not. */
void wsgi_states_show(PyThreadState *state);

/* The state that is shown so, or NULL: none, or Python shows them itself. */
PyThreadState *wsgi_states_shown(void);

/* Takes the lock with this state current, and shows it. */
void wsgi_states_enter(PyThreadState *state);

/* ---- thread.c: threads of the server, and what each keeps. -------------- */

/* One thread's place in one interpreter. Only that thread uses it. */
struct wsgi_slot {
    wsgi_slot *next;
    unsigned long long hash; /* of the interpreter's name: wsgi_thread_hash */
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
    /* What was shown to PyGILState_Ensure before (states.c), or NULL. */
    PyThreadState *shown;
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

/* A hash of an interpreter's name. A thread with many slots compares these,
   and need not look into each interpreter. Pure. */
unsigned long long wsgi_thread_hash(const char *name);

/* The thread's slot in an interpreter, made if need be, or NULL when memory is
   out. */
wsgi_slot *wsgi_thread_slot_in(wsgi_thread *self, wsgi_interp *interp);

/* Calls a function in an interpreter, with its lock held and a state that
   lives no longer than the call. For our own threads, which serve no request
   and hold no lock. The caller makes sure that the interpreter does not end.
   Does nothing if the process is ending or memory is out. */
void wsgi_thread_call_in(const wsgi_interp *interp, void (*call)(void *arg),
                         void *arg);

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

#endif
