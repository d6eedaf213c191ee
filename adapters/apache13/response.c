/*
 * response.c - the response: its head, its body in chunks or from a file.
 */
#include "adapter.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- The head --------------------------------------------------------- */

/* mod_mime guessed these from the URL. They say nothing about the response. */
static void forget_guesses(request_rec *r)
{
    r->content_type = NULL;
    r->content_encoding = NULL;
    r->content_language = NULL;
    r->content_languages = NULL;
}

/* The socket to which a head is being sent. */
static volatile int head_socket;

static void cut_off(int sig)
{
    int before = errno;

    (void)sig;
    shutdown(head_socket, SHUT_RDWR);
    errno = before;
}

/* ap_send_http_header sets a hard timeout, which would leave by longjmp.
   Python and the core would then take this request for one that never ends. So
   its alarm is caught here, and makes the write fail, this one or the next.
   The head ends as if the client had gone. */
static void send_http_header(request_rec *r)
{
    void (*before)(int);

    head_socket = r->connection->client->fd;
    before = signal(SIGALRM, cut_off);
    ap_send_http_header(r);
    signal(SIGALRM, before);
    if (ap_bgetflag(r->connection->client, B_WRERR))
        r->connection->aborted = 1;
}

/* The server's error page will be the body. Headers that are not about the
   body go along: the server keeps what is in err_headers_out. */
static void leave_to_server(exchange *x, const wsgi_head *head)
{
    size_t i;

    x->error_page = head->status;
    for (i = 0; i < head->header_count; i++)
        if (!wsgi_header_is_about_body(head->headers[i].name))
            ap_table_add(x->r->err_headers_out, head->headers[i].name,
                         head->headers[i].value);
}

static int is_left_to_server(const exchange *x, const wsgi_head *head)
{
    return x->has_error_pages && head->status >= 400 && head->status < 600;
}

/* The server counts in a long. On 32 bits that is too small for a large file:
   the header is ours then, and r->clength stays 0. */
static void set_length(request_rec *r, int64_t length)
{
    long theirs = (long)length;
    char digits[24];

    if (theirs == length) {
        ap_set_content_length(r, theirs);
        return;
    }
    snprintf(digits, sizeof digits, "%lld", (long long)length);
    ap_table_set(r->headers_out, "Content-Length", digits);
}

static void set_head(exchange *x, const wsgi_head *head)
{
    request_rec *r = x->r;
    size_t i;

    wsgi_apache_leave_unread(x);
    r->status = head->status;
    r->status_line = ap_pstrdup(r->pool, head->status_line);
    forget_guesses(r);
    if (head->content_type != NULL)
        r->content_type = ap_pstrdup(r->pool, head->content_type);
    if (head->content_length >= 0)
        set_length(r, head->content_length);
    for (i = 0; i < head->header_count; i++)
        ap_table_add(r->headers_out, head->headers[i].name,
                     head->headers[i].value);
}

int wsgi_apache_send_head(void *record, const wsgi_head *head)
{
    exchange *x = record;

    if (is_left_to_server(x, head))
        leave_to_server(x, head);
    else
        set_head(x, head);
    return 0;
}

/* ---- The body --------------------------------------------------------- */

/* What one call sends: chunks, or a part of a file where chunks is NULL. */
typedef struct content {
    const wsgi_chunk *chunks;
    size_t count;
    int fd;
    int64_t start, size;
} content;

/* Makes the head that of the whole body again. */
static void forget_ranges(request_rec *r)
{
    r->status = HTTP_OK;
    r->byterange = 0;
    r->boundary = NULL;
    r->range = NULL;
    ap_set_content_length(r, r->clength);
}

/* Has the server look for the ranges that the client asks for, and change the
   head accordingly, as its handler of files does. Ranges that take more bytes
   than the whole body are not used. */
static void look_for_ranges(exchange *x, int64_t size, enum wsgi_after after)
{
    request_rec *r = x->r;

    if (after == WSGI_FLUSH || size == 0 || size != r->clength ||
        r->method_number != M_GET ||
        ap_table_get(r->headers_out, "Content-Range") != NULL ||
        !ap_set_byterange(r))
        return;
    if (strtol(ap_table_get(r->headers_out, "Content-Length"), NULL, 10) >
        r->clength) {
        forget_ranges(r);
        return;
    }
    x->is_cut = 1;
    r->status_line = NULL; /* the application's is that of the whole body */
}

/* Sends the head, with the first bytes of the body. Only where these are the
   whole body can ranges be cut out of it. */
static int begin(exchange *x, int64_t size, enum wsgi_after after)
{
    if (!x->begun) {
        x->begun = 1;
        look_for_ranges(x, size, after);
        send_http_header(x->r);
    }
    return x->r->connection->aborted ? -1 : 0;
}

