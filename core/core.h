/*
 * core.h - what the core's files share.
 *
 * A function's prefix names its file: wsgi_settings_read is in settings.c.
 * (What host.h declares has shorter names; a search finds it.) Unless said
 * otherwise a function that takes a wsgi_slot or a wsgi_call is called with
 * the interpreter's lock held, and one that fails leaves a Python exception
 * set and returns NULL or -1.
 */
#ifndef WSGI_CORE_H
#define WSGI_CORE_H

#include "gate.h"
#include "host.h"
#include "python.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

typedef struct wsgi_settings wsgi_settings;
typedef struct wsgi_interp wsgi_interp;
typedef struct wsgi_script wsgi_script;
typedef struct wsgi_failure wsgi_failure;
typedef struct wsgi_environ wsgi_environ;
typedef struct wsgi_slot wsgi_slot;
typedef struct wsgi_visit wsgi_visit;
typedef struct wsgi_watch wsgi_watch;
typedef struct wsgi_call wsgi_call;
typedef struct wsgi_kit wsgi_kit;

/* A millisecond, in nanoseconds: what timespecs count. */
#define WSGI_MS 1000000L

/* When so many nanoseconds have passed, for what waits until then. */
static inline struct timespec wsgi_from_now(long nanoseconds)
{
    struct timespec then;

    clock_gettime(CLOCK_REALTIME, &then);
    then.tv_nsec += nanoseconds;
    then.tv_sec += then.tv_nsec / (1000 * WSGI_MS);
    then.tv_nsec %= 1000 * WSGI_MS;
    return then;
}

/* ---- log.c: lines for the server's error log. Any thread, lock or not. -- */

/* Writes one line, prefixed with "mod_wsgi: ". request may be NULL. */
void wsgi_log(const wsgi_request *request, enum wsgi_level level,
              const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Writes one line as it is; what is not printable is shown as \xNN. A line
   that is longer than one of the log becomes several. */
void wsgi_log_line(const wsgi_request *request, enum wsgi_level level,
                   const char *text, size_t size);

/* The longest line of the log in bytes, escapes included. */
#define WSGI_LOG_ROOM 7168

/* How many bytes of text one line of the log takes: all or a part, and no part
   of a character in UTF-8. */
size_t wsgi_log_fit(const char *text, size_t size);

/* ---- lines.c: lines that nobody has ended yet. No Python. --------------- */

/* A line as far as it has come. */
typedef struct wsgi_line wsgi_line;

/* Where a thread's unfinished line of a stream is found. */
typedef struct wsgi_lines {
    wsgi_line **first;  /* its owner's list, NULL where that is empty */
    const char *stream; /* which stream; compared by address */
    unsigned long
        thread; /* its number, where several share the list; else 0 */
    const wsgi_request *request; /* whose log it is, or NULL */
} wsgi_lines;

/* Logs whole lines, keeps the rest. Returns 0, or -1 when memory is out. */
int wsgi_lines_add(const wsgi_lines *lines, const char *text, size_t size);

/* Logs the unfinished line. */
void wsgi_lines_flush(const wsgi_lines *lines);

/* What Python 2's print remembers: a space is due. The second returns 0, or
   -1 when memory is out. */
int wsgi_lines_softspace(const wsgi_lines *lines);
int wsgi_lines_set_softspace(const wsgi_lines *lines, int softspace);

/* The end of a list, that no thread uses any more: logs what is left. */
void wsgi_lines_end(wsgi_line **first, const wsgi_request *request);

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
    int buffer_body;
    long owner; /* the user whose configuration this is; -1 the server's */
    int has_environ; /* there are variables mod_wsgi.environ.NAME */
    unsigned long long environ_sum; /* of their names and values; 0: none */
};

/* The name of Python's first interpreter, on mod_python's side too. */
#define WSGI_MAIN_INTERPRETER "main_interpreter"

