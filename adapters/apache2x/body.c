/*
 * body.c - a request's body, and the two filters that reading it needs.
 */
#include "adapter.h"

#include <strings.h>

/*
 * If a body breaks HTTP, the HTTP input filter answers the client itself: it
 * sends an error down the response's filters. The application is to hear of
 * the error first. So while the body is read, this filter replaces the
 * response's filters.
 */
static ap_filter_rec_t *catcher;

/* The HTTP input filter of 2.0 turns all errors into one. This filter stands
   beneath it, where a timeout can still be told from other errors. */
static ap_filter_rec_t *listener;

static apr_status_t catch_error(ap_filter_t *filter, apr_bucket_brigade *bb)
{
    exchange *x = filter->ctx;
    apr_bucket *bucket;

    for (bucket = APR_BRIGADE_FIRST(bb); bucket != APR_BRIGADE_SENTINEL(bb);
         bucket = APR_BUCKET_NEXT(bucket))
        if (AP_BUCKET_IS_ERROR(bucket))
            x->refused = ((ap_bucket_error *)bucket->data)->status;
    apr_brigade_cleanup(bb);
    return AP_FILTER_ERROR;
}

static apr_status_t listen_for_timeout(ap_filter_t *filter,
                                       apr_bucket_brigade *bb,
                                       ap_input_mode_t mode,
                                       apr_read_type_e block, apr_off_t size)
{
    exchange *x = filter->ctx;
    apr_status_t status = ap_get_brigade(filter->next, bb, mode, block, size);

    x->timed_out |= APR_STATUS_IS_TIMEUP(status);
    return status;
}

void wsgi_apache_register_filters(void)
{
    catcher = ap_register_output_filter("MOD_WSGI_CATCHER", catch_error, NULL,
                                        AP_FTYPE_RESOURCE);
    listener = ap_register_input_filter(
        "MOD_WSGI_LISTENER", listen_for_timeout, NULL, AP_FTYPE_PROTOCOL);
}

/* The HTTP input filter, or NULL. Other filters may stand before it. */
static ap_filter_t *find_http_filter(ap_filter_t *filter)
{
    while (filter != NULL && strcasecmp(filter->frec->name, "HTTP_IN") != 0)
        filter = filter->next;
    return filter;
}

static apr_status_t get_with_listener(exchange *x, ap_filter_t *from,
                                      ap_input_mode_t mode, apr_off_t size)
{
    ap_filter_t *http = find_http_filter(x->r->proto_input_filters);
    ap_filter_t beneath = {
        .frec = listener, .ctx = x, .r = x->r, .c = x->r->connection};
    apr_status_t status;

    if (http == NULL || http->next == NULL)
        return ap_get_brigade(from, x->in, mode, APR_BLOCK_READ, size);
    beneath.next = http->next;
    http->next = &beneath;
    status = ap_get_brigade(from, x->in, mode, APR_BLOCK_READ, size);
    http->next = beneath.next; /* a filter may have removed itself */
    return status;
}

static apr_status_t get_brigade(exchange *x, ap_filter_t *from,
                                ap_input_mode_t mode, size_t size)
{
    request_rec *r = x->r;
    ap_filter_t *filters = r->output_filters;
    ap_filter_t in_between = {
        .frec = catcher, .ctx = x, .r = r, .c = r->connection};
    apr_status_t status;
    int before = r->status;

    r->output_filters = &in_between;
    if (WSGI_ENDS_BODIES_WITH_CONNECTIONS)
        status = get_with_listener(x, from, mode, (apr_off_t)size);
    else
        status =
            ap_get_brigade(from, x->in, mode, APR_BLOCK_READ, (apr_off_t)size);
    r->output_filters = filters;
    if (r->status != before) /* no valid trailer follows the last chunk */
        x->refused = r->status;
    r->status = before;
    return status;
}

/* Whether the connection has ended. 2.0 gives the same error for that and for
   other failures. */
static int has_ended(const exchange *x)
{
    return WSGI_ENDS_BODIES_WITH_CONNECTIONS &&
           APR_STATUS_IS_EOF(ap_get_brigade(x->r->connection->input_filters,
                                            x->in, AP_MODE_SPECULATIVE,
                                            APR_NONBLOCK_READ, 1));
}

/* Says why reading failed. The connection is closed after this request, as
   nobody knows where the next one begins. */