/* Finds the next part to be sent of size bytes: all of them, or one range
   after the other. *length is -1 in the first call. Returns 0 behind the last.
 */
static int next_part(const exchange *x, int64_t size, int64_t *offset,
                     int64_t *length)
{
    long first = 0, bytes = 0;

    if (!x->is_cut && *length >= 0)
        return 0;
    if (x->is_cut && (x->r->header_only || /* 416 */
                      !ap_each_byterange(x->r, &first, &bytes)))
        return 0;
    *offset = first;
    *length = x->is_cut ? bytes : size;
    return 1;
}

static int write_all(request_rec *r, const char *data, size_t size)
{
    while (size > 0) {
        int part = size < INT_MAX ? (int)size : INT_MAX;

        if (ap_rwrite(data, part, r) != part)
            return -1;
        data += part;
        size -= (size_t)part;
    }
    ap_reset_timeout(r);
    return 0;
}

static int write_chunks(exchange *x, const content *c, int64_t offset,
                        int64_t length)
{
    size_t i;

    for (i = 0; i < c->count && length > 0; i++) {
        int64_t there = (int64_t)c->chunks[i].size - offset;
        int64_t part = there < length ? there : length;

        if (part > 0) {
            if (write_all(x->r, (const char *)c->chunks[i].data + offset,
                          (size_t)part) < 0)
                return -1;
            length -= part;
        }
        offset = there > 0 ? 0 : -there;
    }
    return 0;
}

static int write_file(exchange *x, const content *c, int64_t offset,
                      int64_t length)
{
    char part[32768];

    offset += c->start;
    while (length > 0) {
        size_t wanted = length < (int64_t)sizeof part ? (size_t)length
                                                      : sizeof part;
        int64_t got = wsgi_file_read(c->fd, part, wanted, offset);

        if (got <= 0) {
            ap_log_rerror(APLOG_MARK, APLOG_ERR | APLOG_NOERRNO, x->r,
                          "mod_wsgi: MW0511: a file became shorter while it "
                          "was sent: the connection is closed");
            wsgi_apache_fail(x);
            return -1;
        }
        if (write_all(x->r, part, (size_t)got) < 0)
            return -1;
        offset += got;
        length -= got;
    }
    return 0;
}

/* Sends at once what the server has kept. Otherwise a complete response would
   wait until the application is done and the rest of the request's body has
   been read. A sub-request's response is a part of another one, which goes on.
 */
static int push_out(exchange *x, enum wsgi_after after)
{
    request_rec *r = x->r;
    int result;

    if (after != WSGI_FLUSH) {
        if (r->main != NULL)
            return 0;
        ap_finalize_request_protocol(r); /* the last chunk */
    }
    wsgi_apache_begin_waiting(x, "send the response");
    result = ap_rflush(r);
    wsgi_apache_end_waiting(x);
    return result < 0 || r->connection->aborted ? -1 : 0;
}

static int send_content(exchange *x, const content *c, enum wsgi_after after)
{
    int64_t offset = 0, length = -1;
    int result;

    if (x->error_page)
        return 0;
    result = begin(x, c->size, after);
    wsgi_apache_begin_waiting(x, "send the response");
    while (result == 0 && next_part(x, c->size, &offset, &length))
        result = c->chunks != NULL ? write_chunks(x, c, offset, length)
                                   : write_file(x, c, offset, length);
    wsgi_apache_end_waiting(x);
    return result == 0 ? push_out(x, after) : -1;
}

int wsgi_apache_send_body(void *record, const wsgi_chunk *chunks, size_t count,
                          enum wsgi_after after)
{
    static const wsgi_chunk nothing = {NULL, 0};
    content c = {.chunks = count > 0 ? chunks : &nothing, .count = count};
    size_t i;

    for (i = 0; i < count; i++)
        c.size += (int64_t)chunks[i].size;
    return send_content(record, &c, after);
}

/* What follows this request may have been read already. */
int wsgi_apache_is_gone(void *record)
{
    const exchange *x = record;
    const conn_rec *connection = x->r->connection;

    if (connection->aborted)
        return 1;
    return connection->client->incnt <= 0 &&
           wsgi_has_gone(connection->client->fd,
                         strcmp(ap_http_method(x->r), "https") == 0);
}

/* Nothing more is written, not even the mark of the last chunk. */
void wsgi_apache_fail(void *record)
{
    exchange *x = record;

    if (x->error_page)
        return;
    x->is_broken = 1;
    x->r->connection->keepalive = -1;
    x->r->connection->aborted = 1;
}

int wsgi_apache_send_file(void *record, int fd, int64_t offset, int64_t size,
                          enum wsgi_after after)
{
    content c = {.fd = fd, .start = offset, .size = size};

    return send_content(record, &c, after);
}
