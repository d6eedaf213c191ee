/*
 * host.c - what Apache 1.3 does for the core: the table.
 *
 * body.c and response.c have the larger part of the functions. The same
 * functions stand in the same order in the same files of adapters/apache2x.
 */
#include "adapter.h"

static void each_env(void *record, wsgi_put *put, void *arg)
{
    const exchange *x = record;
    const array_header *all = ap_table_elts(x->r->subprocess_env);
    const table_entry *entry = (const table_entry *)(void *)all->elts;
    int i;

    for (i = 0; i < all->nelts; i++, entry++)
        if (entry->key != NULL && entry->val != NULL)
            put(arg, entry->key, entry->val);
}

static void translate_path(void *record)
{
    const exchange *x = record;

    ap_add_cgi_vars(x->r);
}

/* An error page's own errors are its own, and a sub-request is a part of
   another response. */
static void use_error_pages(void *record)
{
    exchange *x = record;

    x->has_error_pages = x->r->main == NULL &&
                         !wsgi_apache_is_error_document(x->r);
}

void wsgi_apache_begin_waiting(exchange *x, const char *what)
{
    ap_soft_timeout((char *)what, x->r);
}

void wsgi_apache_end_waiting(exchange *x)
{
    ap_kill_timeout(x->r);
}

static void write_log(void *record, enum wsgi_level level, const char *line)
{
    static const int levels[] = {APLOG_INFO, APLOG_WARNING, APLOG_ERR,
                                 APLOG_CRIT, APLOG_DEBUG};
    const exchange *x = record;

    if (x == NULL)
        ap_log_error(APLOG_MARK, levels[level] | APLOG_NOERRNO,
                     wsgi_apache_server, "%s", line);
    else
        ap_log_rerror(APLOG_MARK, levels[level] | APLOG_NOERRNO, x->r, "%s",
                      line);
}

static void retry_after(void *record, unsigned seconds)
{
    const exchange *x = record;

    ap_table_setn(x->r->err_headers_out, "Retry-After",
                  ap_psprintf(x->r->pool, "%u", seconds));
}

static void measure(void *record, wsgi_sent *sent)
{
    const exchange *x = record;

    sent->status = x->error_page ? x->error_page : x->r->status;
    sent->is_broken = x->is_broken;
    sent->bytes = x->r->bytes_sent;
    if (sizeof x->r->bytes_sent < sizeof sent->bytes)
        sent->bytes &= UINT32_MAX; /* it may have passed 2^31 */
}

static long timeout(void *record)
{
    const exchange *x = record;

    return x->r->server->timeout;
}

int wsgi_apache_log_of(const server_rec *server)
{
    return server->error_log != NULL ? fileno(server->error_log) : -1;
}

static int log_descriptor(void *record)
{
    const exchange *x = record;

    return wsgi_apache_log_of(x->r->server);
}

const wsgi_host wsgi_apache_host = {
    .each_env = each_env,
    .translate_path = translate_path,
    .use_error_pages = use_error_pages,
    .read_body = wsgi_apache_read_body,
    .send_head = wsgi_apache_send_head,
    .send_body = wsgi_apache_send_body,
    .send_file = wsgi_apache_send_file,
    .fail = wsgi_apache_fail,
    .retry_after = retry_after,
    .is_gone = wsgi_apache_is_gone,
    .measure = measure,
    .timeout = timeout,
    .log_descriptor = log_descriptor,
    .log = write_log,
};