static int64_t explain(exchange *x, apr_status_t status)
{
    x->r->connection->keepalive = AP_CONN_CLOSE;
    if (has_ended(x))
        return WSGI_READ_GONE;
    if (x->timed_out)
        return WSGI_READ_TIMEOUT;
    if (x->refused == HTTP_REQUEST_ENTITY_TOO_LARGE || status == APR_ENOSPC)
        return WSGI_READ_TOO_LARGE;
    if (x->refused == HTTP_REQUEST_TIME_OUT || APR_STATUS_IS_TIMEUP(status) ||
        APR_STATUS_IS_EAGAIN(status))
        return WSGI_READ_TIMEOUT;
    if (x->refused != 0 || status == AP_FILTER_ERROR ||
        status == APR_EGENERAL || status == APR_EINVAL)
        return WSGI_READ_BAD;
    return WSGI_READ_GONE;
}

/* Moves the first bytes of a bucket into buffer. *size is the buffer's size
   before, and the number of bytes that were moved after. */
static apr_status_t take_bucket(apr_bucket *bucket, char *buffer,
                                apr_size_t *size)
{
    const char *data = NULL;
    apr_size_t there = 0;
    apr_status_t status =
        apr_bucket_read(bucket, &data, &there, APR_BLOCK_READ);

    if (status != APR_SUCCESS)
        return status;
    if (there > *size) {
        there = *size;
        apr_bucket_split(bucket, there);
    }
    if (there > 0)
        memcpy(buffer, data, there);
    *size = there;
    apr_bucket_delete(bucket);
    return APR_SUCCESS;
}

/* Moves what the filters gave into buffer, as much as fits. The next read
   takes the rest. Notes the end of the body. */
static int64_t take(exchange *x, char *buffer, size_t size)
{
    apr_size_t got = 0;

    while (!APR_BRIGADE_EMPTY(x->in) && !x->at_end) {
        apr_bucket *bucket = APR_BRIGADE_FIRST(x->in);
        apr_size_t part = size - got;
        apr_status_t status;

        if (APR_BUCKET_IS_EOS(bucket)) {
            x->at_end = 1;
        } else if (part == 0) {
            break;
        } else {
            status = take_bucket(bucket, buffer + got, &part);
            if (status != APR_SUCCESS)
                return explain(x, status);
            got += part;
        }
    }
    if (x->body_left >= 0)
        x->body_left -= (apr_int64_t)got;
    return (int64_t)got;
}

/* Whether the connection ended before the body did. A body of unknown length
   does not tell, and 2.0 gives both ends alike. So its HTTP input filter is
   asked again: after a whole body it gives the end once more, without reading.
   It is asked directly, as other filters may not know AP_MODE_GETLINE. */
static int is_cut(exchange *x)
{
    return x->body_left > 0 ||
           (WSGI_ENDS_BODIES_WITH_CONNECTIONS &&
            get_brigade(x, x->r->proto_input_filters, AP_MODE_GETLINE, 0) !=
                APR_SUCCESS);
}

/* Reads until there is something. A filter may give nothing for now, and later
   more than it was asked for. */
static int64_t receive(exchange *x, char *buffer, size_t size)
{
    int64_t got = 0;

    if (x->in == NULL)
        x->in = apr_brigade_create(x->r->pool, x->r->connection->bucket_alloc);
    while (got == 0 && !x->at_end) {
        if (APR_BRIGADE_EMPTY(x->in)) {
            apr_status_t status =
                get_brigade(x, x->r->input_filters, AP_MODE_READBYTES, size);

            if (status != APR_SUCCESS || x->refused != 0)
                return explain(x, status);
            if (x->r->connection->aborted)
                return WSGI_READ_GONE;
        }
        got = take(x, buffer, size);
    }
    return got == 0 && is_cut(x) ? explain(x, APR_EOF) : got;
}

int64_t wsgi_apache_read_body(void *record, char *buffer, size_t size)
{
    exchange *x = wsgi_apache_borrow(record);
    int64_t got = receive(x, buffer, size);

    wsgi_apache_give_back(x);
    return got;
}

void wsgi_apache_leave_unread(const exchange *x)
{
    if (x->in != NULL || !x->r->expecting_100)
        return;
    x->r->expecting_100 = 0;
    x->r->connection->keepalive = AP_CONN_CLOSE;
}
