/*
 * bare.c - a host without a server.
 *
 * Runs one application a number of times in a number of threads, against a
 * request given on the command line, with faults a network would have: short
 * reads, a client that goes away. For tests, sanitizers, fuzzing and counting
 * instructions; and the proof that host.h is all the core needs.
 *
 *     bare [options] module::callable [path]
 *
 * The last response goes to standard output, log lines to standard error as
 * "[level] text". The exit status is 0 when every wsgi_handle returned 0.
 */
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "host.h"

#define MOST_VARIABLES 256

typedef struct variable {
    const char *name, *value;
} variable;

/* What every request is made of; fixed once the threads run. */
static struct plan {
    variable variables[MOST_VARIABLES];
    size_t variable_count;
    char *body;
    size_t body_size;
    int64_t body_length;  /* what wsgi_request says of it */
    size_t read_at_most;  /* short reads; 0 no limit */
    long fail_read_after; /* read_body fails after so many bytes; -1 never */
    int64_t read_failure; /* ... with this */
    long gone_after;      /* bytes of the response the client takes; -1 all */
    int requests, threads;
    int counts;              /* the host's calls are told at the end */
    const char *htaccess[8]; /* NULL at the end */
    wsgi_request request;
} plan = {
    .fail_read_after = -1,
    .read_failure = WSGI_READ_GONE,
    .gone_after = -1,
    .requests = 1,
    .threads = 1,
};

/* One request under way: the record behind wsgi_request. */
typedef struct exchange {
    size_t body_read;
    char *output;
    size_t size, room;
    int failed;
} exchange;

static pthread_mutex_t output_lock = PTHREAD_MUTEX_INITIALIZER;
static int worst_status;
static unsigned long reads; /* calls of read_body, in all threads */

/* ---- The host --------------------------------------------------------- */

static int append(exchange *x, const void *data, size_t size)
{
    if (plan.gone_after >= 0 && x->size + size > (size_t)plan.gone_after)
        return -1;
    if (x->size + size > x->room) {
        size_t room = (x->size + size) * 2;
        char *output = realloc(x->output, room);

        if (output == NULL)
            return -1;
        x->output = output;
        x->room = room;
    }
    if (size > 0)
        memcpy(x->output + x->size, data, size);
    x->size += size;
    return 0;
}

static int append_line(exchange *x, const char *name, const char *value)
{
    if (append(x, name, strlen(name)) < 0 ||
        (name[0] != '\0' && append(x, ": ", 2) < 0) ||
        append(x, value, strlen(value)) < 0)
        return -1;
    return append(x, "\r\n", 2);
}

static void each_env(void *record, wsgi_put *put, void *arg)
{
    size_t i;

    (void)record;
    for (i = 0; i < plan.variable_count; i++)
        put(arg, plan.variables[i].name, plan.variables[i].value);
}

static int64_t read_body(void *record, char *buffer, size_t size)
{
    exchange *x = record;
    size_t left = plan.body_size - x->body_read;

    __atomic_add_fetch(&reads, 1, __ATOMIC_RELAXED);
    if (plan.fail_read_after >= 0 &&
        x->body_read >= (size_t)plan.fail_read_after)
        return plan.read_failure;
    if (plan.read_at_most != 0 && size > plan.read_at_most)
        size = plan.read_at_most;
    if (size > left)
        size = left;
    if (size > 0)
        memcpy(buffer, plan.body + x->body_read, size);
    x->body_read += size;
    return (int64_t)size;
}

static int send_head(void *record, const wsgi_head *head)
{
    exchange *x = record;
    char length[32];
    size_t i;

    if (append_line(x, "Status", head->status_line) < 0)
        return -1;
    if (head->content_type != NULL &&
        append_line(x, "Content-Type", head->content_type) < 0)
        return -1;
    snprintf(length, sizeof length, "%lld", (long long)head->content_length);
    if (head->content_length >= 0 &&
        append_line(x, "Content-Length", length) < 0)
        return -1;
    for (i = 0; i < head->header_count; i++)
        if (append_line(x, head->headers[i].name, head->headers[i].value) < 0)
            return -1;
    return append_line(x, "", "");
}

static int send_body(void *record, const wsgi_chunk *chunks, size_t count,
                     enum wsgi_after after)
{
    size_t i;

    (void)after;
    for (i = 0; i < count; i++)
        if (append(record, chunks[i].data, chunks[i].size) < 0)
            return -1;
    return 0;
}

static int send_file(void *record, int fd, int64_t offset, int64_t size,
                     enum wsgi_after after)
{
    char part[8192];

    (void)after;
    while (size > 0) {
        size_t wanted = size < (int64_t)sizeof part ? (size_t)size
                                                    : sizeof part;
        ssize_t got = pread(fd, part, wanted, offset);

        if (got <= 0 || append(record, part, (size_t)got) < 0)
            return -1;
        offset += got;
        size -= got;
    }
    return 0;
}

static void fail(void *record)
{
    exchange *x = record;

    x->failed = 1;
}

