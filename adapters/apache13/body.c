/*
 * body.c - a request's body, and what an application leaves of it.
 */
#include "adapter.h"

#include <limits.h>

/* Whether the connection has ended. */
static int has_ended(const request_rec *r)
{
    return r->connection->aborted ||
           ap_bgetflag(r->connection->client, B_EOF | B_RDERR) != 0;
}

/* Says why reading failed. */
static int64_t explain(const exchange *x)
{
    unsigned long limit = ap_get_limit_req_body(x->r);

    if (x->r->connection->aborted) /* a write failed, or a soft timeout ran */
        return ap_bgetflag(x->r->connection->client, B_WRERR)
                   ? WSGI_READ_GONE
                   : WSGI_READ_TIMEOUT;
    if (limit != 0 && (unsigned long)x->r->read_length > limit)
        return WSGI_READ_TOO_LARGE;
    return x->r->read_chunked && !has_ended(x->r) ? WSGI_READ_BAD
                                                  : WSGI_READ_GONE;
}

/* Whether the connection ended before the body did: the server gives both ends
   alike. It reads nothing behind a whole body, so it does not meet the end of
   the connection there. */
static int is_cut(const request_rec *r)
{
    return r->read_chunked ? has_ended(r) : r->remaining > 0;
}

/* Reads what has come and no more. The server's function waits until it has
   all that it was asked for. So it is asked for one byte first, and its buffer
   tells how many more have come. */
static long read_available(request_rec *r, char *buffer, int size)
{
    long got = ap_get_client_block(r, buffer, 1), more;
    int there = r->connection->client->incnt;

    if (got <= 0 || size == 1 || there <= 0 || r->remaining <= 0)
        return got;
    more = ap_get_client_block(r, buffer + 1,
                               there < size - 1 ? there : size - 1);
    return more > 0 ? got + more : got;
}

static long receive(exchange *x, char *buffer, size_t size)
{
    request_rec *r = x->r;
    int most = size < INT_MAX ? (int)size : INT_MAX;

    if (!x->reading) {
        x->reading = 1;
        if (!ap_should_client_block(r))
            return 0;
    }
    /* The buffer must have room for the line before a chunk. */
    if (r->read_chunked && r->remaining == 0)
        return ap_get_client_block(r, buffer, most);
    return read_available(r, buffer, most);
}

int64_t wsgi_apache_read_body(void *record, char *buffer, size_t size)
{
    exchange *x = record;
    long got;

    if (x->at_end)
        return 0;
    wsgi_apache_begin_waiting(x, "read the request's body");
    got = receive(x, buffer, size);
    wsgi_apache_end_waiting(x);
    if (got > 0)
        return got;
    x->at_end = 1;
    return got == 0 && !is_cut(x->r) ? 0 : explain(x);
}

/* Makes this request the last of its connection. Before the head is sent that
   is -1, which makes the head tell the client. After the head the server only
   looks for 0. */
static void end_connection(request_rec *r)
{
    r->connection->keepalive = r->sent_bodyct ? 0 : -1;
}

void wsgi_apache_leave_unread(exchange *x)
{
    if (x->reading || x->at_end || !x->r->expecting_100)
        return;
    x->r->expecting_100 = 0;
    x->is_unwanted = 1;
    end_connection(x->r);
}

/* The server decides twice whether it keeps the connection. The second time it
   looks at the headers of its error page only. */
void wsgi_apache_leave_rest(exchange *x)
{
    if (x->at_end)
        return;
    end_connection(x->r);
    ap_table_setn(x->r->err_headers_out, "Connection", "close");
}

void wsgi_apache_drain(exchange *x)
{
    char part[8192];
    const conn_rec *connection = x->r->connection;
    long got = 1;

    wsgi_apache_leave_unread(x);
    if (x->at_end || x->is_unwanted || connection->aborted ||
        connection->keepalive <= 0)
        return;
    wsgi_apache_begin_waiting(x, "discard the request's body");
    while (got > 0 && !connection->aborted)
        got = receive(x, part, sizeof part);
    wsgi_apache_end_waiting(x);
    if (got < 0 || x->r->remaining > 0)
        end_connection(x->r);
}
