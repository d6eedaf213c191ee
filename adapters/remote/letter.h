/*
 * letter.h - a packet of a process that is being obeyed: what obey.c,
 * reply.c and upload.c share.
 */
#ifndef WSGI_LETTER_H
#define WSGI_LETTER_H

#include "trip.h"

#define WSGI_LETTER_PARTS 16

typedef struct wsgi_letter {
    wsgi_trip *trip;
    wsgi_packet rest;
    int fd; /* -1: none came, or it has been used */
    wsgi_chunk parts[WSGI_LETTER_PARTS + 1]; /* of the body, not sent yet; the
                                                first is for scratch->whole */
    size_t count;
} wsgi_letter;

/* Notes how the protocol was broken. Returns WSGI_NEXT_BROKEN. */
enum wsgi_next wsgi_letter_break(wsgi_trip *trip, const char *how);

/* ---- reply.c: the response's head and body. -------------------------- */

enum wsgi_next wsgi_reply_head(wsgi_letter *l, const wsgi_frame *frame);
enum wsgi_next wsgi_reply_body(wsgi_letter *l, const wsgi_frame *frame);
enum wsgi_next wsgi_reply_file(wsgi_letter *l, const wsgi_frame *frame);
enum wsgi_next wsgi_reply_fail(wsgi_letter *l);

/* Sends what has been gathered of the body, if it is anything. */
enum wsgi_next wsgi_reply_send(wsgi_letter *l);

/* The packet has ended: sends or copies what has been gathered. */
enum wsgi_next wsgi_reply_keep(wsgi_letter *l);

/* ---- upload.c: the request's body, when the process asks for it. -------- */

enum wsgi_next wsgi_upload_read(wsgi_letter *l, const wsgi_frame *frame);

#endif