/* Whether that one is asked for. */
int wsgi_settings_want_main(const wsgi_settings *settings);

/* Fills in settings, which borrow their strings from the request. Returns 0,
   or an HTTP status after logging what is wrong and how to mend it. */
int wsgi_settings_read(const wsgi_request *request, wsgi_settings *settings);

/* What the server's environment says, for all requests of the process. */
typedef struct wsgi_process_settings {
    const char *python_home; /* NULL: where the module's own Python is */
    long max_interpreters;
    const char *temporary; /* the directory for temporary files */
} wsgi_process_settings;

#define WSGI_PYTHON_HOME "MOD_WSGI_PYTHON_HOME"
#define WSGI_MAX_INTERPRETERS "MOD_WSGI_MAX_INTERPRETERS"
#define WSGI_TMPDIR "TMPDIR"

/* Called once in a process, before any application could change its
   environment: copies what that says, and works out what holds where nothing
   is set. */
void wsgi_settings_prepare(void);

/* Called once in a process, before Python is started in it: reads what was
   copied. Logs what is wrong. */
void wsgi_settings_read_process(const wsgi_request *request);

/* What was read. Any thread, once Python is being started. */
const wsgi_process_settings *wsgi_settings_of_process(void);

/* The NAME in mod_wsgi.environ.NAME, or NULL for any other variable. Stores
   how often redirects have renamed it. */
const char *wsgi_settings_environ_name(const char *name, int *renamed);

/* ---- owner.c: what the configuration of a customer may do. No Python. --- */

/* Finds out whose configuration a request has (settings->owner) and whether
   it is within its rights. Returns 0, or after logging an HTTP status. */
int wsgi_owner_find(const wsgi_request *request, wsgi_settings *settings);

/* Whether an open file or directory may be used: a customer's must be the
   customer's own, and not everybody may write to it. what names the setting.
   Returns 0, or after logging an HTTP status. */
int wsgi_owner_check(const wsgi_request *request, const wsgi_settings *s,
                     int fd, const char *what, const char *path);

/* ---- walk.c: the way to a directory, and whose it is. No Python. -------- */

#define WSGI_WALK_PATH 4096 /* room for a path, as the kernel has it */

/* The ways to some directories, one after the other; all zero before. */
typedef struct wsgi_walk {
    long owner;                 /* the one user, but root, who owns some of
                                   what leads there; 0: all is root's */
    char owned[WSGI_WALK_PATH]; /* what was the first of it */
    char problem[WSGI_WALK_PATH];
} wsgi_walk;

/* Goes to a directory. Returns 0 if nobody but root and one owner, the same
   on all ways, could put another in its place, else -1, with the reason in
   walk->problem. */
int wsgi_walk_to(wsgi_walk *walk, const char *path);

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

/* ---- directory.c: a directory that a setting names. No Python. ---------- */

/* Checks a directory that a setting (what) names, and stores its path: a
   customer's without links, so that what was checked is what will be used.
   Returns 0, or after logging an HTTP status. */
int wsgi_directory_check(const wsgi_request *request,
                         const wsgi_settings *settings, const char *what,
                         const char *name, char *path, size_t size);

/* ---- site.c: runs Python's site.py. ------------------------------------- */

/* sys.path: a new reference, for an application may put another list there
   while this one is used. */
PyObject *wsgi_site_path(void);

/* Makes the current interpreter what the environment's python would be, and
   imports site, once more if need be. Returns 0, or -1 after logging. */
int wsgi_site_run(const wsgi_request *request, const wsgi_interp *interp,
                  const wsgi_virtualenv *env);

/* ---- body.c: the request's body, read beforehand. No Python. ------------ */

typedef struct wsgi_body {
    int64_t size;
    int64_t at;       /* so much of it has been read by the application */
    char *memory;     /* all of it, where there is no file */
    size_t in_memory; /* so much of it is not in the file */
    int fd;           /* a file with all of it, or -1 */
} wsgi_body;

