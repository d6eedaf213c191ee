/*
 * compat.h - what differs between Apache 2.0, 2.2 and 2.4.
 *
 * The rest of the adapter is written for 2.4, in words that are defined here
 * where an older server spells them otherwise or lacks them.
 */
#ifndef WSGI_COMPAT_H
#define WSGI_COMPAT_H

#define CORE_PRIVATE /* 2.0 and 2.2: show the core's own configuration */

#include <apr.h>

/* Python has threads of its own. So the server's library must know threads
   even where one thread serves (prefork). Without them the headers of 2.4
   fail, so this is checked before they are included. */
#if !APR_HAS_THREADS
#error "this Apache's APR has no threads: build it with --enable-threads"
#endif

#include <httpd.h>

#include <ap_mpm.h>
#include <apr_buckets.h>
#include <apr_fnmatch.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <apr_version.h>
#include <http_config.h>
#include <http_connection.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>
#include <util_filter.h>
#include <unixd.h>
#include <util_script.h>

/* 200, 202 or 204. 2.0 does not define its version as numbers. */
#ifdef AP_SERVER_MINORVERSION_NUMBER
#define WSGI_LINE (200 + AP_SERVER_MINORVERSION_NUMBER)
#else
#define WSGI_LINE 200
#endif

#if WSGI_LINE < 202
#define ap_http_scheme(r) ap_http_method(r)
#endif

/* 2.4 leaves request headers with unusual names out of the environment, and
   "Proxy" since 2.4.25 (CVE-2016-5387). For older servers the adapter does. */
#if WSGI_LINE > 204 || (WSGI_LINE == 204 && AP_SERVER_PATCHLEVEL_NUMBER >= 25)
#define WSGI_HEADERS_ARE_SAFE 1
#else
#define WSGI_HEADERS_ARE_SAFE 0
#endif

/* 2.4 refuses a request if it is not certain where it ends, and closes the
   connection. Older servers read on. */
#define WSGI_BODIES_ARE_STRICT (WSGI_LINE >= 204)

/* Where the connection ends, 2.0 says that the body has ended. If that is
   within the line before a chunk, it says that the body is too large. */
#define WSGI_ENDS_BODIES_WITH_CONNECTIONS (WSGI_LINE < 202)

/* mod_deflate of 2.0 adds a body to responses that must have none. */
#define WSGI_DEFLATES_EMPTY_BODIES (WSGI_LINE < 202)

/* Whether programs inherit the socket of a connection. Since APR 1.4 they do
   not. */
#define WSGI_CONNECTIONS_ARE_INHERITED                                        \
    (APR_MAJOR_VERSION < 1 ||                                                 \
     (APR_MAJOR_VERSION == 1 && APR_MINOR_VERSION < 4))

/* Whether the scoreboard says of each thread whose it is. */
#if WSGI_LINE >= 204
#define WSGI_THREADS_HAVE_PIDS 1
#define wsgi_pid_of_thread(thread) ((thread)->pid)
#else
#define WSGI_THREADS_HAVE_PIDS 0
#define wsgi_pid_of_thread(thread) ((void)(thread), (pid_t)0)
#define ap_get_scoreboard_worker_from_indexes ap_get_scoreboard_worker
#endif

/* The socket of a connection. Older servers have it as the core's
   configuration of the connection. */
#if WSGI_LINE < 204
#define ap_get_conn_socket(c)                                                 \
    ((apr_socket_t *)ap_get_module_config((c)->conn_config, &core_module))
#endif

#if WSGI_LINE < 204
#define ap_unixd_config unixd_config
#endif

/* The argument of SetHandler in a section, or NULL if there is none. section
   is NULL if it has no directive of the core. Since 2.4.19 the argument is an
   expression. One that fails gives NULL. */
static inline const char *wsgi_set_handler(request_rec *r,
                                           const core_dir_config *section)
{
#if AP_MODULE_MAGIC_AT_LEAST(20120211, 53)
    const char *error = NULL;

    if (section != NULL && section->expr_handler != NULL) {
        const char *handler =
            ap_expr_str_exec(r, section->expr_handler, &error);

        return error == NULL ? handler : NULL;
    }
#else
    (void)r;
#endif
    return section != NULL ? section->handler : NULL;
}

/* 2.4 marks each line of the log with the module it came from. */
#ifdef APLOG_USE_MODULE
APLOG_USE_MODULE(wsgi);
#endif

#endif
