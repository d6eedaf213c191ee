/*
 * tally.h - memory that the server's processes share, in which they count what
 * they serve.
 *
 * The server's parent makes it, and its children write it without locks. An
 * application that runs in a child can write it, too. So whoever reads it
 * believes nothing: no text ends where it should, and numbers may be any.
 */
#ifndef WSGI_TALLY_H
#define WSGI_TALLY_H

#include "../host.h"

#define WSGI_TALLY_ROWS 512 /* applications; one more is for the others */
#define WSGI_TALLY_CHILDREN 1024
#define WSGI_TALLY_PROCESSES 512
#define WSGI_TALLY_OWNERS 2048 /* customers who count by themselves */

/* Places: one for each row, as many for the others, then those of customers.
 */
#define WSGI_TALLY_OF_OWNERS (2 * WSGI_TALLY_ROWS)
#define WSGI_TALLY_PLACES (WSGI_TALLY_OF_OWNERS + WSGI_TALLY_OWNERS)

#define WSGI_TALLY_BUCKETS 124 /* of times: four for each power of two */
#define WSGI_TALLY_NAME 256
#define WSGI_TALLY_ERROR 201

/* Who is meant. Rows of the same names are told apart by their keys. */
typedef struct wsgi_tally_names {
    char application[WSGI_TALLY_NAME];
    char interpreter[WSGI_TALLY_NAME];
    char process[WSGI_TALLY_NAME]; /* "": the server's own */
    char user[64];                 /* mod_wsgi.user, or "" */
    char python[16];               /* "": this module's */
    int64_t owner;                 /* as in wsgi_settings */
} wsgi_tally_names;

/* What loading an application needs. recall.c writes the texts. */
typedef struct wsgi_tally_recall {
    uint32_t configuration; /* of the server, from which the texts are. They
                               are not to be read under another one */
    uint32_t size; /* of the texts; 0: the application is not to be loaded */
    uint32_t row;  /* in a copy: whose it is */
    uint32_t port;
    uint32_t is_file, may_execute;
    char texts[2048];
} wsgi_tally_recall;

/* Requests that were refused for one reason (refusal.c). */
typedef struct wsgi_tally_refusals {
    uint64_t all;
    uint64_t untold; /* of these, how many no line of the log has counted */
    uint64_t told;   /* when there was a line: wsgi_seconds plus 1; 0: never */
} wsgi_tally_refusals;

/* Lines of the log that an application has written (flood.c). */
typedef struct wsgi_tally_flood {
    uint64_t until;    /* by wsgi_tally_now: what it may write is used so far
                        */
    uint32_t left_out; /* lines, since the log told of them */
} wsgi_tally_flood;

/* An application. */
typedef struct wsgi_tally_row {
    uint64_t key;      /* a hash of the settings; 0: the row is free */
    uint32_t is_ready; /* the names are there */
    uint32_t load_ms;  /* how long it took to load last; 0: not known */
    wsgi_tally_names names;
    int64_t first, last; /* requests: seconds since 1970 */
    uint64_t requests, errors, bytes, microseconds;
    uint64_t times[WSGI_TALLY_BUCKETS];
    int64_t error_at;
    wsgi_tally_recall recall;
    char error[WSGI_TALLY_ERROR];
    wsgi_tally_refusals crowded; /* too many waited for its processes */
    wsgi_tally_flood floods[2];  /* errors and the like; what tells less */
} wsgi_tally_row;

/* The requests of an application, or of a customer, of which only so many may
   run at once (place.c). */
typedef struct wsgi_tally_places {
    uint64_t state; /* how many run: the lower half. The upper half is another
                       one after each change */
    wsgi_tally_refusals refused;
} wsgi_tally_places;

