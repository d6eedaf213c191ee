/*
 * host.h - the border between a server (the host) and the core.
 *
 * A host fills in one constant table of functions (wsgi_host), tells the core
 * about its process once (wsgi_start), and hands over each request
 * (wsgi_handle). This header needs neither Python.h nor a server's header. So
 * the core is compiled once per Python, and an adapter once per server.
 *
 * Rules that hold for every call, both ways:
 *   - Pointers are borrowed for the length of the call; copy to keep.
 *   - Strings end in NUL and are never NULL unless a comment says so.
 *   - Sizes are bytes. Offsets and lengths are int64_t on every platform.
 *   - A call of a function in wsgi_host is a down call. The core releases
 *     Python's lock before it, except for each_env, each_configured, is_ready,
 *     retry_after and log. So these five must not wait for the client.
 *   - Down calls for one request may come from any thread, but not from two at
 *     once. Only log may be called at any time.
 */
#ifndef WSGI_HOST_H
#define WSGI_HOST_H

#include <stddef.h>
#include <stdint.h>

enum wsgi_level {
    WSGI_INFO,
    WSGI_WARNING,
    WSGI_ERROR,
    WSGI_CRITICAL, /* this and the next are for lines of applications only */
    WSGI_DEBUG,
    WSGI_LEVELS /* how many there are */
};

/* What follows the bytes of a send_body call. */
enum wsgi_after {
    WSGI_FLUSH, /* more may come, much later: push these out now */
    WSGI_END,   /* nothing: the response is complete */
    WSGI_LAST   /* the same, and no other down call for this request, but for
                   lines of the log */
};

/* What read_body returns below zero. */
enum wsgi_read {
    WSGI_READ_GONE = -1,      /* the client closed the connection */
    WSGI_READ_TIMEOUT = -2,   /* the client was silent for too long */
    WSGI_READ_TOO_LARGE = -3, /* more than the server is set to accept */
    WSGI_READ_BAD = -4        /* the body breaks HTTP (bad chunk size, ...) */
};

typedef struct wsgi_chunk {
    const void *data;
    size_t size;
} wsgi_chunk;

typedef struct wsgi_header {
    const char *name;
    const char *value;
} wsgi_header;

/* The head of a response, checked: the host can pass it on as it is. */
typedef struct wsgi_head {
    int status;                 /* 200 to 999 */
    const char *status_line;    /* "404 Not Found" */
    const char *content_type;   /* NULL: the application gave none */
    int64_t content_length;     /* -1: unknown */
    const wsgi_header *headers; /* all others, in order, duplicates kept */
    size_t header_count;
} wsgi_head;

/*
 * One request, filled in by the host. What a host does not know stays NULL or
 * 0. The first half says where the URL leads. request/mount.c makes
 * SCRIPT_NAME and PATH_INFO from it.
 */
typedef struct wsgi_request {
    void *record;          /* the server's own; first argument of down calls */
    const char *uri;       /* the decoded path of the URL */
    const char *location;  /* the literal <Location> that set our handler */
    const char *directory; /* the directory whose section set our handler */
    const char *filename;  /* what the URL maps to in the file system */
    const char *path_info; /* the part of the URL behind filename */
    int is_file;           /* filename is an existing regular file */
    const char *const *htaccess; /* the directories of the .htaccess files that
                                    took part in this request, the innermost
                                    first, then NULL; NULL: there were none */
    int may_execute;           /* the directory's options allow CGI programs */
    const char *site_name;     /* the virtual host's configured name, never the
                                  client's Host */
    unsigned site_port;        /* the port the request came to */
    const char *scheme;        /* "http" or "https" */
    const char *authorization; /* the client's Authorization header */
    int64_t body_length;  /* of the request: 0 none, -1 unknown (chunked) */
    int expects;          /* the client sends no body before 100 Continue */
    int head_only;        /* the method is HEAD: no body will be sent */
    const char *recalled; /* the core's own: there is no request, only its
                             settings (request/recall.c). Else NULL */
    size_t recalled_size;
} wsgi_request;

/* What has been sent of a response. */
typedef struct wsgi_sent {
    int status;    /* of the response */
    int is_broken; /* wsgi_host.fail was called */
    int64_t bytes; /* of the body, as the client gets them */
} wsgi_sent;

/* Receives one variable of the CGI environment. value is never NULL. */
typedef void wsgi_put(void *arg, const char *name, const char *value);

/*
 * What a server does for the core. Every slot is filled in unless marked
 * optional. record is wsgi_request.record. Functions returning int give 0, or
 * -1 when the client can't be reached any more.
 */
