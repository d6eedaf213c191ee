/*
 * host.c - what Apache 2.0, 2.2 and 2.4 do for the core: the table.
 *
 * body.c and response.c have the larger part of the functions. The same
 * functions stand in the same order in the same files of adapters/apache13.
 */
#include "adapter.h"

#include <apr_portable.h>
#include <time.h>

#include "system.h"

/* How long a line of the log waits for its request: two milliseconds. */
#define LOG_WAIT 2000000L

static void put_from(const exchange *x, int first, wsgi_put *put, void *arg)
{
    const apr_array_header_t *all = apr_table_elts(x->r->subprocess_env);
    const apr_table_entry_t *entry =
        (const apr_table_entry_t *)(const void *)all->elts;
    const apr_table_entry_t *end = entry + all->nelts;

    for (entry += first; entry < end; entry++)
        if (entry->key != NULL && entry->val != NULL)
            put(arg, entry->key, entry->val);
}

static void each_env(void *record, wsgi_put *put, void *arg)
{
    put_from(record, 0, put, arg);
}

static void each_configured(void *record, wsgi_put *put, void *arg)
{
    const exchange *x = record;

    put_from(x, x->first_configured, put, arg);
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

static int is_its_thread(const exchange *x)
{
    return apr_os_thread_equal(x->thread, apr_os_thread_current());
}

exchange *wsgi_apache_borrow(void *record)
{
    exchange *x = record;

    if (!is_its_thread(x))
        pthread_mutex_lock(&x->borrowed);
    return x;
}

void wsgi_apache_give_back(exchange *x)
{
    if (!is_its_thread(x))
        pthread_mutex_unlock(&x->borrowed);
}

/* Takes the request's memory for its own thread, while another thread may have
   borrowed it. That thread may be waiting for the client, and a line of the
   log must not wait for that. So this gives up after LOG_WAIT. */
static int borrow_back(exchange *x)
{
    struct timespec until;

    if (pthread_mutex_trylock(&x->borrowed) == 0)
        return 1;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (until.tv_nsec + LOG_WAIT) / 1000000000L;
    until.tv_nsec = (until.tv_nsec + LOG_WAIT) % 1000000000L;
    return wsgi_lock_until(&x->borrowed, &until) == 0;
}

/* The first line that is logged of a request takes memory of the request: 2.4
   makes an id. So only the request's own thread logs of the request, and only
   while no other has borrowed it. Other lines are logged of its virtual host.
 */
static void write_log(void *record, enum wsgi_level level, const char *line)
{
    static const int levels[] = {APLOG_INFO, APLOG_WARNING, APLOG_ERR,
                                 APLOG_CRIT, APLOG_DEBUG};
    exchange *x = record;

    if (x != NULL && is_its_thread(x) && borrow_back(x)) {
        ap_log_rerror(APLOG_MARK, levels[level] | APLOG_NOERRNO, 0, x->r, "%s",
                      line);
        pthread_mutex_unlock(&x->borrowed);
    } else {
        ap_log_error(APLOG_MARK, levels[level] | APLOG_NOERRNO, 0,
                     x != NULL ? x->r->server : wsgi_apache_server, "%s",
                     line);
    }
}

static void retry_after(void *record, unsigned seconds)
{
    const exchange *x = record;

    apr_table_setn(x->r->err_headers_out, "Retry-After",
                   apr_psprintf(x->r->pool, "%u", seconds));
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

    return (long)apr_time_sec(x->r->server->timeout);
}

int wsgi_apache_is_stopping(void)
{
    int state = 0;

    return ap_mpm_query(AP_MPMQ_MPM_STATE, &state) == APR_SUCCESS &&
           state == AP_MPMQ_STOPPING;
}

int wsgi_apache_log_of(const server_rec *server)
{
    apr_os_file_t fd;

    return server->error_log != NULL &&
                   apr_os_file_get(&fd, server->error_log) == APR_SUCCESS
               ? fd
               : -1;
}

static int log_descriptor(void *record)
{
    const exchange *x = record;

    return wsgi_apache_log_of(x->r->server);
}

const wsgi_host wsgi_apache_host = {
    .each_env = each_env,
    .each_configured = each_configured,
    .translate_path = translate_path,
    .use_error_pages = use_error_pages,
    .read_body = wsgi_apache_read_body,
    .send_head = wsgi_apache_send_head,
    .send_body = wsgi_apache_send_body,
    .is_ready = wsgi_apache_is_ready,
    .send_file = wsgi_apache_send_file,
    .fail = wsgi_apache_fail,
    .retry_after = retry_after,
    .is_gone = wsgi_apache_is_gone,
    .measure = measure,
    .is_stopping = wsgi_apache_is_stopping,
    .retire = wsgi_apache_retire,
    .count_threads = wsgi_apache_count_threads,
    .timeout = timeout,
    .log_descriptor = log_descriptor,
    .log = write_log,
};
