/*
 * bare.c - a host without a server.
 *
 * It runs one application a number of times, in a number of threads. The
 * command line gives the request, and the faults that a network would have:
 * short reads, a client that goes away. The bare host serves tests,
 * sanitizers, fuzzing and counts of instructions. It also proves that the core
 * needs nothing but host.h.
 *
 *     bare [options] module::callable [path]
 *
 * options.c reads the command line.
 *
 * The last response goes to standard output, log lines to standard error as
 * "[level] text". The exit status is 0 when every wsgi_handle returned 0.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "../remote/parent.h"
#include "../remote/remote.h"
#include "plan.h"
#include "run.h"

/* Room for a whole small response. The cost of realloc depends on how memory
   happens to be laid out, which would disturb a count of instructions. */
#define FIRST_ROOM 800

static const bare_plan *const plan = &wsgi_bare_plan;

/* One request under way: the record behind wsgi_request. */
typedef struct exchange {
    pid_t in_use;  /* the process that makes a down call, or 0; atomic */
    int questions; /* how often is_ready was called */
    size_t body_read;
    char *output;
    size_t size, room;
    int failed;
    unsigned retry_after; /* seconds; 0: nothing was said */
    int is_gone;          /* the client has gone, and takes nothing more */
} exchange;

static pthread_mutex_t output_lock = PTHREAD_MUTEX_INITIALIZER;
static int worst_status;
static unsigned long reads, sends; /* calls, in all threads */

/* ---- The host --------------------------------------------------------- */

/* Two down calls for one request never come at once. (A copy of the process
   that the application forked may have been made in the middle of one. So the
   process counts.) */
static exchange *enter(void *record)
{
    exchange *x = record;
    pid_t process = getpid();

    if (wsgi_atomic_exchange(&x->in_use, process, WSGI_ACQUIRE) == process) {
        fputs("bare: two down calls for one request at once\n", stderr);
        abort();
    }
    return x;
}

static void leave(exchange *x)
{
    wsgi_atomic_store(&x->in_use, 0, WSGI_RELEASE);
}

