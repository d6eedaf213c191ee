/*
 * adapter.h - what the files of this adapter share.
 */
#ifndef WSGI_ADAPTER_H
#define WSGI_ADAPTER_H

#define CORE_PRIVATE /* show the core's own configuration */

#include <httpd.h>

#include <fnmatch.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <http_main.h>
#include <http_protocol.h>
#include <http_request.h>
#include <util_script.h>

#include "host.h"

/* What SetHandler and AddHandler call this module. */
#define WSGI_HANDLER "mod_wsgi"
#define WSGI_STATUS_HANDLER "mod_wsgi-status"

/* A request under way: the record behind wsgi_request. */
typedef struct exchange {
    request_rec *r;
    int reading;         /* the body has been asked for */
    int at_end;          /* the request's body has been read */
    int is_unwanted;     /* the client was not asked to send the body */
    int begun;           /* the response's head was sent */
    int is_broken;       /* the core has said so: fail */
    int is_cut;          /* only ranges of the response's body are sent */
    int has_error_pages; /* the application wants the server's */
    int error_page;      /* the status of the one to be sent, or 0 */
} exchange;

/* mod_wsgi.c: the main server. Its log takes lines that belong to no request.
 */
extern server_rec *wsgi_apache_server;

/* host.c: what this server does for the core. */
extern const wsgi_host wsgi_apache_host;

/* host.c: the descriptor of a server's error log, which stays the server's;
   -1: it has none. */
int wsgi_apache_log_of(const server_rec *server);

/* host.c: what may wait for the client stands between these two. what is for
   the log. The timeout is a soft one: a hard one leaves by longjmp, over
   Python's frames. */
void wsgi_apache_begin_waiting(exchange *x, const char *what);
void wsgi_apache_end_waiting(exchange *x);

/* body.c: gives up a body for which the client still waits for 100 Continue.
   The client gets the final answer instead, and may send the body after it or
   not. Nobody knows then where its next request would begin, so the connection
   ends with this one. */
void wsgi_apache_leave_unread(exchange *x);

/* body.c: reads what the application left of the body, so that the connection
   can be used for the next request. */
void wsgi_apache_drain(exchange *x);

/* body.c: ends the connection with this response if something of the request's
   body is left. */
void wsgi_apache_leave_rest(exchange *x);

/* body.c, response.c: functions of the table, as wsgi_host declares them. */
int64_t wsgi_apache_read_body(void *record, char *buffer, size_t size);
int wsgi_apache_send_head(void *record, const wsgi_head *head);
int wsgi_apache_send_body(void *record, const wsgi_chunk *chunks, size_t count,
                          enum wsgi_after after);
int wsgi_apache_is_gone(void *record);
void wsgi_apache_fail(void *record);
int wsgi_apache_send_file(void *record, int fd, int64_t offset, int64_t size,
                          enum wsgi_after after);

/* configuration.c, both for the server's parent. The first is called once in
   each configuration pass, before anything else. The second returns the number
   that the first has found, which tells the server's configuration from others
   and is neither 0 nor all bits. */
void wsgi_apache_note_configuration(void);
uint32_t wsgi_apache_configuration(void);

/* spawner.c: called in each configuration pass, in the server's parent. */
void wsgi_apache_configure_spawner(pool *config, server_rec *server);

/* environ.c: whether the server asks for this URL because another one gave an
   error. */
int wsgi_apache_is_error_document(const request_rec *r);

/* environ.c: whether a body belongs to this request. That of a sub-request is
   its parent's. That of an error document has been read. */
int wsgi_apache_has_body(const request_rec *r);

/* environ.c: makes r->subprocess_env the CGI environment. */
void wsgi_apache_prepare_env(request_rec *r);

/* section.c: notes which .htaccess files took part in a sub-request. For an
   index of a directory or a negotiated variant the server puts the sub-request
   in the place of its request. It passes the notes on then, but not the list
   of the files. */
void wsgi_apache_note_htaccess(request_rec *r);

/* section.c: fills in location, directory and htaccess. */
void wsgi_apache_find_section(request_rec *r, wsgi_request *request);

/* section.c: the argument of SetHandler in a section, or NULL. */
const char *wsgi_apache_set_handler(void *section);

#endif