typedef struct wsgi_host {
    /* Calls put(arg, ...) for each CGI variable of the request: those of the
       server, and those that the configuration sets. If a name comes twice,
       the last value counts. Names and values must live as long as the
       request. */
    void (*each_env)(void *record, wsgi_put *put, void *arg);

    /* Optional: without it the core calls each_env. Calls put(arg, ...) for
       the variables that the configuration sets, and for others as the host
       likes. The core looks for its settings here. So it need not walk over
       all variables for a few. */
    void (*each_configured)(void *record, wsgi_put *put, void *arg);

    /* Optional. Adds PATH_TRANSLATED to the variables of each_env: the file
       that PATH_INFO would lead to if it were a URL. Called at most once, and
       before the application. */
    void (*translate_path)(void *record);

    /* Optional. From now on, a response with a status of 400 to 599 has the
       server's own error page for a body (ErrorDocument). The application's
       body is not sent. Called at most once, and before the application. */
    void (*use_error_pages)(void *record);

    /* Blocks until at least one byte of the request's body is there. Returns
       the number of bytes stored in buffer (at most size), 0 at the end of
       the body, or one of wsgi_read. Asks a waiting client to go on
       (100 Continue) when it is first called. */
    int64_t (*read_body)(void *record, char *buffer, size_t size);

    /* Takes over status and headers; called once, before any body. */
    int (*send_head)(void *record, const wsgi_head *head);

    /* Sends the chunks in order: all of them or -1. count may be 0. After it
       has returned the server does not use their memory. */
    int (*send_body)(void *record, const wsgi_chunk *chunks, size_t count,
                     enum wsgi_after after);

    /* Optional. Without it the core does not send in a thread of its own.
       Called after the head was sent. Returns 1 if such a thread may send now
       and the system takes 16 KB of the body at once, whatever the client
       does. Returns 0 if not now, and -1 when the client can't be reached any
       more. */
    int (*is_ready)(void *record);

    /* Optional. How many nanoseconds small pieces of a response may gather
       before a thread of the core sends them. For a host whose send_body is
       dear. */
    long gather_ns;

    /* Optional. Sends size bytes of an open file from offset on, without
       copying them if the server can. The file stays the caller's. */
    int (*send_file)(void *record, int fd, int64_t offset, int64_t size,
                     enum wsgi_after after);

    /* Shows the client that a response whose head was sent is not complete:
       sends no terminating chunk, and closes the connection. */
    void (*fail)(void *record);

    /* Optional. The error page that the server is going to send tells the
       client to try again after so many seconds, at least 1 (Retry-After).
       Called in the request's own thread, before wsgi_handle returns. */
    void (*retry_after)(void *record, unsigned seconds);

    /* Optional. Whether the client of a request that waits for its application
       has closed its connection, or the server has. 0: it has not, or that
       can't be told. Called in the request's own thread. Does not wait. */
    int (*is_gone)(void *record);

    /* Optional. Says what has been sent of a response. Called when the
       application is done with the request. */
    void (*measure)(void *record, wsgi_sent *sent);

    /* Optional. Says how long the request's application took to load, here and
       now or before there were requests. */
    void (*note_load)(void *record, uint64_t microseconds);

    /* Optional. Whether this process is to end as soon as its requests have
       ended. Any thread, any time. */
    int (*is_stopping)(void);

    /* Optional. Has the server replace this process: it takes no more
       connections, and stops when its requests have ended. Returns 0, or -1:
       the server can't. Any thread. */
    int (*retire)(void);

    /* Optional, but not with retire. How many of the server's threads that
       serve have not ended. Any thread. */
    int (*count_threads)(void);

    /* Optional. In how many seconds the server gives up a program that does
       not answer a request of this virtual host (Timeout); 0: never. */
    long (*timeout)(void *record);

    /* Optional. The descriptor of the error log of the request's virtual host,
       which stays the server's; -1: it has none. */
    int (*log_descriptor)(void *record);

    /* Writes one line, without line end, to the error log of the request's
       virtual host, or to the main server's if record is NULL. */
    void (*log)(void *record, enum wsgi_level level, const char *line);
} wsgi_host;

/* One server process, known when it is ready to serve requests. */
typedef struct wsgi_process {
    const wsgi_host *host; /* must live until wsgi_stop has returned */
    int multithread;       /* requests run in several threads of a process */
    int multiprocess;      /* requests run in several processes */

    /* Whether this process is not a server's, but serves the applications of
       one user only, and runs as that user. A server has decided what it
       serves. Settings that choose the process are ignored. The first
       application is in Python's main interpreter unless it names one. owner
       is that user if a customer's configuration is served, else -1. */
    int has_owner;
    long long owner;

    /* Optional. For a process in which another module (mod_python) owns
       Python. Returns that module's interpreter of this name, a
       PyInterpreterState, and makes it if needed. A thread state of it is
       current then, and its lock is held. The core keeps that state. Returns
       NULL after logging. Called without a lock, in one thread, once for each
       name. name lives until the process ends. */
    void *(*find_interp)(const char *name);

    /* NULL, or why Python must not be used in this process and how to mend
       that. Every request then gets an error page. */
    const char *refusal;
} wsgi_process;