static int append(exchange *x, const void *data, size_t size)
{
    x->is_gone |= plan->gone_after >= 0 &&
                  x->size + size > (size_t)plan->gone_after;
    if (x->is_gone)
        return -1;
    if (x->size + size > x->room) {
        size_t room = (x->size + size) * 2 + FIRST_ROOM;
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

static void put_from(size_t first, wsgi_put *put, void *arg)
{
    size_t i;

    for (i = first; i < plan->variable_count; i++)
        put(arg, plan->variables[i].name, plan->variables[i].value);
}

static void each_env(void *record, wsgi_put *put, void *arg)
{
    (void)record;
    put_from(0, put, arg);
}

static void each_configured(void *record, wsgi_put *put, void *arg)
{
    (void)record;
    put_from(plan->standard_count, put, arg);
}

static int64_t read_some(exchange *x, char *buffer, size_t size)
{
    size_t left = plan->body_size - x->body_read;

    if (plan->fail_read_after >= 0 &&
        x->body_read >= (size_t)plan->fail_read_after)
        return plan->read_failure;
    if (plan->read_at_most != 0 && size > plan->read_at_most)
        size = plan->read_at_most;
    if (size > left)
        size = left;
    if (size > 0)
        memcpy(buffer, plan->body + x->body_read, size);
    x->body_read += size;
    return (int64_t)size;
}

static int64_t read_body(void *record, char *buffer, size_t size)
{
    exchange *x = enter(record);
    int64_t got;

    if (plan->read_time > 0)
        usleep((useconds_t)plan->read_time);
    got = read_some(x, buffer, size);
    wsgi_atomic_add(&reads, 1, WSGI_RELAXED);
    leave(x);
    return got;
}

static int append_head(exchange *x, const wsgi_head *head)
{
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

static int send_head(void *record, const wsgi_head *head)
{
    exchange *x = enter(record);
    int result = append_head(x, head);

    leave(x);
    return result;
}

static int send_body(void *record, const wsgi_chunk *chunks, size_t count,
                     enum wsgi_after after)
{
    exchange *x = enter(record);
    int result = 0;
    size_t i;

    (void)after;
    wsgi_atomic_add(&sends, 1, WSGI_RELAXED);
    if (plan->send_time > 0)
        usleep((useconds_t)plan->send_time);
    for (i = 0; i < count && result == 0; i++)
        result = append(x, chunks[i].data, chunks[i].size);
    leave(x);
    return result;
}

static int is_ready(void *record)
{
    exchange *x = enter(record);
    int ready = x->questions++ % (plan->busy_for + 1) == plan->busy_for;

    if (x->is_gone)
        ready = -1;
    leave(x);
    return ready;
}

static int append_file(exchange *x, int fd, int64_t offset, int64_t size)
{
    char part[8192];

    while (size > 0) {
        size_t wanted = size < (int64_t)sizeof part ? (size_t)size
                                                    : sizeof part;
        ssize_t got = pread(fd, part, wanted, offset);

        if (got <= 0 || append(x, part, (size_t)got) < 0)
            return -1;
        offset += got;
        size -= got;
    }
    return 0;
}

static int send_file(void *record, int fd, int64_t offset, int64_t size,
                     enum wsgi_after after)
{
    exchange *x = enter(record);
    int result = append_file(x, fd, offset, size);

    (void)after;
    leave(x);
    return result;
}

static void fail(void *record)
{
    exchange *x = enter(record);

    x->failed = 1;
    leave(x);
}

static void retry_after(void *record, unsigned seconds)
{
    exchange *x = enter(record);

    x->retry_after = seconds;
    leave(x);
}

/* A client that takes nothing has gone before. */
static int is_gone(void *record)
{
    (void)record;
    return plan->gone_after == 0;
}

static void write_log(void *record, enum wsgi_level level, const char *line)
{
    static const char *const names[] = {"info", "warning", "error", "critical",
                                        "debug"};

    (void)record;
    fprintf(stderr, "[%s] %s\n", names[level], line);
}

static const wsgi_host host = {
    .each_env = each_env,
    .each_configured = each_configured,
    .read_body = read_body,
    .send_head = send_head,
    .send_body = send_body,
    .is_ready = is_ready,
    .send_file = send_file,
    .fail = fail,
    .retry_after = retry_after,
    .is_gone = is_gone,
    .log = write_log,
};

/* ---- Requests --------------------------------------------------------- */

/* Remembers the highest status, and prints the response of the last request.
 */
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
        printf("Status: %d (error page)\r\n", status);
        if (x->retry_after > 0)
            printf("Retry-After: %u\r\n", x->retry_after);
        fputs("\r\n", stdout);
    }
    pthread_mutex_unlock(&output_lock);
}

static const char *or_none(const char *text)
{
    return text != NULL ? text : "none";
}

/* What wsgi_handle does, as a server would do it in two processes. */
static int decide_and_run(const wsgi_request *request)
{
    wsgi_decision decision;
    int status = wsgi_decide(request, &decision);

    if (status != 0) {
        fprintf(stderr, "[info] refused with %d\n", status);
        return status;
    }
    fprintf(stderr,
            "[info] decided: application %s, interpreter %s, SCRIPT_NAME "
            "'%.*s', PATH_INFO '%s'\n",
            or_none(decision.settings.application),
            or_none(decision.settings.interpreter), (int)decision.mount.size,
            decision.mount.script_name, decision.mount.path_info);
    if (decision.settings.process != NULL)
        fprintf(stderr, "[info] process %s, user %s, owner %lld\n",
                decision.settings.process, or_none(decision.settings.user),
                decision.settings.owner);
    return wsgi_run(request, &decision);
}

static int handle(const wsgi_request *request)
{
    if (plan->ask_socket >= 0)
        return wsgi_serve(request);
    return plan->decides ? decide_and_run(request) : wsgi_handle(request);
}

static void *serve(void *first)
{
    int i;

    for (i = 0; i < plan->requests; i++) {
        exchange x = {.size = 0};
        wsgi_request request = plan->request;

        request.record = &x;
        request.body_length = plan->body_length;
        finish(&x, handle(&request), first != NULL && i == plan->requests - 1);
        free(x.output);
    }
    return NULL;
}

static void serve_all(void)
{
    pthread_t threads[64] = {0};
    int i;

    for (i = 1; i < plan->threads; i++)
        pthread_create(&threads[i], NULL, serve, NULL);
    serve(threads);
    for (i = 1; i < plan->threads; i++)
        pthread_join(threads[i], NULL);
}

/* Does what the command line says, up to the first request. */
static void start(int argc, char **argv)
{
    wsgi_process process = {.host = &host};

    wsgi_bare_read_options(argc, argv);
    process.multithread = plan->threads > 1;
    process.has_owner = plan->has_owner;
    process.owner = plan->owner;
    wsgi_parent_take(plan->ask_socket);
    wsgi_start(&process);
}

#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Serves one request whose body is the fuzzer's bytes, read in small parts.
   The environment names the application: WSGI_FUZZ_APPLICATION, in
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

    if (plan->variable_count == 0) {
        if (arguments[2] == NULL || arguments[5] == NULL)
            wsgi_bare_give_up("set in the environment",
                              "WSGI_FUZZ_DIRECTORY, WSGI_FUZZ_APPLICATION");
        start(6, arguments);
        fclose(stdout); /* the responses */
    }
    wsgi_bare_plan.body = (char *)(uintptr_t)data;
    wsgi_bare_plan.body_size = size;
    wsgi_bare_plan.body_length = (int64_t)size;
    serve_all();
    return 0;
}

#else

int main(int argc, char **argv)
{
    start(argc, argv);
    serve_all();
    wsgi_stop();
    if (plan->counts)
        fprintf(stderr,
                "[info] read_body was called %lu times, send_body %lu\n",
                reads, sends);
    fflush(stdout);
    _exit(worst_status == 0 ? 0 : 1);
}

#endif
