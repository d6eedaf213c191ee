/*
 * adapter.h - what the files of this adapter share.
 */
#ifndef WSGI_ADAPTER_H
#define WSGI_ADAPTER_H

#include "compat.h"
#include "host.h"

#include <pthread.h>

/* What SetHandler and AddHandler call this module. */
#define WSGI_HANDLER "mod_wsgi"
#define WSGI_STATUS_HANDLER "mod_wsgi-status"

extern module wsgi_module;

/* A request under way: the record behind wsgi_request. */
typedef struct exchange {
    request_rec *r;
    int first_configured; /* entry of r->subprocess_env: what configuration
                             has set is from here on */
    apr_bucket_brigade *in, *out; /* NULL until needed */
    apr_os_thread_t thread;       /* the one that serves the request */
    pthread_mutex_t borrowed;     /* by another thread: wsgi_apache_borrow */
    apr_int64_t body_left;        /* bytes to read; -1: unknown */
    int at_end;                   /* the request's body has been read */
    int begun;                    /* some of the response was passed on */
    int answered;                 /* ... and a filter answered in its place */
    int refused;                  /* the status with which the input filter
                                     wants to answer the client, or 0 */
    int is_broken;                /* the core has said so: fail */
    int timed_out;                /* the server's Timeout, while it read */
    int has_error_pages;          /* the application wants the server's */
    int error_page;               /* the status of the one to be sent, or 0 */
} exchange;

/* mod_wsgi.c: the main server. Its log takes lines that belong to no request.
 */
extern server_rec *wsgi_apache_server;

/* host.c: what this server does for the core. */
extern const wsgi_host wsgi_apache_host;

/* host.c: the descriptor of a server's error log, which stays the server's;
   -1: it has none. */
int wsgi_apache_log_of(const server_rec *server);

/* host.c: a down call from another thread than the request's own stands
   between these two. They keep the request's own thread from using the
   request's memory meanwhile, which it does when it logs. borrow gives the
   exchange that record is. */
exchange *wsgi_apache_borrow(void *record);
void wsgi_apache_give_back(exchange *x);

/* body.c: tells the server of the filters that reading a body needs. Called
   once, when the module is registered. */
void wsgi_apache_register_filters(void);

/* body.c: gives up a body for which the client still waits for 100 Continue.
   The client gets the final answer instead, and may send the body after it or
   not. Nobody knows then where its next request would begin, so the connection
   ends with this one. */
void wsgi_apache_leave_unread(const exchange *x);

/* body.c, response.c: functions of the table, as wsgi_host declares them. */
int64_t wsgi_apache_read_body(void *record, char *buffer, size_t size);
int wsgi_apache_send_head(void *record, const wsgi_head *head);
int wsgi_apache_send_body(void *record, const wsgi_chunk *chunks, size_t count,
                          enum wsgi_after after);
int wsgi_apache_is_ready(void *record);
int wsgi_apache_is_gone(void *record);
void wsgi_apache_fail(void *record);
int wsgi_apache_send_file(void *record, int fd, int64_t offset, int64_t size,
                          enum wsgi_after after);

/* host.c, retire.c: as the host's functions of these names. */
int wsgi_apache_is_stopping(void);
int wsgi_apache_retire(void);
int wsgi_apache_count_threads(void);

/* mod_python.c: whether mod_python is loaded, was built with another Python,
   and would run with ours. No process of the server would survive that. */
int wsgi_apache_misleads_mod_python(void);

/* mod_python.c: lets mod_python own Python, where it is loaded. */
void wsgi_apache_join_mod_python(wsgi_process *process);

/* configuration.c, both for the server's parent. The first is called once in
   each configuration pass, before anything else. The second returns the number
   that the first has found, which tells the server's configuration from others
   and is neither 0 nor all bits. */
void wsgi_apache_note_configuration(void);
uint32_t wsgi_apache_configuration(void);

/* spawner.c: called in each configuration pass, in the server's parent. */
void wsgi_apache_configure_spawner(apr_pool_t *config, server_rec *server);

/* spawner.c: called in each child of the server. Gives up what is the
   parent's. */
void wsgi_apache_enter_child(const server_rec *server);

/* environ.c: whether the server asks for this URL because another one gave an
   error. */
int wsgi_apache_is_error_document(const request_rec *r);

/* environ.c: whether a body belongs to this request. That of a sub-request is
   its parent's. That of an error document has been read. */
int wsgi_apache_has_body(const request_rec *r);

/* environ.c: makes r->subprocess_env the CGI environment, and fills in
   first_configured. */
void wsgi_apache_prepare_env(exchange *x);

/* section.c: notes which .htaccess files took part in a sub-request. For an
   index of a directory or a negotiated variant the server puts the sub-request
   in the place of its request. It passes the notes on then, but not the list
   of the files. */
void wsgi_apache_note_htaccess(request_rec *r);

/* section.c: fills in location, directory and htaccess. */
void wsgi_apache_find_section(request_rec *r, wsgi_request *request);

#endif