/* "mod_wsgi/0.9.0 Python/3.13", which a server may add to its Server header.
   Any thread, any time. */
extern const char wsgi_component[];

/*
 * Notes which signals the calling thread blocks, and which the process
 * ignores. Programs that applications start get the same. A server that
 * changes either before wsgi_start calls this first, in the process that forks
 * the others later. Only the first call counts.
 */
void wsgi_note_signals(void);

/*
 * Tells the core about this process. Call it once, in the process that serves
 * (never in a parent that forks later), before wsgi_handle. Python itself is
 * started by the first request. The record is copied.
 */
void wsgi_start(const wsgi_process *process);

/*
 * Serves one request. Any thread, many at once. Returns 0 when a response was
 * sent, or broken off and marked with fail. Otherwise nothing was sent, the
 * reason is in the log, and the server is to send an error page with the HTTP
 * status that is returned.
 */
int wsgi_handle(const wsgi_request *request);

/*
 * Lets a thread that has nothing to do give up what it keeps in interpreters
 * that were replaced. They can end then. For a thread that has called
 * wsgi_handle, outside of a request.
 */
void wsgi_rest(void);

/*
 * Whether a request of this process had mod_wsgi.reload. Before that, no
 * interpreter is replaced, and wsgi_rest has nothing to do. Any thread.
 */
int wsgi_reloads(void);

/*
 * Logs where each Python thread of this process is, though somebody may keep
 * Python's lock. For a process of applications (has_owner). Any thread. Does
 * not wait.
 */
void wsgi_tell_stacks(void);

/*
 * Loads the applications that this server has served in the last minutes, so
 * that the first request of this process need not wait. Call it once, in a
 * process that serves, after wsgi_start, before it takes requests. Waits for
 * at most five seconds.
 */
void wsgi_warm(void);

/*
 * The same for a process of applications (has_owner), whose predecessors have
 * left notes (request/notes.h). Begins the loads, and does not wait. Ends
 * beginning new ones after so many seconds. Calls done() in another thread
 * when all that has ended. Returns 0, or -1 if there is nothing to load. done
 * is not called then.
 */
int wsgi_warm_begin(int seconds, void (*done)(void));

/*
 * Answers a request for the status page: what the server's processes serve. In
 * a customer's .htaccess only the customer's own. query is the URL's query
 * string, or NULL, and chooses the format. The method is GET or HEAD. Returns
 * what wsgi_handle returns. Any thread.
 */
int wsgi_status_serve(const wsgi_request *request, const char *query);

/*
 * Ends Python in this process. Waits for threads that applications have
 * started, and runs functions registered with atexit, for at most five
 * seconds. No wsgi_handle may begin afterwards. If Python was not started, or
 * another module owns it, this only makes sure that no thread of the core
 * makes a down call any more. Safe in a signal handler of a process that is
 * about to exit: see wsgi_stop_before_signals. The calling thread blocks all
 * signals from then on, so that no signal interrupts the rest of the exit.
 */
void wsgi_stop(void);

/*
 * For a server with one thread that calls wsgi_stop in its handlers of
 * SIGTERM, SIGHUP and SIGINT, and then exits. Call it in that thread after the
 * server has set those handlers. From then on a signal lets a request that is
 * within Python go on. The server's handler runs when Python has ended, or
 * after five seconds.
 */
void wsgi_stop_before_signals(void);

/*
 * Whether a section of the configuration on the URL path `section` covers
 * uri, by the servers' own rule: a whole number of path segments, a run of
 * slashes counting as one. Pure; any thread.
 */
int wsgi_mount_covers(const char *section, const char *uri);

/* A variable that configures the module, in words for people, with Markdown's
   backticks. */
typedef struct wsgi_variable {
    const char *name;      /* mod_wsgi.reload, MOD_WSGI_PYTHON_HOME */
    const char *values;    /* what it may be; NULL: see words and most */
    const char *words[2];  /* one of these, or NULL */
    long most;             /* a number from 1 to this, or 0 */
    const char *standard;  /* the value that holds where none is set; NULL: */
    const char *otherwise; /* what is done then */
    const char *setter;    /* who may set it */
    const char *text;      /* what it does */
} wsgi_variable;

