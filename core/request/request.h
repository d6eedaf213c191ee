/*
 * request.h - what the core knows of a process and of a request before it
 * needs Python.
 *
 * This is the lowest layer. It decides which application a request is for,
 * whether that is allowed, and where it is mounted. No Python.
 *
 * A function's prefix names its file: wsgi_settings_read is in settings.c.
 * (What host.h declares has shorter names; a search finds it.)
 */
#ifndef WSGI_REQUEST_H
#define WSGI_REQUEST_H

#include "../host.h"
#include "../system.h"
#include "gate.h"
#include "tally.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

typedef struct wsgi_settings wsgi_settings;

/* A millisecond, in nanoseconds: what timespecs count. */
#define WSGI_MS 1000000L

/* The time so many nanoseconds from now (CLOCK_REALTIME), for timed waits. */
static inline struct timespec wsgi_from_now(long nanoseconds)
{
    struct timespec then;

    clock_gettime(CLOCK_REALTIME, &then);
    then.tv_nsec += nanoseconds;
    then.tv_sec += then.tv_nsec / (1000 * WSGI_MS);
    then.tv_nsec %= 1000 * WSGI_MS;
    return then;
}

/* Seconds of a clock that only goes forward. It costs no more than a few
   instructions. Any thread. */
static inline time_t wsgi_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return now.tv_sec;
}

/* ---- log.c: lines for the server's error log. Any thread, lock or not. -- */

/* Writes one line, prefixed with "mod_wsgi: ". The format begins with the
   message's code, "MW0104: ", which docs/messages.md explains. request may be
   NULL. */
