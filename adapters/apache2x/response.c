/*
 * response.c - the response: its head, its body in chunks, files.
 */
#include "adapter.h"

#include <apr_portable.h>
#include <errno.h>
#include <poll.h>
#include <strings.h>

/* A bucket of a file holds at most this many bytes, unless the file is so
   large that there would be too many. Owners can make a file of 2^63 bytes
   that takes no room on any disk. */
#define FILE_PART INT64_C(0x40000000)
#define MOST_PARTS 1024

/* ---- The head --------------------------------------------------------- */

/* mod_mime guessed these from the URL. They say nothing about the response. */
static void forget_guesses(request_rec *r)
{
    r->content_type = NULL;
    r->content_encoding = NULL;
    r->content_languages = NULL;
}

/* The server's error page will be the body. Headers that are not about the
   body go along: the server keeps what is in err_headers_out. */
static void leave_to_server(exchange *x, const wsgi_head *head)
{
    size_t i;

    x->error_page = head->status;
    for (i = 0; i < head->header_count; i++)
        if (!wsgi_header_is_about_body(head->headers[i].name))
            apr_table_add(x->r->err_headers_out, head->headers[i].name,
                          head->headers[i].value);
}

static int is_left_to_server(const exchange *x, const wsgi_head *head)
{
    return x->has_error_pages && head->status >= 400 && head->status < 600;
}

/* Where the server's offsets have 32 bits, as in 2.0, they are too small for a
   large body. The header is ours then, and no ranges are cut out of it. */
static void set_length(request_rec *r, int64_t length)
{
    apr_off_t theirs = (apr_off_t)length;

    if (theirs == length) {
        ap_set_content_length(r, theirs);
        return;
    }
    apr_table_unset(r->headers_in, "Range");
    apr_table_unset(r->headers_in, "Request-Range");
    apr_table_setn(
        r->headers_out, "Content-Length",
        apr_psprintf(r->pool, "%" APR_INT64_T_FMT, (apr_int64_t)length));
}

static void set_head(exchange *x, const wsgi_head *head)
{
    request_rec *r = x->r;
    size_t i;

    wsgi_apache_leave_unread(x);
    r->status = head->status;
    r->status_line = apr_pstrdup(r->pool, head->status_line);
    forget_guesses(r);
    if (WSGI_DEFLATES_EMPTY_BODIES &&
        (head->status == 204 || head->status == 304))
        apr_table_setn(r->subprocess_env, "no-gzip", "1");
    if (head->content_type != NULL)
        ap_set_content_type(r, apr_pstrdup(r->pool, head->content_type));
    if (head->content_length >= 0)
        set_length(r, head->content_length);
    for (i = 0; i < head->header_count; i++)
        apr_table_add(r->headers_out, head->headers[i].name,
                      head->headers[i].value);
}

int wsgi_apache_send_head(void *record, const wsgi_head *head)
{
    exchange *x = wsgi_apache_borrow(record);

    if (is_left_to_server(x, head))
        leave_to_server(x, head);
    else
        set_head(x, head);
    wsgi_apache_give_back(x);
    return 0;
}

/* ---- The body --------------------------------------------------------- */

static void append(const exchange *x, apr_bucket *bucket)
{
    APR_BRIGADE_INSERT_TAIL(x->out, bucket);
}

static void begin(exchange *x)
{
    if (x->out == NULL)
        x->out =
            apr_brigade_create(x->r->pool, x->r->connection->bucket_alloc);
}

/* Nothing more is written, not even the mark of the last chunk. */
static void break_connection(conn_rec *connection)
{
    connection->keepalive = AP_CONN_CLOSE;
    connection->aborted = 1;
}

static int is_about_client(apr_status_t status)
{
    return APR_STATUS_IS_EPIPE(status) || APR_STATUS_IS_ECONNRESET(status) ||
           APR_STATUS_IS_ECONNABORTED(status) || APR_STATUS_IS_TIMEUP(status);
}

/* Whether a filter has answered in the application's place, before the head
   has gone. It does so with 416 if the body has none of the ranges asked for.
   The rest of the application's response is not wanted then. */
static int is_answered(const exchange *x, apr_status_t status, int before)
{
    return status == AP_FILTER_ERROR && !x->begun && x->r->status != before;
}

/* Passes x->out to the filters. If that fails while the client is there, a
   filter has failed. What it has let through must not look complete, so the
   connection is broken. */
static int pass(exchange *x)
{
    conn_rec *connection = x->r->connection;
    int before = x->r->status;
    apr_status_t status = ap_pass_brigade(x->r->output_filters, x->out);

    apr_brigade_cleanup(x->out);
    if (is_answered(x, status, before))
        x->answered = 1;
    else if (status != APR_SUCCESS && !connection->aborted) {
        if (!is_about_client(status))
            ap_log_rerror(APLOG_MARK, APLOG_ERR, status, x->r,
                          "mod_wsgi: MW0509: a filter of the response failed: "
                          "the connection is closed");
        break_connection(connection);
    }
    x->begun = 1;
    return connection->aborted ? -1 : 0;
}

