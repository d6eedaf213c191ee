/*
 * mod_floor.c - what Apache itself costs.
 *
 * Stands where mod_wsgi would stand: it is loaded and chosen by the same lines
 * of configuration (hence the names), reads the same variables, builds the
 * same CGI environment and answers as the applications "hello", "stream" and
 * "echo" of bench/apps/work.py do. No module that calls Python can do less, so
 * what another needs beyond this is its own price.
 */
/* The server's headers do not include what they need: this one comes first. */
#include <httpd.h>

#include <http_config.h>
#include <http_protocol.h>
#include <string.h>
#include <util_script.h>

static int hello(request_rec *r)
{
    static const char answer[] = "Hello, world!";

    ap_set_content_length(r, sizeof answer - 1);
    if (!r->header_only)
        ap_rwrite(answer, sizeof answer - 1, r);
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

static int handle(request_rec *r)
{
    const char *application;

    if (r->handler == NULL || strcmp(r->handler, "mod_wsgi") != 0)
        return DECLINED;
    if (ap_setup_client_block(r, REQUEST_CHUNKED_DECHUNK) != OK)
        return HTTP_BAD_REQUEST;
    ap_add_common_vars(r);
    ap_add_cgi_vars(r);
    ap_set_content_type(r, "text/plain");
    application = apr_table_get(r->subprocess_env, "mod_wsgi.application");
    if (application != NULL && strcmp(application, "work::stream") == 0)
        return stream(r);
    if (application != NULL && strcmp(application, "work::echo") == 0)
        return echo(r);
    return hello(r);
}

static void register_hooks(apr_pool_t *pool)
{
    (void)pool;
    ap_hook_handler(handle, NULL, NULL, APR_HOOK_MIDDLE);
}

module AP_MODULE_DECLARE_DATA wsgi_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks,
};
