/*
 * interpreters.h - Python in a process: interpreters, the server's threads in
 * them, and what of Python is the server's. Nothing of WSGI.
 *
 * Unless said otherwise a function that takes a wsgi_slot, a wsgi_visit or a
 * wsgi_lease is called with the interpreter's lock held, and one that fails
 * leaves a Python exception set and returns NULL or -1.
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

/* ---- virtualenv.c: what a virtual environment is. No Python. ------------ */

/* An environment that was looked at. */
typedef struct wsgi_virtualenv {
    const char *what;          /* the setting that names it */
    char root[WSGI_WALK_PATH]; /* "": there is none */
    int has_own_library;       /* with a site.py of its own */
    int is_customers;          /* an .htaccess file names it */
} wsgi_virtualenv;

/* Whether a directory says of itself that it is an environment. */
int wsgi_virtualenv_is_one(const char *root);

/* MOD_WSGI_PYTHON_HOME if that is a virtual environment, which all
   interpreters use then, or NULL. */
const char *wsgi_virtualenv_of_process(void);

/* Looks at the environment of the settings, or that of the whole process.
   Returns 0, or after logging an HTTP status: it can't be used. */
int wsgi_virtualenv_find(const wsgi_request *request,
                         const wsgi_settings *settings, wsgi_virtualenv *env);

/* ---- site.c: runs Python's site.py. ------------------------------------- */

/* sys.path: a new reference, for an application may put another list there
   while this one is used. */
PyObject *wsgi_site_path(void);

/* Makes the current interpreter what the environment's python would be, and
   imports site, once more if need be. Returns 0, or -1 after logging. */
int wsgi_site_run(const wsgi_request *request, const wsgi_interp *interp,
                  const wsgi_virtualenv *env);

/* ---- jobs.c: what the Python thread is asked to do. No Python. ---------- */

/* Called once in a process, before there is such a thread. */
void wsgi_jobs_prepare(void);

/* Runs job(arg) on the Python thread, with the main interpreter's state
   current, and waits for its end. No lock held. */
void wsgi_jobs_run(void (*job)(void *arg), void *arg);

/* Wakes the Python thread: there may be an interpreter to end. Safe in a
   signal's handler. */
void wsgi_jobs_wake(void);

/* Whether the Python thread has something to do, and so needs the lock. */
int wsgi_jobs_are_under_way(void);

/* On the Python thread: waits until there is something to do, or briefly (for
   50 ms at most); says that it works, or that it has ended; does the job that
   it was given, if it was given one. */
void wsgi_jobs_wait(int briefly);
void wsgi_jobs_set_under_way(int now);
void wsgi_jobs_do(void);

/* ---- runtime.c: Python in this process, and the thread that owns it. ---- */

/* Starts Python if nobody did. No lock held. Returns 0, or -1 after logging
   (once) why it can't be. */
int wsgi_runtime_start(const wsgi_request *request);

/* ---- stop.c: the end of Python in this process. ------------------------- */

/* Called once in a process, before Python is started in it. */
void wsgi_stop_prepare(void);

/* On the Python thread: all is done. */
void wsgi_stop_done(void);

/* ---- version.c: what the module calls itself, and what runs in it. ------ */

/* Says at level info that an interpreter was made: which one, for which
   application, in which Python and environment. Lock or not. */
void wsgi_version_tell(const wsgi_request *request,
                       const wsgi_settings *settings,
                       const wsgi_interp *interp);

/* ---- interp.c: interpreters: who is inside, which are replaced. --------- */

/* Whether an interpreter has a thread that takes turns (turns.c). */
enum wsgi_turns {
    WSGI_NO_TURNS,
    WSGI_LACKS_TURNS, /* the system had no thread to give: to be tried again */
    WSGI_TAKES_TURNS,
    WSGI_LAST_TURN
};