static void write_log(void *record, enum wsgi_level level, const char *line)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};

    (void)record;
    fprintf(stderr, "[%s] %s\n", names[level], line);
}

static const wsgi_host host = {
    .name = "bare",
    .each_env = each_env,
    .read_body = read_body,
    .send_head = send_head,
    .send_body = send_body,
    .send_file = send_file,
    .fail = fail,
    .log = write_log,
};

/* ---- Requests --------------------------------------------------------- */

/* Keeps the worst status, and shows the response of the last request. */
static void finish(const exchange *x, int status, int is_last)
{
    pthread_mutex_lock(&output_lock);
    if (status > worst_status)
        worst_status = status;
    if (is_last && status == 0) {
        if (x->size > 0)
            fwrite(x->output, 1, x->size, stdout);
        if (x->failed)
            fputs("\n(broken off)\n", stdout);
    } else if (is_last) {
        printf("Status: %d (error page)\r\n\r\n", status);
    }
    pthread_mutex_unlock(&output_lock);
}

static void *serve(void *is_first)
{
    int i;

    for (i = 0; i < plan.requests; i++) {
        exchange x = {.size = 0};
        wsgi_request request = plan.request;

        request.record = &x;
        request.body_length = plan.body_length;
        finish(&x, wsgi_handle(&request),
               is_first != NULL && i == plan.requests - 1);
        free(x.output);
    }
    return NULL;
}

static void serve_all(void)
{
    pthread_t threads[64] = {0};
    int i;

    for (i = 1; i < plan.threads; i++)
        pthread_create(&threads[i], NULL, serve, NULL);
    serve(&plan);
    for (i = 1; i < plan.threads; i++)
        pthread_join(threads[i], NULL);
}

/* ---- The command line ------------------------------------------------- */

static void give_up(const char *problem, const char *what)
{
    fprintf(stderr, "bare: %s: %s\n", problem, what);
    exit(2);
}

static void set_variable(const char *name, const char *value)
{
    size_t i;

    for (i = 0; i < plan.variable_count; i++)
        if (strcmp(plan.variables[i].name, name) == 0)
            break;
    if (i == MOST_VARIABLES)
        give_up("too many variables", name);
    plan.variables[i].name = name;
    plan.variables[i].value = value;
    if (i == plan.variable_count)
        plan.variable_count++;
}

/* Takes NAME=VALUE apart. */
static void set_pair(char *pair)
{
    char *equals = strchr(pair, '=');

    if (equals == NULL)
        give_up("not of the form NAME=VALUE", pair);
    *equals = '\0';
    set_variable(pair, equals + 1);
}

static void load_body(const char *name)
{
    FILE *file = fopen(name, "rb");
    size_t room = 1 << 16, got;

    if (file == NULL)
        give_up("can't read", name);
    plan.body = malloc(room);
    while (plan.body != NULL &&
           (got = fread(plan.body + plan.body_size, 1, room - plan.body_size,
                        file)) > 0) {
        plan.body_size += got;
        if (plan.body_size == room)
            plan.body = realloc(plan.body, room *= 2);
    }
    fclose(file);
    plan.body_length = (int64_t)plan.body_size;
}

static void set_failure(const char *name)
{
    static const char *const names[] = {"gone", "timeout", "large", "bad"};
    int i;

    for (i = 0; i < 4; i++)
        if (strcmp(names[i], name) == 0)
            plan.read_failure = -1 - i;
}

enum option_key {
    DIRECTORY = 1000,
    ENV,
    BODY,
    CHUNKED,
    CHUNK,
    FAIL_READ,
    FAIL_READ_WITH,
    CLOSE_AFTER,
    THREADS,
    REQUESTS,
    COUNT_CALLS,
    METHOD,
    URI,
    LOCATION,
    SECTION,
    FILENAME,
    PATH_INFO,
    IS_FILE,
    HTACCESS,
    MAY_EXECUTE,
    AUTHORIZATION
};

static const struct option options[] = {
    {"directory", 1, NULL, DIRECTORY},
    {"env", 1, NULL, ENV},
    {"body", 1, NULL, BODY},
    {"chunked", 0, NULL, CHUNKED},
    {"chunk", 1, NULL, CHUNK},
    {"fail-read-after", 1, NULL, FAIL_READ},
    {"fail-read-with", 1, NULL, FAIL_READ_WITH},
    {"close-after", 1, NULL, CLOSE_AFTER},
    {"threads", 1, NULL, THREADS},
    {"requests", 1, NULL, REQUESTS},
    {"count-calls", 0, NULL, COUNT_CALLS},
    {"method", 1, NULL, METHOD},
    {"uri", 1, NULL, URI},
    {"location", 1, NULL, LOCATION},
    {"section", 1, NULL, SECTION},
    {"filename", 1, NULL, FILENAME},
    {"path-info", 1, NULL, PATH_INFO},
    {"is-file", 0, NULL, IS_FILE},
    {"htaccess", 1, NULL, HTACCESS},
    {"may-execute", 0, NULL, MAY_EXECUTE},
    {"authorization", 1, NULL, AUTHORIZATION},
    {NULL, 0, NULL, 0},
};