/* Reads all of the body, waiting for the client. Returns 0, or after logging
   an HTTP status. In both cases the body wants wsgi_body_free. No lock held.
 */
int wsgi_body_keep(const wsgi_request *request, wsgi_body *body);

/* The next bytes, at most size: how many, 0 at the end; -1 with errno. One
   thread at a time. */
int64_t wsgi_body_read(wsgi_body *body, char *to, size_t size);

void wsgi_body_free(wsgi_body *body);

/* What an enum wsgi_read means, in words, and the HTTP status for it. */
const char *wsgi_body_explain(int error);
int wsgi_body_status(int error);

/* ---- mount.c: SCRIPT_NAME and PATH_INFO. No Python. --------------------- */

/* Both borrowed, from the request or its settings. */
typedef struct wsgi_mount {
    const char *script_name;
    size_t size; /* so many bytes of it */
    const char *path_info;
} wsgi_mount;

/* Fills in mount. Returns 0, or -1 where script_name does not lead to this
   URL. */
int wsgi_mount_split(const wsgi_request *request,
                     const wsgi_settings *settings, wsgi_mount *mount);

/* ---- decide.c: which application a request is for. No Python. ------------
 */

/* What was decided. The settings borrow their strings from the request. */
typedef struct wsgi_decision {
    wsgi_settings settings;
    wsgi_mount mount;
} wsgi_decision;

/* Decides. Returns 0, or after logging the HTTP status for the client. */
int wsgi_decide(const wsgi_request *request, wsgi_decision *decision);

/* ---- process.c: the server's process. Any thread, any time. No Python. -- */

/* What the host has told of the process, and its table of functions. */
extern wsgi_process wsgi_process_given;

/* Whether another module (mod_python) owns Python in this process. Jobs run
   without any lock then, and no current state. */
int wsgi_process_is_shared(void);

/* Makes a thread that nobody waits for and that gets no signals; its stack is
   of so many bytes, 0: as the system has it. Returns 0, or an errno. */
int wsgi_process_add_thread(void *(*function)(void *arg), void *arg,
                            size_t stack_size);

/* Whether Python runs in this process and is ours to end. Safe in a signal's
   handler. */
int wsgi_process_has_python(void);
void wsgi_process_set_python(void);

/* The process is ending, and has so many seconds for that. Once. Safe in a
   signal's handler. */
void wsgi_process_begin_end(time_t seconds);

/* Whether the process is ending: no lock may be taken any more. */
int wsgi_process_is_ending(void);

/* When its time is over (CLOCK_REALTIME), and whether it is. */
const struct timespec *wsgi_process_deadline(void);
int wsgi_process_is_late(void);

/* What there is to do at the end of the process is done: the host is ending,
   too. Some Pythons' threads run even then. */
void wsgi_process_set_over(void);
int wsgi_process_is_over(void);

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

/* ---- buffer.c: memory that grows, kept from request to request. --------- */

typedef struct wsgi_buffer {
    char *data;
    size_t size, capacity;
} wsgi_buffer;

/* Makes room for so many bytes in all; what data points to may move. Returns
   0, or -1 when memory is out. No lock needed. */
int wsgi_buffer_reserve(wsgi_buffer *buffer, size_t capacity);

/* Appends. Returns 0, or -1 when memory is out. No lock needed. */
int wsgi_buffer_add(wsgi_buffer *buffer, const void *data, size_t size);

/* Empties a buffer that is to be kept for a next request. One that has grown
   beyond 64 KB gives its memory back. No lock needed. */
void wsgi_buffer_trim(wsgi_buffer *buffer);

/* ---- interp.c: interpreters: who is inside, which are replaced. ----------
 */

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

/* ---- making.c: makes interpreters. ---------------------------------------
 */

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

/* ---- registry.c: finds interpreters by name. ------------------------------
 */

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

