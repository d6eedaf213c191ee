/*
 * host.c - what Apache 1.3 does for the core.
 *
 * The same functions stand in the same order in adapters/apache2x/host.c;
 * comparing the two shows how the servers differ.
 *
 * Only soft timeouts: a hard one leaves by longjmp, over Python's frames. The
 * server sets one around the head, whose alarm is caught before it leaves.
 */
#include "adapter.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

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

/* What may wait for the client stands between these two. */
static void begin_waiting(exchange *x, const char *what)
{
    ap_soft_timeout((char *)what, x->r);
}

static void end_waiting(exchange *x)
{
    ap_kill_timeout(x->r);
}

/* ---- The request's body ----------------------------------------------- */

/* Whether the server has met the end of the connection. */
static int has_ended(const request_rec *r)
{
    return r->connection->aborted ||
           ap_bgetflag(r->connection->client, B_EOF | B_RDERR) != 0;
}

static int64_t explain(const exchange *x)
{
    unsigned long limit = ap_get_limit_req_body(x->r);

    if (x->r->connection->aborted) /* by a soft timeout, if not by a write */
        return ap_bgetflag(x->r->connection->client, B_WRERR)
                   ? WSGI_READ_GONE
                   : WSGI_READ_TIMEOUT;
    if (limit != 0 && (unsigned long)x->r->read_length > limit)
        return WSGI_READ_TOO_LARGE;
    return x->r->read_chunked && !has_ended(x->r) ? WSGI_READ_BAD
                                                  : WSGI_READ_GONE;
}

/* Whether a body that ended was cut short: it ends like a whole one. Behind
   that nothing is read. */
static int is_cut(const request_rec *r)
{
    return r->read_chunked ? has_ended(r) : r->remaining > 0;
}

/* Reads what is there and no more: this server's function waits until it has
   all it was asked for. Its buffer tells how much has come. */
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
    /* The line before a chunk has to fit into the buffer. */
    if (r->read_chunked && r->remaining == 0)
        return ap_get_client_block(r, buffer, most);
    return read_available(r, buffer, most);
}

static int64_t read_body(void *record, char *buffer, size_t size)
{
    exchange *x = record;
    long got;

    if (x->at_end)
        return 0;
    begin_waiting(x, "read the request's body");
    got = receive(x, buffer, size);
    end_waiting(x);
    if (got > 0)
        return got;
    x->at_end = 1;
    return got == 0 && !is_cut(x->r) ? 0 : explain(x);
}

/* This request is the last of its connection. -1 says so before the head is
   sent, which tells the client; behind it only 0 is heard. */
static void end_connection(request_rec *r)
{
    r->connection->keepalive = r->sent_bodyct ? 0 : -1;
}

/* A client that waits for 100 Continue is about to hear the final answer
   instead. It may send the body after that or not: nobody can know where its
   next request would begin. */
static void leave_body_unread(exchange *x)
{
    if (x->reading || x->at_end || !x->r->expecting_100)
        return;
    x->r->expecting_100 = 0;
    x->is_unwanted = 1;
    end_connection(x->r);
}

/* The server decides twice whether the connection is kept, and the second time
   it looks at nothing but the headers of its page. */
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

    leave_body_unread(x);
    if (x->at_end || x->is_unwanted || connection->aborted ||
        connection->keepalive <= 0)
        return;
    ap_soft_timeout("discard the request's body", x->r);
    while (got > 0 && !connection->aborted)
        got = receive(x, part, sizeof part);
    ap_kill_timeout(x->r);
    if (got < 0 || x->r->remaining > 0)
        end_connection(x->r);
}

/* ---- The response ----------------------------------------------------- */

/* What mod_mime guessed from the URL says nothing about this response. */
static void forget_guesses(request_rec *r)
{
    r->content_type = NULL;
    r->content_encoding = NULL;
    r->content_language = NULL;
    r->content_languages = NULL;
}

/* The socket that a head is being sent to. */
static volatile int head_socket;

static void cut_off(int sig)
{
    int before = errno;

    (void)sig;
    shutdown(head_socket, SHUT_RDWR);
    errno = before;
}

/* The hard timeout of ap_send_http_header would leave by longjmp, with Python
   and the core left as if this request went on for ever. Here its alarm makes
   the write fail, this one or the next: the head ends as if the client had
   gone. */
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

static int send_head(void *record, const wsgi_head *head)
{
    exchange *x = record;
    request_rec *r = x->r;
    size_t i;

    leave_body_unread(x);
    r->status = head->status;
    r->status_line = ap_pstrdup(r->pool, head->status_line);
    forget_guesses(r);
    if (head->content_type != NULL)
        r->content_type = ap_pstrdup(r->pool, head->content_type);
    if (head->content_length >= 0)
        ap_set_content_length(r, (long)head->content_length);
    for (i = 0; i < head->header_count; i++)
        ap_table_add(r->headers_out, head->headers[i].name,
                     head->headers[i].value);
    return 0;
}

/* ---- The body --------------------------------------------------------- */