static void add_htaccess(const char *directory)
{
    size_t i = 0;

    while (plan.htaccess[i] != NULL)
        i++;
    if (i + 1 == sizeof plan.htaccess / sizeof *plan.htaccess)
        give_up("too many --htaccess", directory);
    plan.htaccess[i] = directory;
}

static int to_number(const char *text)
{
    char *end;
    long number = strtol(text, &end, 10);

    if (*text == '\0' || *end != '\0' || number < 0 || number > 100000000)
        give_up("not a number", text);
    return (int)number;
}

/* Options that say what the client and the network do. */
static void take_exchange(int key, char *value)
{
    switch (key) {
    case BODY:
        load_body(value);
        break;
    case CHUNKED:
        plan.body_length = -1;
        break;
    case CHUNK:
        plan.read_at_most = (size_t)to_number(value);
        break;
    case FAIL_READ:
        plan.fail_read_after = to_number(value);
        break;
    case FAIL_READ_WITH:
        set_failure(value);
        break;
    case CLOSE_AFTER:
        plan.gone_after = to_number(value);
        break;
    case THREADS:
        plan.threads = to_number(value);
        if (plan.threads < 1 || plan.threads > 64)
            give_up("threads go from 1 to 64", value);
        break;
    case REQUESTS:
        plan.requests = to_number(value);
        break;
    case COUNT_CALLS:
        plan.counts = 1;
        break;
    case METHOD:
        set_variable("REQUEST_METHOD", value);
        plan.request.head_only = strcmp(value, "HEAD") == 0;
        break;
    case AUTHORIZATION:
        plan.request.authorization = value;
        break;
    }
}

/* Options that say where the URL leads. */
static void take_mapping(int key, char *value)
{
    switch (key) {
    case DIRECTORY:
        set_variable("mod_wsgi.directory", value);
        break;
    case ENV:
        set_pair(value);
        break;
    case URI:
        plan.request.uri = value;
        break;
    case LOCATION:
        plan.request.location = value;
        break;
    case SECTION:
        plan.request.directory = value;
        break;
    case FILENAME:
        plan.request.filename = value;
        break;
    case PATH_INFO:
        plan.request.path_info = value;
        break;
    case IS_FILE:
        plan.request.is_file = 1;
        break;
    case HTACCESS:
        plan.request.htaccess = plan.htaccess;
        add_htaccess(value);
        break;
    case MAY_EXECUTE:
        plan.request.may_execute = 1;
        break;
    case '?':
        exit(2);
    }
}

static void set_defaults(void)
{
    set_variable("GATEWAY_INTERFACE", "CGI/1.1");
    set_variable("SERVER_SOFTWARE", host.name);
    set_variable("SERVER_PROTOCOL", "HTTP/1.1");
    set_variable("SERVER_NAME", "localhost");
    set_variable("SERVER_PORT", "80");
    set_variable("REMOTE_ADDR", "127.0.0.1");
    set_variable("REQUEST_METHOD", "GET");
    set_variable("QUERY_STRING", "");
    plan.request.uri = "/";
    plan.request.site_name = "localhost";
    plan.request.site_port = 80;
    plan.request.scheme = "http";
}

/* Does what the command line says, up to the first request. */
static void start(int argc, char **argv)
{
    wsgi_process process = {.host = &host};
    int key;

    set_defaults();
    while ((key = getopt_long(argc, argv, "", options, NULL)) != -1) {
        take_exchange(key, optarg);
        take_mapping(key, optarg);
    }
    if (optind < argc)
        set_variable("mod_wsgi.application", argv[optind++]);
    if (optind < argc)
        plan.request.uri = argv[optind];
    process.multithread = plan.threads > 1;
    wsgi_start(&process);
}

#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One request with the fuzzer's bytes as its body, read in small parts, for
   the application that the environment names: WSGI_FUZZ_APPLICATION, in
   WSGI_FUZZ_DIRECTORY. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *arguments[] = {(char[]){"bare"},
                         (char[]){"--directory"},
                         getenv("WSGI_FUZZ_DIRECTORY"),
                         (char[]){"--chunk"},
                         (char[]){"7"},
                         getenv("WSGI_FUZZ_APPLICATION"),
                         NULL};

    if (plan.variable_count == 0) {
        if (arguments[2] == NULL || arguments[5] == NULL)
            give_up("set in the environment",
                    "WSGI_FUZZ_DIRECTORY, WSGI_FUZZ_APPLICATION");
        start(6, arguments);
        fclose(stdout); /* the responses */
    }
    plan.body = (char *)(uintptr_t)data;
    plan.body_size = size;
    plan.body_length = (int64_t)size;
    serve_all();
    return 0;
}

#else

int main(int argc, char **argv)
{
    start(argc, argv);
    serve_all();
    wsgi_stop();
    if (plan.counts)
        fprintf(stderr, "[info] read_body was called %lu times\n", reads);
    fflush(stdout);
    _exit(worst_status == 0 ? 0 : 1);
}

#endif