/* An interpreter. The memory stays for the life of the process. */
struct wsgi_interp {
    wsgi_interp *next; /* registry lock */
    char *name;        /* of the registry: with the owner, if there is one */
    const char *shown; /* the part of it for people */
    long owner;        /* the user whose it is, or -1: the server's */
    char **library;    /* imports.c: where the server's own Python is */
    int own_gil;       /* it has a lock of its own */
    int is_pooled;     /* one of several of that name */
    PyThreadState *first_state; /* its first state, on the Python thread */
    PyInterpreterState *state;
    int steps; /* making.c: how many have been taken */
    PyTypeObject *text_type, *binary_type; /* streams.c */
    wsgi_kit *kit;                         /* kit.c's */
    PyObject *paths;                       /* list: what we put on sys.path */
    PyObject *os_environ;    /* dict: what is behind os.environ, or NULL */
    PyObject *environ_given; /* dict: what mod_wsgi.environ.NAME gave it */
    unsigned long long environ_sum; /* ... as settings have it; atomic */
    PyObject *environ_told; /* set: the NAMEs that settings disagree about */
    char *virtualenv;       /* the setting whose one it uses, or NULL */
    int needs_site;         /* site has not run yet; loading */
    wsgi_script *scripts;
    wsgi_failure *failures;    /* failures.c; loading */
    struct timespec born;      /* on the clock of files */
    wsgi_watch *watch;         /* reload.c's, or NULL; atomic */
    pthread_mutex_t loading;   /* held while an application is imported */
    int loads_nothing;         /* any more: loading.c; atomic */
    enum wsgi_turns turns;     /* atomic */
    time_t turns_tried;        /* turns.c; atomic */
    PyThreadState *turn_state; /* of the thread that takes turns, or NULL */
    wsgi_gate visits;          /* retired: closed */
    int slots;                 /* threads that have one; atomic */
    wsgi_interp *next_ending;  /* ending.c: the next one that is to end */
    PyObject *ender;           /* ... the thread that ends it, or NULL */
    time_t deadline;           /* ... and until when it is waited for */
    int ender_told;            /* ... that there is none has been logged */
    int is_over;               /* ... it has ended */
    int lingers;               /* ... that threads do not has been logged */
};

/* What the layers above keep in an interpreter and in a thread's slot there.
   handler.c fills this in when the process starts. The interpreter's lock is
   held, and its state current. */
typedef struct wsgi_hooks {
    /* The interpreter is new. Returns 0, or -1 with an exception set. */
    int (*made)(wsgi_interp *interp);

    /* It ends. Called again if something of it was made since. */
    void (*ends)(wsgi_interp *interp);

    /* A thread does not come back to it. */
    void (*left)(wsgi_slot *slot);
} wsgi_hooks;

extern const wsgi_hooks *wsgi_interp_hooks;

/* Where the list of those that serve begins. registry.c changes it, under its
   lock; everybody may read it atomically. */
wsgi_interp **wsgi_interp_serving(void);

/* Whether a request is inside any of them. No lock. */
int wsgi_interp_is_anyone_inside(void);

/* Counts an interpreter that is to be made; returns how many this process has
   in memory then. And: it is no longer in memory, another one may be made. */
int wsgi_interp_count_one(void);
void wsgi_interp_forget_one(void);

/* Lets nobody in any more; the interpreter ends when nobody is inside. It is
   not, or no longer, one of those that serve. */
void wsgi_interp_retire(wsgi_interp *interp);
int wsgi_interp_is_retired(const wsgi_interp *interp);

/* How many interpreters have been retired since the process began. */
unsigned long wsgi_interp_retirements(void);

/* Takes the retired ones that nobody is inside, a list by next_ending, and
   puts one back that could not be ended yet. On the Python thread. */
wsgi_interp *wsgi_interp_take_ending(void);
void wsgi_interp_put_back(wsgi_interp *interp);

/* Calls look in each of those that serve, on the Python thread, with that
   interpreter's lock held. No lock held. */
void wsgi_interp_visit_all(void (*look)(const wsgi_interp *interp, void *arg),
                           void *arg);

/* The state of main_interpreter, or NULL: there is none of ours yet. No lock.
 */
const PyInterpreterState *wsgi_interp_main(void);

/* Counts a visit; 0 when the interpreter is retired, the visit not counted. */
int wsgi_interp_hold(wsgi_interp *interp);
void wsgi_interp_release(wsgi_interp *interp);

/* ---- turns.c: interpreters take turns at Python's lock. ----------------- */

/* Lets threads that wait for the lock in other interpreters have it while a
   thread of this one computes. On the Python thread, once for each. */
void wsgi_turns_begin(wsgi_interp *interp);

/* Tries again where the system had no thread to give. For a visitor of the
   interpreter, without the lock. */
void wsgi_turns_try(wsgi_interp *interp);

/* Somebody may have to wait for the lock. Any thread, without it. */
void wsgi_turns_want(void);