/* A child of the server. Only the child itself writes it. */
typedef struct wsgi_tally_child {
    uint32_t pid;     /* 0: free */
    uint32_t loading; /* the row of what it loads beforehand, plus 1; or 0 */
    uint64_t requests;
    uint16_t busy[WSGI_TALLY_ROWS + 1];    /* requests under way */
    uint16_t waiting[WSGI_TALLY_ROWS + 1]; /* of these, those that wait for an
                                              application's process */
    uint16_t places[WSGI_TALLY_PLACES]; /* how many each has of this child; at
                                           times more, and never fewer */
} wsgi_tally_child;

/* An application's process. */
typedef struct wsgi_tally_process {
    uint32_t pid; /* 0: free */
    uint32_t row;
    int64_t noted; /* by wsgi_seconds: it lived then */
} wsgi_tally_process;

typedef struct wsgi_tally {
    int64_t began; /* seconds since 1970 */
    uint64_t starts;
    wsgi_tally_row rows[WSGI_TALLY_ROWS + 1];
    uint32_t taken; /* of the children's places: none behind these has been */
    wsgi_tally_child children[WSGI_TALLY_CHILDREN];
    wsgi_tally_places places[WSGI_TALLY_PLACES];
    uint32_t owners[WSGI_TALLY_OWNERS]; /* whose the last places are; 0: not
                                           taken yet */
    wsgi_tally_process processes[WSGI_TALLY_PROCESSES];
} wsgi_tally;

/* What is counted of a request under way. Only tally.c uses the fields. */
typedef struct wsgi_tally_use {
    const wsgi_request *request;
    struct wsgi_tally_use *outer; /* of this thread, around a sub-request */
    uint64_t began;               /* microseconds */
    unsigned row;
} wsgi_tally_use;

struct wsgi_settings;

/* Gives the memory, zeros to begin with, or NULL: nothing is counted then. For
   the server's parent, before it has children. component is wsgi_component.
   configuration tells the server's configuration from others. */
void wsgi_tally_open(wsgi_tally *memory, const char *component,
                     uint32_t configuration);

/* The memory, or NULL, and what wsgi_tally_open was given. Any thread. */
const wsgi_tally *wsgi_tally_memory(void);
const char *wsgi_tally_component(void);

/* Whether a process has ended, given the number that it left in such memory.
   What can be no number of a process has not. Any thread. */
int wsgi_tally_is_dead(uint32_t pid);

/* Called when a child of the server begins, and when it ends. The second is
   safe in a signal handler. */
void wsgi_tally_enter_child(void);
void wsgi_tally_leave_child(void);

/* Called before and after an application serves a request, in the request's
   thread. status is what wsgi_handle returns. Between the two, a call of
   wsgi_tally_note_error or wsgi_tally_note_process in that thread is about
   this request. */
void wsgi_tally_begin(wsgi_tally_use *use, const wsgi_request *request,
                      const struct wsgi_settings *settings);
void wsgi_tally_end(wsgi_tally_use *use, int status);

/* How many requests this child serves. 0: none, or nothing is counted. Any
   thread. */
unsigned wsgi_tally_busy(void);

/* ---- place.c: how many requests of an application, and of a customer, run
   at once. -----------------------------------------------------------------
 */

/* A request's places among those of its application and of its customer. Only
   place.c uses the fields. */
typedef struct wsgi_place {
    struct wsgi_place *around; /* of this thread, around a sub-request */
    unsigned numbers[2];       /* of the wsgi_tally_places */
    unsigned count;            /* of numbers: it has these places */
} wsgi_place;

/* Takes a place, if mod_wsgi.concurrency leaves one, and one among those of
   the customer (settings->owner), who has so many (ceiling) for all
   applications; WSGI_NO_BOUND: the customer needs none. In all children of the
   server at most so many are taken at the same time. A sub-request needs none
   that this thread has. To be called behind wsgi_tally_begin, in the request's
   thread. Returns 0: the caller calls wsgi_place_leave. Or returns 503 after
   logging. */
