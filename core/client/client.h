/*
 * client.h - what a request sends and reads: log lines, the response, the
 * body. No Python.
 */
#ifndef WSGI_CLIENT_H
#define WSGI_CLIENT_H

#include "../request/request.h"

/* ---- lines.c: lines that nobody has ended yet. -------------------------- */

/* An unfinished line. */
typedef struct wsgi_line wsgi_line;

/* Says which unfinished line is meant: an owner's list, a stream, a thread. */
typedef struct wsgi_lines {
    wsgi_line **first;  /* the owner's list; *first is NULL in an empty one */
    const char *stream; /* which stream: compared by address */
    unsigned long
        thread; /* its number, if several threads share the list; else 0 */
    const wsgi_request *request; /* whose log it is, or NULL */
} wsgi_lines;

/* Logs whole lines and keeps the rest. Returns 0, or -1 when memory is out. */
int wsgi_lines_add(const wsgi_lines *lines, const char *text, size_t size);

/* Logs the unfinished line. */
void wsgi_lines_flush(const wsgi_lines *lines);

/* Python 2's print remembers here whether a space is due. The second returns
   0, or -1 when memory is out. */
int wsgi_lines_softspace(const wsgi_lines *lines);
int wsgi_lines_set_softspace(const wsgi_lines *lines, int softspace);

/* Logs the unfinished lines of a list and frees it. No thread may use the list
   any more. */
void wsgi_lines_end(wsgi_line **first, const wsgi_request *request);

/* ---- body.c: the request's body, read beforehand. ----------------------- */

typedef struct wsgi_body {
    int64_t size;
    int64_t at;       /* how much the application has read */
    char *memory;     /* the whole body, if there is no file */
    size_t in_memory; /* how many bytes are not in the file */
    int fd;           /* a file with the whole body, or -1 */
} wsgi_body;

/* Reads the whole body, waiting for the client. Returns 0. On failure logs why
   and returns an HTTP status. In both cases the caller calls wsgi_body_free.
   The caller holds no lock. */
int wsgi_body_keep(const wsgi_request *request, wsgi_body *body);

/* Reads the next bytes, at most size. Returns how many, 0 at the end, or -1
   with errno. One thread at a time. */
int64_t wsgi_body_read(wsgi_body *body, char *to, size_t size);

void wsgi_body_free(wsgi_body *body);

/* What an enum wsgi_read means in words, and as an HTTP status. */
const char *wsgi_body_explain(int error);
int wsgi_body_status(int error);

/* ---- sender.c: a thread that sends small pieces of a response. ----------

   These functions call the host for a request: see wsgi_call_lock_host. Before
   any other call of the host for that request, except to log,
   wsgi_sender_finish is called. When a response has ended or failed, the
   thread has none of its pieces left. */

/* Gives the thread a copy of a piece of a response whose head has been sent.
   Never waits for the client. Returns 0, or -1 if the caller has to send the
   piece. */
int wsgi_sender_give(const wsgi_request *request, const wsgi_chunk *chunk);

/* Sends what the thread has not sent yet, then the chunks. The caller does not
   hold Python's lock. Returns 0, or -1 when the client is gone. */
int wsgi_sender_send(const wsgi_request *request, const wsgi_chunk *chunks,
                     size_t count, enum wsgi_after after);

/* Sends what the thread has not sent yet. Waits until the thread no longer
   uses the request. The caller does not hold Python's lock. Returns 0, or -1
   when the client is gone. */
int wsgi_sender_finish(const wsgi_request *request);

/* Stops the thread for good, because the process is ending: after this, the
   thread uses no request's record. Waits for a piece that is being sent, but
   at most 200 ms, for a host whose is_ready was wrong may wait for its client.
   Safe in a signal handler, whatever code was interrupted. */
void wsgi_sender_stop(void);

/* ---- client.c: the one door to the client. ------------------------------

   Only one of these runs for a request at a time: see wsgi_call_lock_host.
   They wait for the client, so the caller does not hold Python's lock. */

/* One piece of output: chunks, or a part of an open file. */
typedef struct wsgi_output {
    const wsgi_chunk *chunks;
    size_t count;
    int is_file, fd;
    int64_t offset, size;
} wsgi_output;

/* Sends the head, if it is not NULL, and the output. Returns 0, or -1 when the
   client is gone. */
int wsgi_client_send(const wsgi_request *request, const wsgi_head *head,
                     const wsgi_output *output, enum wsgi_after after);

/* Whether the host can send parts of files. May be called at any time. */
int wsgi_client_takes_files(void);

/* Reads at least one byte of the request's body. Returns how many, 0 at the
   end, or one of enum wsgi_read. */
int64_t wsgi_client_read(const wsgi_request *request, char *to, size_t size);

/* Makes a response whose head has been sent look broken to the client. */
void wsgi_client_fail(const wsgi_request *request);

#endif