/* Ends that. Returns whether it has ended; if not, ask again later: it needs
   the lock. */
int wsgi_turns_end(wsgi_interp *interp);

/* ---- ending.c: the end of interpreters, on the Python thread. ----------- */

/* Goes on with the interpreters that are ending, without waiting. Returns
   whether there is more to do. The main interpreter's state is current. */
int wsgi_ending_step(void);

/* Runs what is registered for the end in all interpreters that serve and in
   the main one; waits until all is done, or it is late. */
void wsgi_ending_all(void);

/* ---- thread.c: threads of the server, and what each keeps. -------------- */

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
    wsgi_body *kept;  /* the request's body, or NULL: the host has it */
    int status;       /* for the client when the application can't be run */
    int read_error;   /* of the request's body, as the call has it */
    wsgi_line *lines; /* unfinished ones of sys.stdout and sys.stderr */
    wsgi_buffer head, body; /* for the response; the thread keeps them */
};

/* What one thread of the server keeps. */
typedef struct wsgi_thread {
    wsgi_slot *slots;
    wsgi_slot *last;                 /* the one that was entered last */
    wsgi_visit *visit;               /* the innermost one now, or NULL */
    volatile sig_atomic_t under_way; /* a visit is, or is about to be */
    unsigned long retirements;       /* those that its slots know of */
    unsigned long number;            /* its own, from 1 on */
    wsgi_line *lines;                /* unfinished ones, outside of visits */
    wsgi_buffer head, body;
} wsgi_thread;

/* The calling thread's record, made if need be; NULL when memory is out. */
wsgi_thread *wsgi_thread_self(void);

/* Takes a slot's lock, with the thread's state there current. */
void wsgi_thread_enter_slot(wsgi_slot *slot);

/* Ends a slot's thread state; the thread holds no lock. */
void wsgi_thread_drop_state(wsgi_slot *slot);

/* Where a thread may have one state only: ends that of another slot. */
void wsgi_thread_make_way(wsgi_thread *self, const wsgi_slot *slot);

/* Ends the slots in interpreters that are retired: they wait for that. */
void wsgi_thread_drop_retired(wsgi_thread *self);

/* The thread's slot in an interpreter, made if need be; NULL when memory is
   out. */
wsgi_slot *wsgi_thread_slot_in(wsgi_thread *self, wsgi_interp *interp);

/* Whether the calling thread serves a request that is inside an interpreter,
   or on its way in or out; and whether it has a lock of Python's. Both are
   safe in a signal's handler, if Python runs in this process. */
int wsgi_thread_is_under_way(void);
int wsgi_thread_has_lock(void);

/* The request that the calling thread serves, or NULL. */
const wsgi_request *wsgi_thread_request(void);

/* Fills in owner and request for what the calling thread writes to sys.stdout
   or sys.stderr: the innermost visit's, else the thread's own until that ends.
   Returns 0, or -1 when memory is out. */
int wsgi_thread_lines(wsgi_lines *lines);

/* A number for the calling thread that no other of the process has or had; 0
   when memory is out. */
unsigned long wsgi_thread_number(void);

/* ---- making.c: makes interpreters. -------------------------------------- */

/* What separates an owner's number from a name in wsgi_interp.name: a
   character that no setting can have. */
#define WSGI_OWNER_MARK "\037"

/* A name of the registry without its owner. */
const char *wsgi_making_shown_part(const char *name);

/* A new interpreter, not in the registry yet, or NULL after logging. It was
   counted (wsgi_interp_count_one). No lock held. */
wsgi_interp *wsgi_making_new(const wsgi_request *request,
                             const wsgi_settings *settings, const char *name,
                             int is_pooled);

/* ---- registry.c: finds interpreters by name. ---------------------------- */

/*
 * The interpreter of that name for a request, made if need be, or the least
 * busy of several; entered in the count of visits. No lock held. Returns NULL
 * after logging, with the HTTP status for the client in status.
 */
wsgi_interp *wsgi_registry_find(const wsgi_request *request,
                                const wsgi_settings *settings,
                                const char *name, int *status);

/* A new interpreter beside the one of the registry, for wsgi_registry_replace;
   NULL after logging. settings are those of the request. Where this process
   may have no more, that is logged unless *told is set, which it is from then
   on. */
wsgi_interp *wsgi_registry_again(const wsgi_request *request,
                                 const wsgi_settings *settings,
                                 const wsgi_interp *interp, int *told);