int wsgi_place_enter(wsgi_place *place, const wsgi_tally_use *use,
                     const wsgi_request *request,
                     const struct wsgi_settings *settings, long ceiling);
void wsgi_place_leave(wsgi_place *place);

/* ---- refusal.c: counts refused requests. -------------------------------- */

/* Counts one. Returns how many the log has not told of, if it is to do so now:
   once a minute. Else 0. Any thread. */
unsigned long long wsgi_refusal_count(wsgi_tally_refusals *refusals);

/* ---- sibling.c: the server's children, in the memory that they share. ----
 */

/* Whether a child of this server has that number. Another process that has got
   it, since the child has ended, is none. Any thread. */
int wsgi_sibling_lives(uint32_t pid);

/* Takes a place whose number is 0, or of a process that is gone (NULL: it may
   not be anybody's). Returns whether it has worked. */
int wsgi_sibling_take(uint32_t *place, uint32_t pid,
                      int (*is_gone)(uint32_t pid));

/* How many places of children may be in use: the first ones. The memory of the
   others stays untouched. Any thread. */
unsigned wsgi_sibling_count(const wsgi_tally *memory);

/* Takes a place for this child, with counts of 0. NULL: none is free. */
wsgi_tally_child *wsgi_sibling_enter(wsgi_tally *memory);

/* The sum of a count of all children that live. where is its offset in a
   wsgi_tally_child. Any thread. */
uint32_t wsgi_sibling_sum(const wsgi_tally *memory, size_t where);

/* ---- tally.c again. ----------------------------------------------------- */

/* What place.c needs of the memory: all of it, or NULL; this child's place
   there, or NULL; a hash that tells applications apart, never 0; and the row
   of a request, of which wsgi_tally_begin has been called. Any thread. */
wsgi_tally *wsgi_tally_shared(void);
wsgi_tally_child *wsgi_tally_mine(void);
uint64_t wsgi_tally_key(const wsgi_request *request,
                        const struct wsgi_settings *settings);
unsigned wsgi_tally_number_of(const wsgi_tally_use *use);

/* Notes a line of the log, if it is about the request that this thread serves.
   Any thread. */
void wsgi_tally_note_error(const wsgi_request *request, const char *line);

/* Notes a process that serves the application. */
void wsgi_tally_note_process(uint32_t pid);

/* Notes how long the application took to load. */
void wsgi_tally_note_load(const wsgi_request *request, uint64_t microseconds);

/* Copies what loading needs of the applications in the server's own processes
   that were used in the last so many seconds: of the most used ones, at most
   this number. Returns how many. */
unsigned wsgi_tally_recall_most(wsgi_tally_recall *to, unsigned most,
                                int64_t recent);

/* Notes which application this child loads before it takes requests, NULL:
   none any more. If the child ends meanwhile, the application is not loaded
   beforehand again: it could end every child. */
void wsgi_tally_note_loading(const wsgi_tally_recall *which);

/* The row of the request that this thread serves, or NULL. */
wsgi_tally_row *wsgi_tally_row_of(const wsgi_request *request);

/* ---- crowd.c ------------------------------------------------------------ */

/* The request begins to wait for an application's process (1), or no longer
   does (-1). */
void wsgi_crowd_wait(const wsgi_request *request, int difference);

/* How many requests of the application wait in the whole server. -1: that is
   not known. Looks at all processes of the server. */
long wsgi_crowd_count(const wsgi_request *request);

/* Counts a request that is refused. Returns how many were since the log told
   of them, if it is to do so now: once a minute. Else 0. */
unsigned long long wsgi_crowd_refuse(const wsgi_request *request);

/* Microseconds of a clock that only goes forward. Any thread. */
uint64_t wsgi_tally_now(void);

/* The bucket of a time, and the time in which a bucket begins. Pure. */
unsigned wsgi_tally_bucket(uint64_t microseconds);
uint64_t wsgi_tally_bound(unsigned bucket);

#endif