/* Sends a complete response at once. Otherwise the server keeps it until the
   application is done and the rest of the request's body has been read. The
   filters of the request have seen the end of the response, so those of the
   connection are told to flush. */
static int flush_end(const exchange *x)
{
    conn_rec *connection = x->r->connection;

    append(x, apr_bucket_flush_create(connection->bucket_alloc));
    ap_pass_brigade(connection->output_filters, x->out);
    apr_brigade_cleanup(x->out);
    return connection->aborted ? -1 : 0;
}

/* A sub-request's response is a part of another one, which goes on. */
static int pass_end(exchange *x)
{
    int goes_on = x->r->main != NULL && !x->begun;

    append(x, apr_bucket_eos_create(x->r->connection->bucket_alloc));
    if (pass(x) < 0)
        return -1;
    return goes_on ? 0 : flush_end(x);
}

static int pass_more(exchange *x)
{
    append(x, apr_bucket_flush_create(x->r->connection->bucket_alloc));
    return pass(x) < 0 || x->answered ? -1 : 0;
}

static int send_chunks(exchange *x, const wsgi_chunk *chunks, size_t count,
                       enum wsgi_after after)
{
    size_t i;

    begin(x);
    for (i = 0; i < count; i++)
        append(x, apr_bucket_transient_create(chunks[i].data, chunks[i].size,
                                              x->r->connection->bucket_alloc));
    return after != WSGI_FLUSH ? pass_end(x) : pass_more(x);
}

int wsgi_apache_send_body(void *record, const wsgi_chunk *chunks, size_t count,
                          enum wsgi_after after)
{
    exchange *x = wsgi_apache_borrow(record);
    int result = x->error_page ? 0 : send_chunks(x, chunks, count, after);

    wsgi_apache_give_back(x);
    return result;
}

/* Whether a filter may run in any thread. Those listed here pass on what they
   get at once, and ask for nothing. Others may read files, run programs or
   make sub-requests. */
static int is_known(const char *name)
{
    static const char *const known[] = {
        "content_length",
        "http_header",
        "http_outerror",
        "byterange",
        "chunk",
        "core",
        "deflate",
        "brotli_compress",
        "log_input_output",
        "logio_ttfb_out",
        "reqtimeout",
        "ssl/tls filter",
        "ssl/tls coalescing filter",
    };
    static const char by_type[] = "bytype:"; /* AddOutputFilterByType, 2.4 */
    size_t i;

    if (strncasecmp(name, by_type, sizeof by_type - 1) == 0)
        name += sizeof by_type - 1;
    for (i = 0; i < sizeof known / sizeof *known; i++)
        if (strcasecmp(name, known[i]) == 0)
            return 1;
    return 0;
}

int wsgi_apache_is_ready(void *record)
{
    const exchange *x = record;
    conn_rec *connection = x->r->connection;
    struct pollfd client = {.events = POLLOUT};
    const ap_filter_t *filter = x->r->output_filters;

    for (; filter != NULL; filter = filter->next)
        if (!is_known(filter->frec->name))
            return 0;
    if (connection->aborted)
        return -1;
    if (apr_os_sock_get(&client.fd, ap_get_conn_socket(connection)) !=
            APR_SUCCESS ||
        poll(&client, 1, 0) != 1)
        return 0;
    return client.revents & (POLLERR | POLLHUP) ? -1 : 1;
}

/* A stream of HTTP/2 has no connection of its own. The server marks it when
   the client has given it up. A number below 0: the server has closed the
   connection, since it ends. */
int wsgi_apache_is_gone(void *record)
{
    const exchange *x = record;
    conn_rec *connection = x->r->connection;
    apr_os_sock_t client;

    if (connection->aborted)
        return 1;
    return x->r->proto_num < HTTP_VERSION(2, 0) &&
           apr_os_sock_get(&client, ap_get_conn_socket(connection)) ==
               APR_SUCCESS &&
           (client < 0 ||
            wsgi_has_gone(client, strcmp(ap_http_scheme(x->r), "https") == 0));
}

/* In HTTP/2 a stream has no connection of its own that could be broken. The
   server resets the stream when it sees an error bucket. */
static void break_off(exchange *x)
{
    apr_bucket_alloc_t *alloc = x->r->connection->bucket_alloc;

    if (x->r->proto_num >= HTTP_VERSION(2, 0)) {
        begin(x);
        append(x, ap_bucket_error_create(HTTP_BAD_GATEWAY, NULL, x->r->pool,
                                         alloc));
        append(x, apr_bucket_eos_create(alloc));
        pass(x);
    }
    break_connection(x->r->connection);
}

void wsgi_apache_fail(void *record)
{
    exchange *x = wsgi_apache_borrow(record);

    if (!x->error_page) {
        x->is_broken = 1;
        break_off(x);
    }
    wsgi_apache_give_back(x);
}

/* ---- Files ------------------------------------------------------------ */

/* sendfile is used unless the configuration says no: an application that
   returns a file has asked for it. */
