/*
 * flush.h - sends a complete response within the handler, as mod_wsgi does.
 * For the modules of this folder.
 */
#include <httpd.h>

#include <util_filter.h>

/* The end of the response, then what makes the connection's filters send. */
static int flush_end(request_rec *r)
{
    apr_bucket_alloc_t *allocator = r->connection->bucket_alloc;
    apr_bucket_brigade *out = apr_brigade_create(r->pool, allocator);

    APR_BRIGADE_INSERT_TAIL(out, apr_bucket_eos_create(allocator));
    ap_pass_brigade(r->output_filters, out);
    apr_brigade_cleanup(out);
    APR_BRIGADE_INSERT_TAIL(out, apr_bucket_flush_create(allocator));
    ap_pass_brigade(r->connection->output_filters, out);
    apr_brigade_cleanup(out);
    return OK;
}
