/*
 * host.c - what Apache 2.0, 2.2 and 2.4 do for the core.
 *
 * The same functions stand in the same order in adapters/apache13/host.c;
 * comparing the two shows how the servers differ.
 */
#include "adapter.h"

#include <apr_portable.h>
#include <errno.h>
#include <poll.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>

/* A bucket of a file holds at most so many bytes, on any platform. */
#define FILE_PART 0x40000000

/* How long a line of the log waits for its request: two milliseconds. */
#define LOG_WAIT 2000000L

static void each_env(void *record, wsgi_put *put, void *arg)
{
    const exchange *x = record;
    const apr_array_header_t *all = apr_table_elts(x->r->subprocess_env);
    const apr_table_entry_t *entry =
        (const apr_table_entry_t *)(const void *)all->elts;
    int i;

    for (i = 0; i < all->nelts; i++, entry++)
        if (entry->key != NULL && entry->val != NULL)
            put(arg, entry->key, entry->val);
}

/* ---- Threads ---------------------------------------------------------- */

static int is_its_thread(const exchange *x)
{
    return apr_os_thread_equal(x->thread, apr_os_thread_current());
}

/* The request's memory is its own thread's, which may have something to log
   while another one makes a down call: what that takes stands between these
   two. */
static exchange *borrow(void *record)
{
    exchange *x = record;

    if (!is_its_thread(x))
        pthread_mutex_lock(&x->borrowed);
    return x;
}

static void give_back(exchange *x)
{
    if (!is_its_thread(x))
        pthread_mutex_unlock(&x->borrowed);
}

/* ---- The request's body ----------------------------------------------- */

/*
 * A body that breaks a rule the HTTP input filter answers itself: it sends an
 * error down the response's filters. The application is to hear of it first,
 * so this filter stands in for those while the body is read.
 */
static ap_filter_rec_t *catcher;

/* Beneath the HTTP input filter, where that has one answer for all errors. */
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

/* The HTTP input filter, or NULL. Others may stand before it. */
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
    http->next = beneath.next; /* which may have taken itself away */
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
    if (r->status != before) /* what follows the last chunk is no trailer */
        x->refused = r->status;
    r->status = before;
    return status;
}

/* Whether the server has met the end of the connection. Asked where it makes
   the same error of that and of other ones. */
static int has_ended(const exchange *x)
{
    return WSGI_ENDS_BODIES_WITH_CONNECTIONS &&
           APR_STATUS_IS_EOF(ap_get_brigade(x->r->connection->input_filters,
                                            x->in, AP_MODE_SPECULATIVE,
                                            APR_NONBLOCK_READ, 1));
}

/* What went wrong. The connection can't be used again: nobody knows where
   the next request begins. */
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

/* Moves the first bytes of a bucket into buffer: size says how many fit, then
   how many there were. */
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

/* Moves what the filters gave into buffer, as much as fits; the rest is for
   the next read. Notes the end of the body. */
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

/* Whether what seemed to be the end of the body was the connection's. Of its
   own end the HTTP input filter tells again, and reads no more. Other filters
   may not know this way of asking. */
static int is_cut(exchange *x)
{
    return x->body_left > 0 ||
           (WSGI_ENDS_BODIES_WITH_CONNECTIONS &&
            get_brigade(x, x->r->proto_input_filters, AP_MODE_GETLINE, 0) !=
                APR_SUCCESS);
}

/* A filter may give nothing for now, and more than it was asked for then. */
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

static int64_t read_body(void *record, char *buffer, size_t size)
{
    exchange *x = borrow(record);
    int64_t got = receive(x, buffer, size);

    give_back(x);
    return got;
}

/* A client that waits for 100 Continue is about to hear the final answer
   instead. It may send the body after that or not: nobody can know where its
   next request would begin. */
static void leave_body_unread(const exchange *x)
{
    if (x->in != NULL || !x->r->expecting_100)
        return;
    x->r->expecting_100 = 0;
    x->r->connection->keepalive = AP_CONN_CLOSE;
}

/* ---- The response ----------------------------------------------------- */

/* What mod_mime guessed from the URL says nothing about this response. */
static void forget_guesses(request_rec *r)
{
    r->content_type = NULL;
    r->content_encoding = NULL;
    r->content_languages = NULL;
}

static int send_head(void *record, const wsgi_head *head)
{
    exchange *x = borrow(record);
    request_rec *r = x->r;
    size_t i;

    leave_body_unread(x);
    r->status = head->status;
    r->status_line = apr_pstrdup(r->pool, head->status_line);
    forget_guesses(r);
    if (WSGI_DEFLATES_EMPTY_BODIES &&
        (head->status == 204 || head->status == 304))
        apr_table_setn(r->subprocess_env, "no-gzip", "1");
    if (head->content_type != NULL)
        ap_set_content_type(r, apr_pstrdup(r->pool, head->content_type));
    if (head->content_length >= 0)
        ap_set_content_length(r, (apr_off_t)head->content_length);
    for (i = 0; i < head->header_count; i++)
        apr_table_add(r->headers_out, head->headers[i].name,
                      head->headers[i].value);
    give_back(x);
    return 0;
}

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

/* Nothing more is written, the last chunk's mark neither. */
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

/* A filter may answer in the application's place before the head has gone: 416
   where no range asked for is in the body. The rest is not wanted then. */
static int is_answered(const exchange *x, apr_status_t status, int before)
{
    return status == AP_FILTER_ERROR && !x->begun && x->r->status != before;
}

/* What failed while the client was there is a filter: what it has let
   through must not look whole. */
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
                          "mod_wsgi: a filter of the response failed: the "
                          "connection is closed");
        break_connection(connection);
    }
    x->begun = 1;
    return connection->aborted ? -1 : 0;
}