void wsgi_log(const wsgi_request *request, enum wsgi_level level,
              const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Writes one line without a prefix. Bytes that are not printable are shown as
   \xNN. A line that is longer than the log takes becomes several. */
void wsgi_log_line(const wsgi_request *request, enum wsgi_level level,
                   const char *text, size_t size);

/* ---- flood.c: the same for lines that are an application's. -------------

   Where figures are kept (tally.h), an application writes at most 2 MB in a
   second, and 20 MB at once. Lines beyond that are left out and counted. Lines
   of the levels info and debug are counted by themselves. Any thread. */
void wsgi_flood_line(const wsgi_request *request, enum wsgi_level level,
                     const char *text, size_t size);

/* The longest line of the log in bytes, escapes included. */
#define WSGI_LOG_ROOM 7168

/* How many bytes of the text fit into one line of the log. Does not cut a
   UTF-8 character. */
size_t wsgi_log_fit(const char *text, size_t size);

/* ---- settings.c: the variables mod_wsgi.* of a request. --------------- */

struct wsgi_settings {
    const char *application; /* NULL: the mapped file is the application */
    const char *interpreter; /* NULL: named after site and directory */
    const char *directory;   /* NULL, or absolute paths with ':' between */
    const char *virtualenv;  /* NULL, or an absolute path */
    const char *script_name; /* NULL: where the section says */
    const char *reload; /* NULL: never; WSGI_RELOAD_SOURCES; or the file that
                           is touched to reload */
    long interpreters;
    int own_gil;
    int authorization;
    int buffer_body;
    int path_translated;
    int error_pages;
    /* Of the bounds, WSGI_NO_BOUND is none. Seconds: */
    long slow;           /* until a request is logged as slow */
    long timeout;        /* without progress; 0: not set */
    long concurrency;    /* requests of the application at the same time */
    const char *process; /* NULL: the server's own; else the name of an
                            application's process, or WSGI_PROCESS_AUTO */
    const char *user;    /* who that process is; NULL: the server's user */
    const char *python;  /* its version of Python; NULL: the standard one */
    long processes;      /* the most of that name */
    long threads;        /* that serve requests in each */
    long idle;           /* seconds until an unused one ends */
    long memory;         /* MB; one that has more is replaced */
    long long owner;     /* whose configuration this is; -1: the server's */
    int has_environ;     /* there are variables mod_wsgi.environ.NAME */
    unsigned long long environ_sum; /* their hash; 0: there are none */
};

/* The name of Python's first interpreter. mod_python calls it so, too. */
#define WSGI_MAIN_INTERPRETER "main_interpreter"

/* A process that is named like the interpreter would be. */
#define WSGI_PROCESS_AUTO "auto"

/* The application is loaded anew when its sources have changed. */
#define WSGI_RELOAD_SOURCES ""

/* A bound that is off. */
#define WSGI_NO_BOUND (-1)

/* No process of its own. wsgi_decide makes NULL of it. */
#define WSGI_PROCESS_OFF ""

/* Whether the settings ask for that interpreter. */
int wsgi_settings_want_main(const wsgi_settings *settings);

/* Fills in settings, which borrow their strings from the request. Returns 0.
   On failure logs what is wrong and how to mend it, and returns an HTTP
   status. */
int wsgi_settings_read(const wsgi_request *request, wsgi_settings *settings);

/* The settings from the server's environment, which hold for the whole
   process. */
typedef struct wsgi_process_settings {
    const char *python_home; /* NULL: that of the Python that the module was
                                built with */
    long max_interpreters;
    const char *temporary; /* the directory for temporary files */
    const char *users;     /* who may have processes of applications */
    const char *limits;    /* of these processes; NULL: the defaults */
} wsgi_process_settings;

#define WSGI_PYTHON_HOME "MOD_WSGI_PYTHON_HOME"
#define WSGI_MAX_INTERPRETERS "MOD_WSGI_MAX_INTERPRETERS"
#define WSGI_TMPDIR "TMPDIR"
#define WSGI_USERS "MOD_WSGI_USERS"
#define WSGI_LIMITS "MOD_WSGI_LIMITS"

/* Copies the variables of the process's environment, and works out the
   defaults. Called once in a process, before any application could change that
   environment. */
void wsgi_settings_prepare(void);

/* Reads the copied variables. Logs what is wrong with them, and names that are
   misspelt. Called once in a process, before Python is started in it. */
void wsgi_settings_read_process(const wsgi_request *request);

/* Logs only the misspelt names. Any thread, after wsgi_settings_prepare. */
void wsgi_settings_tell_misspelt(const wsgi_request *request);

/* What wsgi_settings_read_process has read. Any thread, after that call. Texts
   that can't be wrong are there after wsgi_settings_prepare. */
const wsgi_process_settings *wsgi_settings_of_process(void);

/* Whether two letters are the same, ignoring case. For letters only. */
static inline int wsgi_is_same_letter(char a, char b)
{
    return (a | 0x20) == (b | 0x20);
}

/* Whether a variable may be a setting: mod_wsgi.x, or one that a redirect has
   renamed to REDIRECT_mod_wsgi.x. This runs for every variable of every
   request, so it calls no function. Three letters are compared because
   REQUEST_ and REMOTE_ begin like REDIRECT_. */
static inline int wsgi_may_be_setting(const char *name)
{
    return wsgi_is_same_letter(name[0], 'm') ||
           (wsgi_is_same_letter(name[0], 'R') &&
            wsgi_is_same_letter(name[1], 'E') &&
            wsgi_is_same_letter(name[2], 'D'));
}

/* The NAME in mod_wsgi.environ.NAME, or NULL for any other variable. Also
   stores how often redirects have renamed the variable. */
const char *wsgi_settings_environ_name(const char *name, int *renamed);

/* ---- recall.c: loading without a request. ------------------------------- */

/* Stores what loading the request's application needs, and the server's
   configuration from which that is: neither 0 nor all bits. If it does not
   fit, to->size is 0. Does nothing while another thread or process stores
   there. */
void wsgi_recall_put(wsgi_tally_recall *to, const wsgi_request *request,
                     uint32_t configuration);

/* Copies a record, if it is whole, from this configuration, and of use.
   Returns 0, or -1. */
int wsgi_recall_copy(wsgi_tally_recall *to, const wsgi_tally_recall *from,
                     uint32_t configuration);

/* Makes a request of that, whose texts are borrowed from it: it has no record,
   and nothing is logged of its failures. from must not be in memory that
   others write. Returns 0, or -1 if it is of no use. */
int wsgi_recall_get(const wsgi_tally_recall *from, wsgi_request *request);

/* Calls put(arg, ...) for the settings of a request, such a one or another,
   and perhaps for others of its variables. */
void wsgi_recall_each(const wsgi_request *request, wsgi_put *put, void *arg);

/* ---- owner.c: what the configuration of a customer may do. -------------- */

/* Finds out whose configuration a request has (settings->owner), and checks
   that this user may do what it asks for. Decides whether the application has
   a process of its own (settings->process). Returns 0. On failure logs why and
   returns an HTTP status. */
int wsgi_owner_find(const wsgi_request *request, wsgi_settings *settings);

/* The user whose .htaccess files took part in a request, 0 if they are all
   root's, or -1 if there were none. Returns 0. On failure logs why and returns
   an HTTP status. */
int wsgi_owner_of(const wsgi_request *request, long long *owner);

/* Checks that an open file or directory may be used. In a customer's
   configuration it must belong to the customer, and must not be writable by
   everybody. what names the setting. Returns 0. On failure logs why and
   returns an HTTP status. */
int wsgi_owner_check(const wsgi_request *request, const wsgi_settings *s,
                     int fd, const char *what, const char *path);

/* Stores the name of a user, or "#" and the number if there is none. Asks the
   system, which may take long. Any thread. */
void wsgi_owner_name(long long owner, char *name, size_t size);

/* ---- walk.c: the way to a directory, and whose it is. ------------------- */

#define WSGI_WALK_PATH 4096 /* the kernel's longest path */

/* What is known of the ways to one or more directories. Zeros to begin with.
 */
typedef struct wsgi_walk {
    long long owner; /* the one user besides root who owns a part of the
                        ways; 0: all is root's */
    char owned[WSGI_WALK_PATH]; /* the first step that is that user's */
    char problem[WSGI_WALK_PATH];
} wsgi_walk;

/* Follows the way to a directory. Returns 0 if only root and one user could
   put another directory in its place, and it is the same user on all ways so
   far. Else returns -1, with the reason in walk->problem. */
int wsgi_walk_to(wsgi_walk *walk, const char *path);

/* ---- directory.c: a directory that a setting names. --------------------- */

/* Checks a directory that a setting names, and stores its path. what names the
   setting. The path of a customer's directory is stored without links, so that
   the directory that was checked is the one that is used. Returns 0. On
   failure logs why and returns an HTTP status. */
int wsgi_directory_check(const wsgi_request *request,
                         const wsgi_settings *settings, const char *what,
                         const char *name, char *path, size_t size);

/* ---- naming.c: names of interpreters and processes. --------------------- */

#define WSGI_NAMING_SIZE 1024 /* the longest name of an interpreter */

/* Appends the name of the interpreter that the settings ask for, without its
   owner. Writes no NUL and nothing from end on. Returns the new end of the
   name: it is end if the name may be too long. */
char *wsgi_naming_append(char *to, const char *end,
                         const wsgi_request *request, const wsgi_settings *s);

/* Appends a number in the same way. */
char *wsgi_naming_append_number(char *to, const char *end,
                                unsigned long number);

/* Stores the name of the process that the settings ask for, which are not for
   the server's own process. The end of a name that is too long becomes a hash.
   size is at least 64. */
void wsgi_naming_process(const wsgi_request *request, const wsgi_settings *s,
                         char *name, size_t size);

/* ---- mount.c: SCRIPT_NAME and PATH_INFO. -------------------------------- */

/* The strings are borrowed from the request or its settings. */
typedef struct wsgi_mount {
    const char *script_name;
    size_t size; /* how many bytes of script_name count */
    const char *path_info;
} wsgi_mount;

/* Fills in mount. Returns 0, or -1 if the setting script_name is not the
   beginning of this URL. */
int wsgi_mount_split(const wsgi_request *request,
                     const wsgi_settings *settings, wsgi_mount *mount);

/* ---- decide.c: which application a request is for. ---------------------- */

/* What was decided. All strings are borrowed from the request. */
typedef struct wsgi_decision {
    wsgi_settings settings;
    wsgi_mount mount;
} wsgi_decision;

/* Decides which application a request is for, whether it may run, and where it
   is mounted. wsgi_run (run.h) runs it then. Any thread, after wsgi_start.
   Returns 0 and fills in the decision. On failure logs why and returns the
   HTTP status of the error page that the server is to send. */
int wsgi_decide(const wsgi_request *request, wsgi_decision *decision);

/* Tells the host what the settings ask of it. To be called where the host is a
   server, after wsgi_decide and before the application. The request's thread.
 */
void wsgi_decide_tell_host(const wsgi_request *request,
                           const wsgi_settings *settings);

/* ---- retry.c: when a client is to try again. ---------------------------- */

/* Has the error page with which the caller answers tell the client to try
   again after so many seconds, at least 1. For what passes by itself. Does not
   release Python's lock. The request's own thread. */
void wsgi_retry_later(const wsgi_request *request, unsigned seconds);

/* ---- process.c: the server's process. Any thread, any time. ------------- */

/* What the host has told the core about the process, with the host's
   functions. */
extern wsgi_process wsgi_process_given;

/* Whether another module (mod_python) owns Python in this process. If so, jobs
   (jobs.c) run without Python's lock and without a current thread state. */
int wsgi_process_is_shared(void);

/* Fills in all signals but those that a thread causes itself, which the server
   or faulthandler reports. */
void wsgi_process_fill_signals(sigset_t *set);

/* Starts a detached thread with these signals blocked. stack_size is in bytes,
   0 for the system's default, or 8 MB if that is too little for Python.
   Returns 0, or an errno. */
int wsgi_process_add_thread(void *(*function)(void *arg), void *arg,
                            size_t stack_size);

/* Whether Python runs in this process and is ours to end. Safe in a signal
   handler. */
int wsgi_process_has_python(void);
void wsgi_process_set_python(void);

/* Begins the end of the process, which may take so many seconds. Called once.
   Safe in a signal handler. */
void wsgi_process_begin_end(time_t seconds);

/* Whether the process is ending: no lock may be taken any more. */
int wsgi_process_is_ending(void);

/* When the time for the end is over (CLOCK_REALTIME), and whether it is over.
 */
const struct timespec *wsgi_process_deadline(void);
int wsgi_process_is_late(void);

/* Says that the end is complete and the host itself is going away. Threads of
   some Pythons still run after that, and must not use the host. */
void wsgi_process_set_over(void);
int wsgi_process_is_over(void);

/* ---- buffer.c: memory that grows, kept from request to request. --------- */

typedef struct wsgi_buffer {
    char *data;
    size_t size, capacity;
} wsgi_buffer;

/* Makes room for so many bytes in total. data may move. Returns 0, or -1 when
   memory is out. No lock needed. */
int wsgi_buffer_reserve(wsgi_buffer *buffer, size_t capacity);

/* Appends. Returns 0, or -1 when memory is out. No lock needed. */
int wsgi_buffer_add(wsgi_buffer *buffer, const void *data, size_t size);

/* Empties a buffer for the next request. Frees its memory if that has grown
   beyond 64 KB. No lock needed. */
void wsgi_buffer_trim(wsgi_buffer *buffer);

/* ---- hash.c: a hash of bytes and texts. --------------------------------- */

#define WSGI_HASH_START 14695981039346656037ULL

/* Adds bytes to a hash that began as WSGI_HASH_START, or as another number for
   another kind of hash. Pure. */
unsigned long long wsgi_hash_add(unsigned long long hash, const char *bytes,
                                 size_t size);

/* Adds a text with its end, so that "a", "bc" differs from "ab", "c". text may
   be NULL, which differs from "". Pure. */
unsigned long long wsgi_hash_add_text(unsigned long long hash,
                                      const char *text);

/* ---- check.c: what a head of HTTP may be. Pure. ------------------------- */

/* Whether no body comes behind a head of this status (RFC 9110, 6.4.1). */
static inline int wsgi_check_is_bodiless(const wsgi_request *request,
                                         int status)
{
    return request->head_only || status == 204 || status == 304;
}

/* The number of a status line such as "404 Not Found", or 0 if it is none. */
int wsgi_check_status(const char *line, size_t size);

/* Whether it can be a header's name, and a header's value. */
int wsgi_check_name(const char *name, size_t size);
int wsgi_check_value(const char *value, size_t size);

/* Whether a header's name is another one. Inline, since the compiler knows the
   length of a literal: it mostly decides, without a call. */
static inline int wsgi_check_is_named(const char *name, size_t size,
                                      const char *other)
{
    return size == strlen(other) && strncasecmp(name, other, size) == 0;
}

/* Whether only the server may send a header. */
int wsgi_check_is_hop_by_hop(const char *name, size_t size);

/* ---- spelling.c: what is meant by a wrong mod_wsgi.application. --------- */

/* Whether text could be a dotted name of Python. Letters outside of ASCII are
   accepted, for the import will judge them. */
int wsgi_spelling_is_dotted(const char *text, size_t size);

/* Stores advice: what to write instead of a value that looks like a file's
   name or path, has one colon, or calls a factory. Returns 1, or 0 if the
   meaning can't be guessed. */
int wsgi_spelling_mend(const char *value, char *advice, size_t size);

/* ---- misspelt.c: a variable of the environment that is nearly ours. ----- */

/* Finds a name in the process's environment that differs by one to three
   letters, or by their case, from a known name MOD_WSGI_x. The caller owns the
   result, which is NULL if there is none or memory is out. Called before an
   application could change the environment. */
char *wsgi_misspelt_find(const char *known);

/* ---- steps.c: which step on the way to a file is closed. ---------------- */

#define WSGI_STEPS_SIZE (3 * WSGI_WALK_PATH) /* room for the text */

/* Finds the first step on the way to a file that is closed to this process's
   user. The last step must be readable, or listable for a directory. Stores
   which step that is and how to open it. Returns 1, or 0 if no step is closed:
   the file can be read, or does not exist. */
int wsgi_steps_explain(const char *name, char *text, size_t size);

#endif
