/*
 * trip.h - a request on its way to an application's process and back: what the
 * files of this folder share.
 *
 * A function's prefix names its file: wsgi_group_take is in group.c.
 */
#ifndef WSGI_TRIP_H
#define WSGI_TRIP_H

#include <stdint.h>

#include "../wire/ask.h"
#include "../wire/wire.h"

/* ---- group.c: connections with the processes of one user and name. ------ */

typedef struct wsgi_group wsgi_group;

/* A connection. It belongs to one request, or to its group while it is idle.
 */
typedef struct wsgi_connection {
    struct wsgi_connection *next;
    wsgi_group *group;
    int socket;
    int is_fresh;  /* the spawner has not said yet who has the other end */
    uint32_t pid;  /* who has it; 0: not known yet */
    uint32_t slot; /* of that process, on the group's board */
    time_t since;  /* idle since then */
} wsgi_connection;

/* How many requests the processes have, as far as is known. */
typedef struct wsgi_crowd {
    int waits;         /* no process has a free thread, or may begin */
    int hangs;         /* descriptors of the processes can't be closed */
    unsigned served;   /* requests that the processes have */
    unsigned of_child; /* requests on connections of this child */
} wsgi_crowd;

/* Finds an idle connection to a process that has a free thread, as far as is
   known, or makes a fresh one. A fresh one has no socket yet (-1). Returns
   NULL when memory is out, or descriptors hang. Any thread. */
wsgi_connection *wsgi_group_take(const wsgi_ask *ask, wsgi_crowd *crowd);

/* Counts what is closed of that the connection's processes have sent. Any
   thread. */
wsgi_closing *wsgi_group_closing(const wsgi_connection *connection);

/* Keeps a connection for another request. Any thread. */
void wsgi_group_keep(wsgi_connection *connection);

/* Closes a connection. Any thread. */
void wsgi_group_close(wsgi_connection *connection);

/* Whether each thread of the process has a request, as far as is known. Any
   thread. */
int wsgi_group_is_full(const wsgi_connection *connection);

/* Notes who has the other end. Takes over the descriptor of a board, or -1.
   Any thread. */
void wsgi_group_note(wsgi_connection *connection, const wsgi_wire_given *given,
                     int board);

/* ---- asking.c: asks the spawner for a process. -------------------------- */

/* While nothing comes from a connection, a receive returns after so many
   milliseconds with EAGAIN. */
#define WSGI_TRIP_LOOK_MS 1000

/* Gives the connection its socket, and the spawner the other end. Returns 0.
   On failure logs why and returns an HTTP status. Any thread. */
int wsgi_asking_connect(const wsgi_request *request, const wsgi_ask *ask,
                        wsgi_connection *connection);

/* Tells the spawner that the connection's process does not answer, so that it
   is replaced. Any thread. */
void wsgi_asking_tell_overdue(const wsgi_ask *ask,
                              const wsgi_connection *connection);

/* ---- identity.c: a child that is not what its parent has made it. ------- */

/* If the child has become another user, has the ask name that user. Returns 0,
   or an HTTP status after logging if the ask is for somebody else's process.
   Any thread. */
int wsgi_identity_settle(const wsgi_request *request, wsgi_ask *ask);

/* Whether the child sees the files that applications' processes see. Returns
   0, or an HTTP status after logging. Any thread. */
int wsgi_identity_check_root(const wsgi_request *request, const wsgi_ask *ask);

/* ---- scratch.c: memory that is kept from request to request. ------------ */

/* What a request needs while it is served elsewhere. Kept from request to
   request. */
typedef struct wsgi_scratch {
    struct wsgi_scratch *next;
    wsgi_buffer packet; /* REQUEST, and later a part of the body */
    wsgi_buffer body;   /* what was read of the body before */
    wsgi_buffer headers;
    wsgi_buffer whole; /* the begin of a body that is not sent in parts */
    char received[WSGI_PACKET_MOST];
} wsgi_scratch;

/* Returns NULL when memory is out. Any thread. */
wsgi_scratch *wsgi_scratch_take(void);
void wsgi_scratch_keep(wsgi_scratch *scratch);

/* ---- obey.c: does what the frames of a process say. --------------------- */

/* How far it has got. */
enum wsgi_trip_stage {
    WSGI_TRIP_SENT, /* no frame has come yet */
    WSGI_TRIP_READ, /* the process has read the request */
    WSGI_TRIP_BEGUN,
    WSGI_TRIP_ENDED,
    WSGI_TRIP_FAILED /* the response looks broken */
};

typedef struct wsgi_trip {
    const wsgi_request *request;
    const wsgi_host *host;
    wsgi_ask ask;
    wsgi_connection *connection;
    wsgi_scratch *scratch;
    enum wsgi_trip_stage stage;
    size_t body_given;    /* how much of scratch->body the process has */
    int read_error;       /* what read_body has said after these; 0: nothing */
    int64_t left;         /* of Content-Length; -1: it is not counted */
    int is_bodiless;      /* the client takes no body */
    int has_file;         /* a part of the body was a file */
    int wants_range;      /* the client asks for a part; -1: not known yet */
    int is_stream;        /* some of the body was sent before its end */
    int is_held;          /* pieces of a stream are in scratch->whole */
    int waits;            /* it is counted among those that wait */
    int status;           /* of DONE and REFUSED */
    const char *broken;   /* how the protocol was broken */
    uint64_t waits_since; /* for the process, by wsgi_tally_now; 0: not yet */
} wsgi_trip;

enum wsgi_next {
    WSGI_NEXT_PACKET,
    WSGI_NEXT_DONE,    /* trip->status is what wsgi_handle returns */
    WSGI_NEXT_REFUSED, /* the same, and the spawner has closed its end */
    WSGI_NEXT_GONE,    /* the client has gone */
    WSGI_NEXT_BROKEN   /* trip->broken says why */
};

/* Logs what a process has done: "MW0605: process 71 of alice/shop " comes
   before it, with the code that is given. */
void wsgi_obey_complain(const wsgi_trip *trip, const char *code,
                        const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Does what a packet says. fd came with it (else -1), and is closed. The
   packet is in scratch->received. */
enum wsgi_next wsgi_obey_packet(wsgi_trip *trip, size_t size, int fd);

/* ---- reply.c: the response's head and body. --------------------------
 */

/* Sends the pieces of a stream that wait for others, if there are any. To be
   called before waiting for a packet, and at the end. */
enum wsgi_next wsgi_reply_pause(wsgi_trip *trip);

/* ---- patience.c: how long a request waits for its process. -------------- */

/* To be called before each wait for a packet, which lasts for a second at
   most. Whether the process has done nothing for the client for
   mod_wsgi.timeout. Lines for the log are nothing. */
int wsgi_patience_is_over(wsgi_trip *trip);

/* Logs that the time is over. Has the process replaced, unless the request
   only waited there for others. is_unread: it lies in the socket. */
void wsgi_patience_end(const wsgi_trip *trip, int is_unread);

/* ---- crowd.c: requests that wait. --------------------------------------- */

/* Whether too many requests wait already. */
int wsgi_crowd_is_full(const wsgi_request *request, const wsgi_ask *ask,
                       const wsgi_crowd *crowd);

/* Logs that requests are refused for that, once a minute. */
void wsgi_crowd_tell(const wsgi_request *request, const wsgi_ask *ask);

/* The request begins to wait for a process, if none is known to be free; or no
   longer does, if it did. */
void wsgi_crowd_begin(wsgi_trip *trip, const wsgi_crowd *crowd);
void wsgi_crowd_end(wsgi_trip *trip);

#endif