/* A complete response goes out at once: the application may have more to do,
   and the server reads the rest of the request's body before it sends what it
   has kept. Filters of the request have had their end, so the connection's are
   asked. A sub-request is a part of another response, which goes on. */
static int flush_end(const exchange *x)
{
    conn_rec *connection = x->r->connection;

    append(x, apr_bucket_flush_create(connection->bucket_alloc));
    ap_pass_brigade(connection->output_filters, x->out);
    apr_brigade_cleanup(x->out);
    return connection->aborted ? -1 : 0;
}

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
    return after == WSGI_END ? pass_end(x) : pass_more(x);
}

static int send_body(void *record, const wsgi_chunk *chunks, size_t count,
                     enum wsgi_after after)
{
    exchange *x = borrow(record);
    int result = send_chunks(x, chunks, count, after);

    give_back(x);
    return result;
}

/* Filters that may run in any thread, pass on what they get as it comes, and
   ask for nothing. Others may read files, run programs, make sub-requests. */
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

static int is_ready(void *record)
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

/* HTTP/2 has no connection to break for one stream: there the server resets
   the stream when it sees this bucket. */
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

static void fail(void *record)
{
    exchange *x = borrow(record);

    break_off(x);
    give_back(x);
}

/* Off only if the configuration says so: an application that returns a file
   has asked for it. */
static int may_use_sendfile(const core_dir_config *core)
{
    return core->enable_sendfile != ENABLE_SENDFILE_OFF;
}

/* One part of a file; filters that read it map it into memory unless the
   configuration says otherwise. */
static void append_part(const exchange *x, const core_dir_config *core,
                        apr_file_t *file, int64_t offset, int64_t size)
{
    apr_bucket *bucket =
        apr_bucket_file_create(file, (apr_off_t)offset, (apr_size_t)size,
                               x->r->pool, x->r->connection->bucket_alloc);

    if (core->enable_mmap == ENABLE_MMAP_OFF)
        apr_bucket_file_enable_mmap(bucket, 0);
    append(x, bucket);
}

/* A descriptor of the server's own, as long as the request: the application
   closes its one, and filters may keep what they are given for later. */
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

/* Filters of old servers don't look whether a file could be read. */
static apr_status_t check_length(int fd, int64_t end)
{
    struct stat now;

    if (fstat(fd, &now) < 0)
        return errno;
    return now.st_size < end ? APR_EOF : APR_SUCCESS;
}

static int give_up_file(exchange *x, apr_status_t status)
{
    ap_log_rerror(APLOG_MARK, APLOG_ERR, status, x->r,
                  "mod_wsgi: a file can't be sent: the connection is closed");
    break_off(x);
    return -1;
}

/* The server cuts ranges out of a body only where the end comes with it. */
static int wants_ranges(const request_rec *r)
{
    return apr_table_get(r->headers_in, "Range") != NULL ||
           apr_table_get(r->headers_in, "Request-Range") != NULL; /* 2.0 */
}

/* A file that has become shorter is seen when it has been sent: so its end is
   told afterwards, if the client has not asked for ranges of it. */
static int pass_file(exchange *x, int fd, int64_t end, enum wsgi_after after)
{
    int at_once = after == WSGI_END && wants_ranges(x->r);
    apr_status_t status;

    if ((at_once ? pass_end(x) : pass_more(x)) < 0)
        return -1;
    status = check_length(fd, end);
    if (status != APR_SUCCESS)
        return give_up_file(x, status);
    return after == WSGI_END && !at_once ? pass_end(x) : 0;
}

static int send_part(exchange *x, int fd, int64_t offset, int64_t size,
                     enum wsgi_after after)
{
    const core_dir_config *core =
        ap_get_module_config(x->r->per_dir_config, &core_module);
    int64_t end = offset + size;
    apr_file_t *file = NULL;
    apr_status_t status = copy_file(x, fd, core, &file);

    if (status != APR_SUCCESS)
        return give_up_file(x, status);
    begin(x);
    for (; offset < end; offset += FILE_PART)
        append_part(x, core, file, offset,
                    end - offset < FILE_PART ? end - offset : FILE_PART);
    return pass_file(x, fd, end, after);
}

static int send_file(void *record, int fd, int64_t offset, int64_t size,
                     enum wsgi_after after)
{
    exchange *x = borrow(record);
    int result = send_part(x, fd, offset, size, after);

    give_back(x);
    return result;
}

/* ---- The log ---------------------------------------------------------- */

/* Waits for another thread's down call for a moment. Where that waits for the
   client this must not. */
static int borrow_back(exchange *x)
{
    struct timespec until;

    if (pthread_mutex_trylock(&x->borrowed) == 0)
        return 1;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (until.tv_nsec + LOG_WAIT) / 1000000000L;
    until.tv_nsec = (until.tv_nsec + LOG_WAIT) % 1000000000L;
    return pthread_mutex_timedlock(&x->borrowed, &until) == 0;
}

/* The first line that a request logs takes memory of it (2.4: its id). */
static void write_log(void *record, enum wsgi_level level, const char *line)
{
    static const int levels[] = {APLOG_INFO, APLOG_WARNING, APLOG_ERR};
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

static int is_stopping(void)
{
    int state = 0;

    return ap_mpm_query(AP_MPMQ_MPM_STATE, &state) == APR_SUCCESS &&
           state == AP_MPMQ_STOPPING;
}

const wsgi_host wsgi_apache_host = {
    .each_env = each_env,
    .read_body = read_body,
    .send_head = send_head,
    .send_body = send_body,
    .is_ready = is_ready,
    .send_file = send_file,
    .fail = fail,
    .is_stopping = is_stopping,
    .log = write_log,
};
