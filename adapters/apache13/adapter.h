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

/* The value of SetHandler and AddHandler that is ours. */
#define WSGI_HANDLER "mod_wsgi"

/* A request under way: the record behind wsgi_request. */
typedef struct exchange {
    request_rec *r;
    int reading;     /* the body has been asked for */
    int at_end;      /* of the request's body */
    int is_unwanted; /* the body: the client was not asked to send it */
    int begun;       /* the response's head was sent */
    int is_cut;      /* ranges of the response's body are sent, not all */
} exchange;

/* mod_wsgi.c: the main server, whose log takes what belongs to no request. */
extern server_rec *wsgi_apache_server;

/* host.c: what this server does for the core. */
extern const wsgi_host wsgi_apache_host;

/* host.c: reads what the application left of the body, so that the next
   request on the connection begins where it begins. */
void wsgi_apache_drain(exchange *x);

/* host.c: ends the connection with this response if something of the request's
   body is left. */
void wsgi_apache_leave_rest(exchange *x);

/* environ.c: whether the server asks for this URL because another one gave an
   error. */
int wsgi_apache_is_error_document(const request_rec *r);

/* environ.c: whether a body belongs to this very request: that of a
   sub-request is its parent's, that of an error document has been read. */
int wsgi_apache_has_body(const request_rec *r);

/* environ.c: makes r->subprocess_env the CGI environment. */
void wsgi_apache_prepare_env(request_rec *r);

/* section.c: notes which .htaccess files took part in a sub-request. The
   server may put it in the place of the request that it is for (an index of a
   directory, a negotiated variant) without passing that on; notes are. */
void wsgi_apache_note_htaccess(request_rec *r);

/* section.c: fills in what the configuration says of where the URL leads. */
void wsgi_apache_find_section(request_rec *r, wsgi_request *request);

/* section.c: the argument of SetHandler in a section, or NULL. */
const char *wsgi_apache_set_handler(void *section);

#endif