/* ---- limits.c: what can't be had in this process. ------------------------
 */

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
int wsgi_children_install(const wsgi_interp *interp);

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

/* Logs how it is mended, for an application of that interpreter. */
void wsgi_missing_hint(const wsgi_request *request, const wsgi_interp *interp,
                       const wsgi_missing *missing);

/* ---- spelling.c: what is meant by a wrong mod_wsgi.application. --------- */

/* Stores what to write instead of a value that is, or looks like, a file's
   name or path, or has one colon. Returns 0 if that can't be guessed. No
   Python. */
int wsgi_spelling_mend(const char *value, char *advice, size_t size);

/* ---- steps.c: which step on the way to a file is closed. ---------------- */

#define WSGI_STEPS_SIZE (3 * WSGI_WALK_PATH) /* room for the text */

/* Says why this process's user may not read a file, or list and enter a
   directory, and how to open the first step that is closed. Returns 0 if there
   is none: it can be read, or is not there. No Python. */
int wsgi_steps_explain(const char *name, char *text, size_t size);

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
int wsgi_programs_install(const wsgi_interp *interp);

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
    unsigned long thread; /* Python's number of the one that loads */
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

/* ---- path.c: what the settings put on an interpreter's sys.path. -------- */

/* Puts mod_wsgi.directory and mod_wsgi.virtualenv on sys.path, once each.
   Returns 0, or -1 after logging or with an exception set. */
int wsgi_path_apply(wsgi_visit *visit, const wsgi_settings *settings);

/* Whether a file is below one of the directories put on sys.path. */
int wsgi_path_covers(const wsgi_interp *interp, const char *file);

/* ---- kit.c: what an interpreter keeps for calls. -------------------------
 */

struct wsgi_kit {
    PyTypeObject *call_type, *input_type, *wrapper_type;
    PyObject *constants; /* the part of environ that is always the same */
    PyObject *input_key, *errors_key;
};

/* Makes and ends that of a new interpreter: see wsgi_hooks. */
int wsgi_kit_make(wsgi_interp *interp);
void wsgi_kit_forget(wsgi_interp *interp);

/* ---- environ.c: the environ dict. --------------------------------------- */

/* The part of it that is the same in every request of an interpreter. */
PyObject *wsgi_environ_constants(wsgi_interp *interp);

/* A new environ. */
PyObject *wsgi_environ_new(wsgi_call *call, const wsgi_settings *settings,
                           const wsgi_mount *mount);

/* Ends a slot's cache. cache may be NULL. */
void wsgi_environ_free(wsgi_environ *cache);

/* ---- lease.c: a request that is lent to Python objects. ------------------
 */

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

/* ---- call.c: one request as its Python objects see it.
 * ---------------------- */

/*
 * The request and its response. start_response, write, wsgi.input and
 * wsgi.errors all own a reference to it.
 */
struct wsgi_call {
    wsgi_lease lease;
    wsgi_visit *visit;    /* borrowed, within the lease */
    pthread_mutex_t host; /* held for a down call: see wsgi_call_lock_host */

    /* What the client spoilt. The texts are those of the exceptions that told
       the application, NULL before the first: see wsgi_call_raise. */
    int read_error; /* of the request's body: an enum wsgi_read, or 0 */
    PyObject *read_text, *write_text;
    int is_told; /* the log has its line about the client */

    /* response.c; looked at in a critical section of the call, which is let
       go wherever Python waits, as the interpreter's lock is */
    int asked;     /* start_response was called */
    int headed;    /* ... and accepted what it was given */
    int head_sent; /* the host has the head */
    int complete;  /* no more bytes may follow */
    int broken;    /* no more bytes can follow: the client is gone */
    wsgi_head head;
    int64_t sent;    /* bytes of the body */
    unsigned pieces; /* that came one by one; the first one with the head */
};

/* A new call for a request, or NULL. */
wsgi_call *wsgi_call_new(wsgi_visit *visit);

