/*
 * mod_floor.c - what Apache itself costs.
 *
 * Stands where mod_wsgi would stand: it is loaded and chosen by the same lines
 * of configuration (hence the names), reads the same variables, builds the
 * same CGI environment and answers as the applications "hello", "page",
 * "stream" and "echo" of bench/apps/work.py do. No module that calls Python
 * can do less, so what another needs beyond this is its own price.
 *
 * "FloorFlush On" makes it flush a complete response within the handler, as
 * mod_wsgi does. Without that, Apache first looks for another request in the
 * connection. A directive costs a request nothing. A variable would.
 */
/* The server's headers do not include what they need: this one comes first. */
#include <httpd.h>

#include <http_config.h>
#include <http_protocol.h>
#include <string.h>
#include <util_script.h>

#include "flush.h"

static const char paragraph[] =
    "<p>A paragraph of a page, as templates make it.</p>\n";
static char whole_page[197 * (sizeof paragraph - 1)];
static int flushes;

static int hello(request_rec *r)
{
    static const char answer[] = "Hello, world!";

    ap_set_content_length(r, sizeof answer - 1);
    if (!r->header_only)
        ap_rwrite(answer, sizeof answer - 1, r);
    return OK;
}

static int page(request_rec *r)
{
    ap_set_content_type(r, "text/html; charset=utf-8");
    apr_table_setn(r->headers_out, "Cache-Control", "private, max-age=0");
    apr_table_setn(r->headers_out, "Vary", "Cookie");
    apr_table_setn(r->headers_out, "X-Frame-Options", "DENY");
    apr_table_setn(r->headers_out, "Set-Cookie",
                   "session=0123456789abcdef; Path=/; HttpOnly");
    ap_set_content_length(r, sizeof whole_page);
    ap_rwrite(whole_page, sizeof whole_page, r);
    return OK;
}

/* Pieces that the system has before the next is made (PEP 3333). */
static int stream(request_rec *r)
{
    char piece[100];
    int i;

    memset(piece, 'p', sizeof piece);
    for (i = 0; i < 100; i++) {
        ap_rwrite(piece, sizeof piece, r);
        ap_rflush(r);
    }
    return OK;
}

static int echo(request_rec *r)
{
    static const int size = 1 << 16;
    char *body = apr_palloc(r->pool, size);
    int got = 0;
    long part = 1;

    while (got < size && part > 0) {
        part = ap_get_client_block(r, body + got, size - got);
        got += part > 0 ? (int)part : 0;
    }
    ap_set_content_length(r, got);
    ap_rwrite(body, got, r);
    return OK;
}

static int answer(request_rec *r)
{
    const char *name =
        apr_table_get(r->subprocess_env, "mod_wsgi.application");

    if (name != NULL && strcmp(name, "work::page") == 0)
        return page(r);
    if (name != NULL && strcmp(name, "work::stream") == 0)
        return stream(r);
    if (name != NULL && strcmp(name, "work::echo") == 0)
        return echo(r);
    return hello(r);
}

static int handle(request_rec *r)
{
    int status;

    if (r->handler == NULL || strcmp(r->handler, "mod_wsgi") != 0)
        return DECLINED;
    if (ap_setup_client_block(r, REQUEST_CHUNKED_DECHUNK) != OK)
        return HTTP_BAD_REQUEST;
    ap_add_common_vars(r);
    ap_add_cgi_vars(r);
    ap_set_content_type(r, "text/plain");
    status = answer(r);
    return status == OK && flushes ? flush_end(r) : status;
}

static const char *set_flush(cmd_parms *command, void *config, int on)
{
    (void)command, (void)config;
    flushes = on;
    return NULL;
}

static const command_rec commands[] = {
    AP_INIT_FLAG("FloorFlush", set_flush, NULL, RSRC_CONF,
                 "flush each response within the handler"),
    {NULL},
};

static void register_hooks(apr_pool_t *pool)
{
    size_t place;

    (void)pool;
    for (place = 0; place < sizeof whole_page; place++)
        whole_page[place] = paragraph[place % (sizeof paragraph - 1)];
    ap_hook_handler(handle, NULL, NULL, APR_HOOK_MIDDLE);
}

module AP_MODULE_DECLARE_DATA wsgi_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, commands, register_hooks,
};