typedef void wsgi_show(void *arg, const wsgi_variable *variable);

/* Calls show(arg, ...) for every variable, in the order of the documentation.
   Any thread, any time. */
void wsgi_show_variables(wsgi_show *show, void *arg);

/* ---- What a host asks of a variable's name. Any thread, any time. Case
   does not matter: the servers' tables ignore it. ------------------------- */

/* The name without what internal redirects have put before it. The result
   points into name. */
const char *wsgi_plain_name(const char *name);

/* Whether it is one of the module's own, mod_wsgi.*, renamed or not. */
int wsgi_is_setting(const char *name);

/* Whether it tells applications who sends a request, and over what: REMOTE_*,
   AUTH_TYPE, HTTP_*, HTTPS, SSL_*, renamed or not. Only the server and its
   modules may set these. */
int wsgi_is_believed(const char *name);

/* Whether it is a setting that an internal redirect has renamed. */
int wsgi_is_renamed_setting(const char *name);

/* ---- request/gone.c: whether a client has closed its connection. ---------
 */

/* Whether the other end of a connection is closed, or closed for sending. On a
   plain connection bytes that were not read yet say that the client is there:
   they may be its next request. What is left of an encrypted one may be the
   words of farewell. Does not wait or read. Any thread, any time. */
int wsgi_has_gone(int socket, int is_encrypted);

/* ---- request/file.c: open files, whatever the server's off_t is. Any thread,
   any time. --------------------------------------------------------------- */

/* How many bytes the file has now; -1 with errno. */
int64_t wsgi_file_size(int fd);

/* Reads at most size bytes from offset on. Returns how many, 0 at the end of
   the file, -1 with errno. */
int64_t wsgi_file_read(int fd, char *buffer, size_t size, int64_t offset);

/* ---- request/section.c: which directory of the configuration counts. Pure
   functions of strings. Any thread, any time. ----------------------------- */

/* Whether a section on path wins over one on other that came before it. A
   longer path wins, and of equal ones the later. path NULL: it does not match.
   other NULL: there is none yet. */
int wsgi_section_is_deeper(const char *path, const char *other);

/* Whether path is in directory. Both end in '/'. */
int wsgi_section_holds(const char *directory, const char *path);

/* How many of the first bytes of path have as many segments as a section's
   pattern: what the pattern has to match. */
size_t wsgi_section_front(const char *pattern, const char *path);

/* Sorts directories: the deepest first, and of equal ones the last. */
void wsgi_section_sort(const char **directories, int count);

/* ---- request/copies.c: which variables of a sub-request are copies of its
   parent's. Any thread; the tables must not change meanwhile. ------------- */

/* An entry of a server's table of variables. Both are borrowed. */
typedef struct wsgi_entry {
    const char *name, *value;
} wsgi_entry;

/* A server's table, as the core sees it; get(entries, i) gives entry i. */
typedef struct wsgi_table {
    const void *entries;
    int count;
    wsgi_entry (*get)(const void *entries, int i);
} wsgi_table;

/* How many copies of its parent's table (theirs) a sub-request's table (mine)
   has. At least 1: a server may put the tables of two sub-requests together.
 */
int wsgi_copies_count(const wsgi_table *mine, const wsgi_table *theirs);

/* Whether entry i of mine may stay: its name is neither a setting's nor
   believed, or the sub-request's own configuration has set it. copies is what
   wsgi_copies_count gave. */
int wsgi_copies_may_stay(const wsgi_table *mine, int i,
                         const wsgi_table *theirs, int copies);

/* ---- request/header.c: which headers of a request are safe to believe, and
   what headers are about. Pure functions of strings. Any thread, any time. */

/* Whether a header must not become a variable. Either another name gives the
   same variable (X_Forwarded_For and X-Forwarded-For), or it is Proxy, whose
   variable is a setting of this machine (CVE-2016-5387). */
int wsgi_header_is_unsafe(const char *name);

/* The variable of a header: this, and the header's name in capitals. */
#define WSGI_HEADER_FRONT "HTTP_"

/* Stores the name of a header's variable, HTTP_X_REAL_IP for X-Real-IP.
   variable has room for sizeof WSGI_HEADER_FRONT + strlen(name) bytes. */
void wsgi_header_to_variable(const char *name, char *variable);

/* Whether everybody reads the same number in the value of Content-Length:
   digits, and nothing else. NULL (there is no such header) is fine, too. */
int wsgi_header_is_length(const char *value);

/* Whether a header of a response is about its body, so that it must not stand
   above another body (RFC 9110, section 8). */
int wsgi_header_is_about_body(const char *name);

#endif