/* Puts a new interpreter in the place of an old one, which ends when nobody
   is inside any more. */
void wsgi_registry_replace(wsgi_interp *old, wsgi_interp *fresh);

/* ---- limits.c: what can't be had in this process. ----------------------- */

/* Takes back what the settings ask for and this Python can't do, with a
   warning. Returns 0, or 500 after logging: they contradict each other. No
   lock held. */
int wsgi_limits_apply(const wsgi_request *request, wsgi_settings *settings);

/* ---- visit.c: a request's stay in an interpreter. ----------------------- */

/*
 * Enters the interpreter for a request, made if need be: its lock is held
 * then and the thread's state there current. Returns 0, or after logging the
 * HTTP status for the client; the visit has not begun then.
 */
int wsgi_visit_enter(wsgi_visit *visit, const wsgi_request *request,
                     const wsgi_settings *settings);

/* Leaves the interpreter: the lock is released. */
void wsgi_visit_leave(wsgi_visit *visit);

/* Ends the visit, after wsgi_visit_leave: its buffers go back to the thread.
 */
void wsgi_visit_done(wsgi_visit *visit);

/* Goes over to another interpreter in the middle of a visit. The old one's
   lock is released, the new one's held. Returns 0, or -1 (and stays). */
int wsgi_visit_move(wsgi_visit *visit, wsgi_interp *interp);

/* ---- osenviron.c: os.environ of an interpreter. ------------------------- */

/* Copies the process's environment, from which each interpreter's os.environ
   is made. On the Python thread, before any application runs; once. Returns
   0, or -1 when memory is out. */
int wsgi_osenviron_copy(void);

/* Gives a new interpreter an os.environ of its own. */
int wsgi_osenviron_install(wsgi_interp *interp);

/* Whether the interpreter has seen the variables mod_wsgi.environ.NAME of a
   request, if there are any. */
int wsgi_osenviron_is_known(const wsgi_interp *interp,
                            const wsgi_settings *settings);

/* Puts them into os.environ. A value that differs from the one that the
   interpreter was given before is not used, and logged once. The caller has
   interp->loading. */
int wsgi_osenviron_apply(wsgi_visit *visit, const wsgi_settings *settings);

/* ---- children.c: programs that an application starts. ------------------- */

/* Makes them have os.environ of this interpreter as their environment, unless
   the application names another. After wsgi_osenviron_install. */
int wsgi_children_install(wsgi_interp *interp);

/* NAME=VALUE, bytes, of each entry of a dict that is behind an os.environ: a
   new list, or NULL with an exception set. */
PyObject *wsgi_children_strings(PyObject *data);

/* ---- missing.c: what an application that does not load misses. ---------- */

/* Whose absence has led to an exception; "" where that is not so. */
typedef struct wsgi_missing {
    char variable[256]; /* of os.environ */
    char package[256];
    char file[WSGI_WALK_PATH]; /* it is there, and closed to this user */
} wsgi_missing;

/* Finds out what the exception that is set tells of. It stays set. */
void wsgi_missing_find(wsgi_missing *missing);

/* Logs how it is mended, for an application of that interpreter that these
   settings name. */
void wsgi_missing_hint(const wsgi_request *request,
                       const wsgi_settings *settings,
                       const wsgi_interp *interp, const wsgi_missing *missing);

/* ---- signals.c: signals are the server's. ------------------------------- */

/* On the Python thread, in the first interpreter, when Python has started:
   gives it its table of handlers. Returns 0, or -1 with an exception set. */
int wsgi_signals_prepare(void);

/* Makes signal.signal() of this interpreter a function without effect, and so
   others that change how this process takes signals, or send it one. Returns
   0, or -1 with an exception set. */
int wsgi_signals_ignore(void);

/* ---- fork.c: copies of this process that applications fork. ------------- */

/* Called once in a process, before Python is started in it: no application
   has opened anything yet. */
void wsgi_fork_prepare(void);

/* Has Python say when it forks in this interpreter, which is current. Returns
   0, or -1 with an exception set. */
int wsgi_fork_watch(wsgi_interp *interp);

/* Whether this process is a copy. Any thread, lock or not. */
int wsgi_fork_is_copy(void);

/* Called where the application's code has ended: a copy of the process ends
   here, with the status of the exception that is set (SystemExit's code, 1 for
   others, which are logged), or 0. Otherwise nothing happens. */
void wsgi_fork_leave(const wsgi_request *request);

