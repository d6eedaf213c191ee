/*
 * process.h - the program mod_wsgi-pyX.Y: a process of an application, which
 * serves requests that a server sends it.
 *
 * The core is its usual self, and this program its host. The spawner starts
 * it, with the arguments and descriptors of ../wire/ask.h. Connections come
 * over the control socket; the frames on them are those of ../wire/wire.h.
 *
 * A function's prefix names its file: wsgi_crew_start is in crew.c.
 */
#ifndef WSGI_PROCESS_H
#define WSGI_PROCESS_H

#include "../wire/ask.h"
#include "../wire/wire.h"

/* ---- exchange.c: one request, from its packet to DONE. ------------------ */

/* What a thread keeps from request to request. Zeros to begin with. */
typedef struct wsgi_room {
    char *packet;    /* what has come: WSGI_PACKET_MOST bytes, or NULL */
    char *data;      /* the same for what comes during a request */
    wsgi_buffer out; /* frames that are to be sent with the next ones */
} wsgi_room;

/* A request under way: the record behind wsgi_request. */
typedef struct wsgi_exchange {
    int socket;
    wsgi_room *room;
    wsgi_wire_request got;
    size_t eager_read;   /* how much of the eager bytes the application has */
    int read_result;     /* 1: more may come; else what read_body returns */
    int failure;         /* the status for a head that can't be sent, or 0 */
    uint8_t retry_after; /* seconds; 0: the client is not told to retry */
    uint32_t load_ms;    /* the application was loaded in so long; 0: before */
    int is_slow;         /* the server did not take a line in time: atomic */
    int is_counted;      /* on the board */
    int is_done;         /* DONE was sent, or is about to be */
    int is_gone;         /* the server's end is closed, or talks nonsense */
} wsgi_exchange;

/* Waits for a REQUEST on a connection, and serves it. Returns 0, or -1 if the
   connection is to be closed. */
int wsgi_exchange_serve(wsgi_room *room, int socket);

/* This process is a copy that an application has forked: no exchange sends or
   reads any more. Called in the only thread of the copy. */
void wsgi_exchange_set_copy(void);

/* Whether nothing can be sent to the server, or read from it, any more. */
int wsgi_exchange_is_over(const wsgi_exchange *x);

/* The host's table. */
extern const wsgi_host wsgi_exchange_host;

/* ---- outgoing.c: the frames of a response. -------------------------------

   These are down calls for a request: no two at once. They return 0, or -1
   when the server's end is closed. */

/* Sends the frames that are kept, if there are any. */
int wsgi_outgoing_flush(wsgi_exchange *x);

int wsgi_outgoing_head(void *record, const wsgi_head *head);
int wsgi_outgoing_body(void *record, const wsgi_chunk *chunks, size_t count,
                       enum wsgi_after after);
int wsgi_outgoing_file(void *record, int fd, int64_t offset, int64_t size,
                       enum wsgi_after after);
int wsgi_outgoing_is_ready(void *record);
void wsgi_outgoing_fail(void *record);

/* Sends DONE, unless that was done. */
int wsgi_outgoing_done(wsgi_exchange *x, int status);

/* ---- crew.c: the threads and the connections. ---------------------------

   Called by the main thread. */

/* Starts so many threads. The last one that ends calls ended(). Returns 0, or
   an errno. A copy of this process that an application forks has neither
   threads nor connections. */
int wsgi_crew_start(int threads, void (*ended)(void));

/* Takes a connection over. It is closed at once when the crew is draining. */
void wsgi_crew_add(int socket);

/* Closes the connections without a request under way at once, and each other
   one after its request. The threads end then. */
void wsgi_crew_drain(void);

/* Whether wsgi_crew_drain was called. Any thread. */
int wsgi_crew_is_draining(void);

/* ---- board.c: how busy this process is. --------------------------------- */

/* Maps the board, if there is one, with the notes of the processes before this
   one. configuration is the server's. Called once. */
void wsgi_board_open(int slot, int threads, uint32_t configuration);

int wsgi_board_is_there(void);

/* A request begins, or has ended. Any thread. */
void wsgi_board_begin(void);
void wsgi_board_end(void);

void wsgi_board_set_draining(void);

/* Whether a request is under way, or one has ended since the last call. */
int wsgi_board_was_used(void);

/* ---- own.c: descriptors that an application may close. ------------------ */

/* Notes what a descriptor is. Called before there are other threads. */
void wsgi_own_keep(int fd);

/* Whether a descriptor is still what it was. Any thread, and safe in a signal
   handler. */
int wsgi_own_has(int fd);

/* One that is not, or -1. Any thread. */
int wsgi_own_lost(void);

/* ---- memory.c: how much memory this process has. ------------------------ */

/* In MB; 0 if nobody knows. */
long wsgi_memory_used(void);

#endif
