/*
 * request.h - which application a request is for, by whose leave, and mounted
 * where. The lowest layer: what the core knows of a process and of a request
 * before Python is asked. No Python.
 *
 * A function's prefix names its file: wsgi_settings_read is in settings.c.
 * (What host.h declares has shorter names; a search finds it.)
 */
#ifndef WSGI_REQUEST_H
#define WSGI_REQUEST_H

#include "../host.h"
#include "gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct wsgi_settings wsgi_settings;

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

/* ---- settings.c: the variables mod_wsgi.* of a request. --------------- */

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
   copied. Logs what is wrong, and names that are misspelt. */
void wsgi_settings_read_process(const wsgi_request *request);

/* What was read. Any thread, once Python is being started. */
const wsgi_process_settings *wsgi_settings_of_process(void);

/* The NAME in mod_wsgi.environ.NAME, or NULL for any other variable. Stores
   how often redirects have renamed it. */
const char *wsgi_settings_environ_name(const char *name, int *renamed);

/* ---- owner.c: what the configuration of a customer may do. -------------- */

/* Finds out whose configuration a request has (settings->owner) and whether
   it is within its rights. Returns 0, or after logging an HTTP status. */
int wsgi_owner_find(const wsgi_request *request, wsgi_settings *settings);

/* Whether an open file or directory may be used: a customer's must be the
   customer's own, and not everybody may write to it. what names the setting.
   Returns 0, or after logging an HTTP status. */
int wsgi_owner_check(const wsgi_request *request, const wsgi_settings *s,
                     int fd, const char *what, const char *path);

/* ---- walk.c: the way to a directory, and whose it is. ------------------- */

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

/* ---- directory.c: a directory that a setting names. --------------------- */

/* Checks a directory that a setting (what) names, and stores its path: a
   customer's without links, so that what was checked is what will be used.
   Returns 0, or after logging an HTTP status. */
int wsgi_directory_check(const wsgi_request *request,
                         const wsgi_settings *settings, const char *what,
                         const char *name, char *path, size_t size);

/* ---- mount.c: SCRIPT_NAME and PATH_INFO. -------------------------------- */

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

/* ---- decide.c: which application a request is for. ---------------------- */

/* What was decided. The settings borrow their strings from the request. */
typedef struct wsgi_decision {
    wsgi_settings settings;
    wsgi_mount mount;
} wsgi_decision;

/* Decides. Returns 0, or after logging the HTTP status for the client. */
int wsgi_decide(const wsgi_request *request, wsgi_decision *decision);

/* ---- process.c: the server's process. Any thread, any time. ------------- */

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

/* ---- spelling.c: what is meant by a wrong mod_wsgi.application. --------- */

/* Stores what to write instead of a value that is, or looks like, a file's
   name or path, has one colon, or calls a factory. Returns 0 if that can't be
   guessed. No Python. */
int wsgi_spelling_mend(const char *value, char *advice, size_t size);

/* ---- misspelt.c: a variable of the environment that is nearly ours. ----- */

/* A name in the environment of the process that differs by one to three
   letters, or by their case, from a known name MOD_WSGI_x. The caller owns it.
   NULL: there is none, or memory is out. Called before an application could
   change the environment. */
char *wsgi_misspelt_find(const char *known);

/* ---- steps.c: which step on the way to a file is closed. ---------------- */

#define WSGI_STEPS_SIZE (3 * WSGI_WALK_PATH) /* room for the text */

/* Says why this process's user may not read a file, or list and enter a
   directory, and how to open the first step that is closed. Returns 0 if there
   is none: it can be read, or is not there. No Python. */
int wsgi_steps_explain(const char *name, char *text, size_t size);

#endif