static int may_use_sendfile(const core_dir_config *core)
{
    return core->enable_sendfile != ENABLE_SENDFILE_OFF;
}

/* Appends one part of a file. Filters that read it must not map it into
   memory: if the file became shorter meanwhile, that would end this process.
 */
static void append_part(const exchange *x, apr_file_t *file, int64_t offset,
                        int64_t size)
{
    apr_bucket *bucket =
        apr_bucket_file_create(file, (apr_off_t)offset, (apr_size_t)size,
                               x->r->pool, x->r->connection->bucket_alloc);

    apr_bucket_file_enable_mmap(bucket, 0);
    append(x, bucket);
}

/* Makes a descriptor for the server, which lives as long as the request. The
   application closes its own, and filters may keep a part of the file for
   later. */
static apr_status_t copy_file(const exchange *x, int fd,
                              const core_dir_config *core, apr_file_t **file)
{
    apr_file_t *theirs = NULL;
    apr_int32_t flags = APR_READ |
                        (may_use_sendfile(core) ? APR_SENDFILE_ENABLED : 0);
    apr_status_t status = apr_os_file_put(&theirs, &fd, flags, x->r->pool);

    return status == APR_SUCCESS ? apr_file_dup(file, theirs, x->r->pool)
                                 : status;
}

/* Whether the file still has end bytes. Filters of old servers do not look
   whether a file could be read. */
static apr_status_t check_length(int fd, int64_t end)
{
    int64_t size = wsgi_file_size(fd);

    if (size < 0)
        return errno;
    return size < end ? APR_EOF : APR_SUCCESS;
}

static int give_up_file(exchange *x, apr_status_t status)
{
    ap_log_rerror(
        APLOG_MARK, APLOG_ERR, status, x->r,
        "mod_wsgi: MW0510: a file can't be sent: the connection is closed");
    break_off(x);
    return -1;
}

/* Whether the client asks for ranges. The server cuts them out of a body only
   if the end of the body comes in the same brigade. */
static int wants_ranges(const request_rec *r)
{
    return apr_table_get(r->headers_in, "Range") != NULL ||
           apr_table_get(r->headers_in, "Request-Range") != NULL; /* 2.0 */
}

/* Whether a file has become shorter is known when it has been sent. So the end
   of the response is passed on after that, unless ranges need both at once. */
static int pass_file(exchange *x, int fd, int64_t end, enum wsgi_after after)
{
    int at_once = after != WSGI_FLUSH && wants_ranges(x->r);
    apr_status_t status;

    if ((at_once ? pass_end(x) : pass_more(x)) < 0)
        return -1;
    status = check_length(fd, end);
    if (status != APR_SUCCESS)
        return give_up_file(x, status);
    return after != WSGI_FLUSH && !at_once ? pass_end(x) : 0;
}

static int64_t part_of(int64_t size)
{
    return size / MOST_PARTS < FILE_PART ? FILE_PART : size / MOST_PARTS + 1;
}

/* Whether the server's types, which may have 32 bits, can say where a part of
   a file is. */
static int can_be_said(int64_t end, int64_t part)
{
    apr_off_t their_end = (apr_off_t)end;
    apr_size_t their_part = (apr_size_t)part;

    return their_end == end && (int64_t)their_part == part;
}

/* Sends a file that is too large for the server's types. */
static int send_read(exchange *x, int fd, int64_t offset, int64_t size,
                     enum wsgi_after after)
{
    char bytes[32768];
    int result = 0;

    for (; size > 0 && result == 0; offset += sizeof bytes) {
        int64_t most = size < (int64_t)sizeof bytes ? size
                                                    : (int64_t)sizeof bytes;
        int64_t got = wsgi_file_read(fd, bytes, (size_t)most, offset);
        wsgi_chunk chunk = {bytes, (size_t)got};

        if (got < most)
            return give_up_file(x, got < 0 ? errno : APR_EOF);
        size -= got;
        result = send_chunks(x, &chunk, 1, size > 0 ? WSGI_FLUSH : after);
    }
    return result;
}

static int send_part(exchange *x, int fd, int64_t offset, int64_t size,
                     enum wsgi_after after)
{
    const core_dir_config *core =
        ap_get_module_config(x->r->per_dir_config, &core_module);
    int64_t end = offset + size, most = part_of(size), part;
    apr_file_t *file = NULL;
    apr_status_t status = copy_file(x, fd, core, &file);

    if (status != APR_SUCCESS)
        return give_up_file(x, status);
    begin(x);
    for (; offset < end; offset += part) {
        part = end - offset < most ? end - offset : most;
        append_part(x, file, offset, part);
    }
    return pass_file(x, fd, end, after);
}

int wsgi_apache_send_file(void *record, int fd, int64_t offset, int64_t size,
                          enum wsgi_after after)
{
    exchange *x = wsgi_apache_borrow(record);
    int result = 0;

    if (!x->error_page)
        result = can_be_said(offset + size, part_of(size))
                     ? send_part(x, fd, offset, size, after)
                     : send_read(x, fd, offset, size, after);
    wsgi_apache_give_back(x);
    return result;
}