/* What a call sends: chunks, or a part of a file if there are none. */
typedef struct content {
    const wsgi_chunk *chunks;
    size_t count;
    int fd;
    int64_t start, size;
} content;

static void forget_ranges(request_rec *r)
{
    r->status = HTTP_OK;
    r->byterange = 0;
    r->boundary = NULL;
    r->range = NULL;
    ap_set_content_length(r, r->clength);
}

/* Has the server look for ranges that the client wants, as its handler of
   files does, and fill in the head accordingly. Parts that take more bytes
   than the whole are not worth it. */
static void look_for_ranges(exchange *x, int64_t size, enum wsgi_after after)
{
    request_rec *r = x->r;

    if (after != WSGI_END || size == 0 || size != r->clength ||
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
    r->status_line = NULL; /* the application's is another one */
}

/* The head goes out with the first bytes of the body, which may be all of it:
   then ranges can be cut out. */
static int begin(exchange *x, int64_t size, enum wsgi_after after)
{
    if (!x->begun) {
        x->begun = 1;
        look_for_ranges(x, size, after);
        send_http_header(x->r);
    }
    return x->r->connection->aborted ? -1 : 0;
}

/* Finds what is to be sent of size bytes: all, or one range after the other.
   length is -1 at first. Returns 0 when there is no more. */
static int next_part(const exchange *x, int64_t size, int64_t *offset,
                     int64_t *length)
{
    long first = 0, bytes = (long)size;

    if (!x->is_cut && *length >= 0)
        return 0;
    if (x->is_cut && (x->r->header_only || /* 416 */
                      !ap_each_byterange(x->r, &first, &bytes)))
        return 0;
    *offset = first;
    *length = bytes;
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

/* Nothing more is written, the last chunk's mark neither. */
static void fail(void *record)
{
    const exchange *x = record;

    x->r->connection->keepalive = -1;
    x->r->connection->aborted = 1;
}

static int write_file(exchange *x, const content *c, int64_t offset,
                      int64_t length)
{
    char part[32768];

    offset += c->start;
    while (length > 0) {
        size_t wanted = length < (int64_t)sizeof part ? (size_t)length
                                                      : sizeof part;
        ssize_t got = pread(c->fd, part, wanted, (off_t)offset);

        if (got <= 0) {
            ap_log_rerror(APLOG_MARK, APLOG_ERR | APLOG_NOERRNO, x->r,
                          "mod_wsgi: a file became shorter while it was sent: "
                          "the connection is closed");
            fail(x);
            return -1;
        }
        if (write_all(x->r, part, (size_t)got) < 0)
            return -1;
        offset += got;
        length -= got;
    }
    return 0;
}

/* What was sent goes out at once: the application may have more to do, and a
   complete response does not wait for the rest of the request's body. A
   sub-request is a part of another response, which goes on. */
static int push_out(exchange *x, enum wsgi_after after)
{
    request_rec *r = x->r;
    int result;

    if (after == WSGI_END) {
        if (r->main != NULL)
            return 0;
        ap_finalize_request_protocol(r); /* the last chunk */
    }
    begin_waiting(x, "send the response");
    result = ap_rflush(r);
    end_waiting(x);
    return result < 0 || r->connection->aborted ? -1 : 0;
}

static int send_content(exchange *x, const content *c, enum wsgi_after after)
{
    int64_t offset = 0, length = -1;
    int result = begin(x, c->size, after);

    begin_waiting(x, "send the response");
    while (result == 0 && next_part(x, c->size, &offset, &length))
        result = c->chunks != NULL ? write_chunks(x, c, offset, length)
                                   : write_file(x, c, offset, length);
    end_waiting(x);
    return result == 0 ? push_out(x, after) : -1;
}

static int send_body(void *record, const wsgi_chunk *chunks, size_t count,
                     enum wsgi_after after)
{
    static const wsgi_chunk nothing = {NULL, 0};
    content c = {.chunks = count > 0 ? chunks : &nothing, .count = count};
    size_t i;

    for (i = 0; i < count; i++)
        c.size += (int64_t)chunks[i].size;
    return send_content(record, &c, after);
}

static int send_file(void *record, int fd, int64_t offset, int64_t size,
                     enum wsgi_after after)
{
    content c = {.fd = fd, .start = offset, .size = size};

    return send_content(record, &c, after);
}

/* ---- The log ---------------------------------------------------------- */

static void write_log(void *record, enum wsgi_level level, const char *line)
{
    static const int levels[] = {APLOG_INFO, APLOG_WARNING, APLOG_ERR};
    const exchange *x = record;

    if (x == NULL)
        ap_log_error(APLOG_MARK, levels[level] | APLOG_NOERRNO,
                     wsgi_apache_server, "%s", line);
    else
        ap_log_rerror(APLOG_MARK, levels[level] | APLOG_NOERRNO, x->r, "%s",
                      line);
}

const wsgi_host wsgi_apache_host = {
    .each_env = each_env,
    .read_body = read_body,
    .send_head = send_head,
    .send_body = send_body,
    .send_file = send_file,
    .fail = fail,
    .log = write_log,
};
