/*
 * adapter.h - what the files of this adapter share.
 */
#ifndef WSGI_ADAPTER_H
#define WSGI_ADAPTER_H

#include "compat.h"
#include "host.h"

#include <pthread.h>

/* The value of SetHandler and AddHandler that is ours. */
#define WSGI_HANDLER "mod_wsgi"

extern module wsgi_module;

/* A request under way: the record behind wsgi_request. */
typedef struct exchange {
    request_rec *r;
    apr_bucket_brigade *in, *out; /* NULL until needed */
    apr_os_thread_t thread;       /* the one that serves it */
    pthread_mutex_t borrowed;     /* host.c: by another thread */
    apr_int64_t body_left;        /* -1: unknown */
    int at_end;                   /* of the request's body */
    int begun;                    /* something of the response was passed on */
    int answered;                 /* ... and a filter answered in its place */
    int refused;                  /* status the input filter wants to answer
                                     the client with, or 0 */
    int timed_out;                /* the server's Timeout, while it read */
} exchange;

/* mod_wsgi.c: the main server, whose log takes what belongs to no request. */
extern server_rec *wsgi_apache_server;

/* host.c: what this server does for the core. */
extern const wsgi_host wsgi_apache_host;

/* mod_python.c: whether mod_python is loaded, was built with another Python,
   and would run with ours: no process of the server would live. */
int wsgi_apache_misleads_mod_python(void);

/* mod_python.c: where mod_python is loaded, lets it be the owner of Python. */
void wsgi_apache_join_mod_python(wsgi_process *process);

/* host.c: tells the server of the filters that it needs. */
void wsgi_apache_register_filters(void);

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

#endif
