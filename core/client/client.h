/*
 * client.h - what goes to the host in parts: lines for the log, pieces of a
 * response. No Python.
 */
#ifndef WSGI_CLIENT_H
#define WSGI_CLIENT_H

#include "../request/request.h"

/* ---- lines.c: lines that nobody has ended yet. -------------------------- */

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

/* ---- body.c: the request's body, read beforehand. ----------------------- */

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

/* ---- sender.c: a thread that sends small pieces of a response. ----------

   What is called for a request here counts as a down call: see
   wsgi_call_lock_host. Whoever calls the host for it otherwise finishes first,
   but to log. What was given has gone when the response has its end, or
   failed. */

/* Gives the thread a piece of a response whose head has gone: a copy. Waits
   for no client. Returns 0, or -1: it has to be sent. */
int wsgi_sender_give(const wsgi_request *request, const wsgi_chunk *chunk);

/* Sends what the thread has not, and then the chunks. No lock of Python's
   held. Returns 0, or -1 when the client is gone. */
int wsgi_sender_send(const wsgi_request *request, const wsgi_chunk *chunks,
                     size_t count, enum wsgi_after after);

/* Sends what the thread has not, if there is anything, and waits until it has
   no more to do with the request. No lock of Python's held. Returns 0, or -1
   when the client is gone. */
int wsgi_sender_finish(const wsgi_request *request);

/* The process is ending, in the middle of any code: the thread uses no
   request's record from here on. It is waited for, but not longer than 200 ms:
   a host whose is_ready was wrong may wait for a client. Safe in a signal's
   handler. */
void wsgi_sender_stop(void);

/* ---- client.c: the one door to the client. ------------------------------

   A request has one of these under way at a time: see wsgi_call_lock_host. No
   lock of Python's held, for they wait for the client. */

/* What is sent at once: chunks, or a part of an open file. */
typedef struct wsgi_output {
    const wsgi_chunk *chunks;
    size_t count;
    int is_file, fd;
    int64_t offset, size;
} wsgi_output;

/* Sends the head, unless it has gone (NULL), and the output. Returns 0, or -1
   when the client is gone. */
int wsgi_client_send(const wsgi_request *request, const wsgi_head *head,
                     const wsgi_output *output, enum wsgi_after after);

/* Whether the host sends parts of files. Any time. */
int wsgi_client_takes_files(void);

/* Reads at least one byte of the request's body. Returns how many, 0 at its
   end, or one of wsgi_read. */
int64_t wsgi_client_read(const wsgi_request *request, char *to, size_t size);

/* Makes a response whose head has gone look broken. */
void wsgi_client_fail(const wsgi_request *request);

#endif