/* ---- imports.c: what a customer's interpreter imports. ------------------ */

/* Lets a customer's interpreter import what is the customer's own, root's or
   the server's Python only. Called before anything of the customer's is on
   sys.path; does nothing in other interpreters. Returns 0, or -1 with an
   exception set. */
int wsgi_imports_guard(wsgi_interp *interp);

/* The calling thread begins and ends to load an application. */
void wsgi_imports_begin(void);
void wsgi_imports_end(void);

/* Between these two: whether the exception that is set says that an import was
   refused. One that the application has caught is not. */
int wsgi_imports_is_refusal(void);

/* The whole of an open file as bytes, or NULL with an exception set, in which
   name is the file's. */
PyObject *wsgi_imports_read(int fd, const char *name);

/* ---- programs.c: what applications start, and copies they make. --------- */

/* Called once in a process, before Python is started in it. */
void wsgi_programs_prepare(void);

/* Lets the programs that this interpreter starts have the signals that the
   server was started with, its threads none, and shells its os.environ. After
   wsgi_osenviron_install, where that is called; the module threading has been
   imported. Returns 0, or -1 with an exception set. */
int wsgi_programs_install(wsgi_interp *interp);

/* ---- path.c: what the settings put on an interpreter's sys.path. -------- */

/* Puts mod_wsgi.directory and mod_wsgi.virtualenv on sys.path, once each.
   Returns 0, or -1 after logging or with an exception set. */
int wsgi_path_apply(wsgi_visit *visit, const wsgi_settings *settings);

/* Whether a file is below one of the directories put on sys.path. */
int wsgi_path_covers(const wsgi_interp *interp, const char *file);

/* ---- lease.c: a request that is lent to Python objects. ----------------- */

/* The head of an object that others refer to, which may outlive the request.
   When the request has ended, what they are asked to do raises RuntimeError.
 */
typedef struct wsgi_lease {
    PyObject_HEAD
    const wsgi_request *request; /* borrowed, within the lease */
    const wsgi_interp *interp;
    wsgi_gate gate;
    wsgi_line *lines; /* unfinished ones of wsgi.errors; see lines.c */
} wsgi_lease;

/* Begins a use of the request; every success needs a wsgi_lease_leave. -1 with
   RuntimeError when the request has ended; what names the object. */
int wsgi_lease_enter(wsgi_lease *lease, const char *what);

void wsgi_lease_leave(wsgi_lease *lease);

/* Ends it: waits for the uses in other threads, then forgets the request. */
void wsgi_lease_end(wsgi_lease *lease);

/* ---- streams.c: wsgi.errors, sys.stdout and sys.stderr. ----------------- */

PyTypeObject *wsgi_streams_text_type(void);
PyTypeObject *wsgi_streams_binary_type(void);

/* Whether an object is of one of those types. */
int wsgi_streams_is_one(PyObject *object);

/* A new wsgi.errors for a request. */
PyObject *wsgi_streams_errors(wsgi_lease *lease);

/* Flushes sys.stdout and sys.stderr of the current interpreter. No exception
   is set afterwards. */
void wsgi_streams_flush(void);

/* Makes sys.stdout and sys.stderr of this interpreter write to the log. */
int wsgi_streams_install(wsgi_interp *interp);

/* ---- faults.c: faulthandler. -------------------------------------------- */

/* Lets faulthandler of this interpreter write to the process's standard error,
   the server's log, where it would use sys.stderr. */
int wsgi_faults_install(void);

/* ---- errors.c: exceptions. ---------------------------------------------- */

/* Logs the exception that is set, with its traceback, and clears it. what
   says what could not be done. request may be NULL. */
void wsgi_errors_report(const wsgi_request *request, const char *what);

/* The traceback of the exception that is set and stays so, as a tuple of
   texts, or NULL. */
PyObject *wsgi_errors_texts(void);

/* Logs such a tuple, which may be NULL. Returns how many texts there were. */
int wsgi_errors_log(const wsgi_request *request, PyObject *texts);

/* ---- binding.c: modules for one interpreter only. ----------------------- */

/* If an exception is an extension module's refusal to be in this interpreter,
   logs which other one of this process has it, or what to set. The lock is
   released meanwhile. No exception is set before or afterwards. */
void wsgi_binding_hint(const wsgi_request *request, PyObject *type,
                       PyObject *error, PyObject *traceback);

#endif