/* Ends its lease. The reference is the caller's. */
void wsgi_call_end(wsgi_call *call);

/* wsgi_lease_enter for what reaches the client. -1 in a copy of the process as
   well: the request is its original's. */
int wsgi_call_enter_for_client(wsgi_call *call, const char *what);

/* The host takes one down call for a request at a time, from any thread. What
   decides on such a call stands between these two as well; nothing between
   them may run Python code. */
void wsgi_call_lock_host(wsgi_call *call);
void wsgi_call_unlock_host(wsgi_call *call);

/* Raises IOError for what the client has done. *text is read_text or
   write_text of a call, made of words when it is first raised. Every
   exception raised for it has this very object as its argument, and so have
   those that frameworks make of its arguments. In a critical section of the
   call. */
void wsgi_call_raise(PyObject **text, const char *words);

/* Whether the exception that is set tells of a failed read of the body, or
   was raised while such a one was handled. */
int wsgi_call_is_about_reading(const wsgi_call *call);

/* Logs the exception that is set, and clears it: with one line of level info
   for the request where it is the client's doing, else as wsgi_errors_report
   does. what says what could not be done. */
void wsgi_call_report(wsgi_call *call, const char *what);

/* Logs that the client of a request went away. No lock needed. */
void wsgi_call_log_gone(const wsgi_visit *visit);

PyTypeObject *wsgi_call_type(void);

/* ---- input.c: wsgi.input. ----------------------------------------------- */

PyTypeObject *wsgi_input_type(void);
PyObject *wsgi_input_new(wsgi_call *call);

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

/* ---- file_wrapper.c: wsgi.file_wrapper. --------------------------------- */

PyTypeObject *wsgi_file_wrapper_type(void);

/*
 * Looks for an open file behind a file wrapper. Returns 1 with descriptor,
 * position and size (from there to the file's end), or 0 when the object has
 * to be read.
 */
int wsgi_file_wrapper_open(PyObject *wrapper, int *fd, int64_t *offset,
                           int64_t *size);

/* ---- sender.c: a thread that sends small pieces of a response. ----------

   What is called for a request here counts as a down call: see
   wsgi_call_lock_host. Whoever calls the host for it otherwise finishes first,
   but to log. What was given has gone when the response has its end, or
   failed. */

/* Gives the thread a piece of a response whose head has gone: a copy. Waits
   for no client. Returns 0, or -1: it has to be sent. */
int wsgi_sender_give(const wsgi_request *request, const wsgi_chunk *chunk);

/* Sends what the thread has not, and then a chunk (NULL: none), in one call
   of the host. No lock of Python's held. Returns 0, or -1 when the client is
   gone. */
int wsgi_sender_send(const wsgi_request *request, const wsgi_chunk *chunk,
                     enum wsgi_after after);

/* Sends what the thread has not, if there is anything, and waits until it has
   no more to do with the request. No lock of Python's held. Returns 0, or -1
   when the client is gone. */
int wsgi_sender_finish(const wsgi_request *request);

/* The process is ending, in the middle of any code: the thread uses no
   request's record from here on. It is waited for, but not longer than 200 ms:
   a host whose is_ready was wrong may wait for a client. Safe in a signal's
   handler. */
void wsgi_sender_stop(void);

/* ---- head.c: the head of a response, as start_response is given it. ----- */

/* Checks a status and the headers, and copies them into call->head, whose
   texts live in the visit's buffer. 0, or -1 with an exception. */
int wsgi_head_take(wsgi_call *call, PyObject *status, PyObject *headers);

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

/* Makes a response that broke look broken to the client. */
void wsgi_response_fail(wsgi_call *call);

/* Sends the head and the bytes in visit->body. No lock held. Returns 0, or -1
   when the client is gone. */
int wsgi_response_finish(const wsgi_visit *visit, const wsgi_head *head);

#endif
