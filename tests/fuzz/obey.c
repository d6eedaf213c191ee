/*
 * obey.c - the fuzzer's bytes are what a process sends for one request.
 *
 * Two bytes before each packet are its size, with the kind of a descriptor
 * that comes along in their upper bits. A size beyond the end is cut. The
 * first byte of all says what the client has asked for. This file is the host,
 * and sees that the response keeps to the rules of HTTP, whatever comes.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "fuzz.h"
#include "trip.h"

#define FILE_SIZE 5000
#define BODY_SIZE 300

enum { NO_FD, A_FILE, A_FOLDER, A_PIPE, FD_KINDS };

/* What has been sent to the client. */
static struct {
    int has_head, has_ended, is_broken;
    int status;
    int64_t promised, sent, read;
    unsigned files;
} client;

static wsgi_closing closing;
static int fds[FD_KINDS] = {-1, -1, -1, -1}, sockets[2];

/* Takes the place of wsgi_process_add_thread. */
int __wrap_wsgi_process_add_thread(void *(*function)(void *arg), void *arg,
                                   size_t stack_size);

int __wrap_wsgi_process_add_thread(void *(*function)(void *arg), void *arg,
                                   size_t stack_size)
{
    (void)stack_size;
    function(arg);
    return 0;
}

/* Takes the place of wsgi_group_closing. */
wsgi_closing *__wrap_wsgi_group_closing(const wsgi_connection *connection);

wsgi_closing *__wrap_wsgi_group_closing(const wsgi_connection *connection)
{
    (void)connection;
    return &closing;
}

/* ---- The host --------------------------------------------------------- */

static void each_env(void *record, wsgi_put *put, void *arg)
{
    put(arg, *(const int *)record & 2 ? "HTTP_RANGE" : "HTTP_ACCEPT", "x");
}

static int64_t read_body(void *record, char *buffer, size_t size)
{
    int64_t left = BODY_SIZE - client.read;

    if (*(const int *)record & 4)
        return WSGI_READ_GONE;
    if ((int64_t)size > left)
        size = (size_t)left;
    memset(buffer, 'b', size);
    client.read += (int64_t)size;
    return (int64_t)size;
}

static int send_head(void *record, const wsgi_head *head)
{
    (void)record;
    HOLDS(!client.has_head && !client.has_ended && !client.is_broken);
    HOLDS(head->status >= 200 && head->content_length >= -1);
    client.has_head = 1;
    client.status = head->status;
    client.promised = head->content_length;
    return 0;
}

/* What holds for bytes of a chunk and of a file. */
static void note(const int *asked, int64_t size, enum wsgi_after after)
{
    int bodiless = (*asked & 1) || client.status == 204 ||
                   client.status == 304;

    HOLDS(client.has_head && !client.has_ended && !client.is_broken);
    client.sent += size;
    HOLDS(!bodiless || client.sent == 0);
    HOLDS(bodiless || client.promised < 0 || client.sent <= client.promised);
    client.has_ended = after != WSGI_FLUSH;
    HOLDS(!client.has_ended || bodiless || client.promised < 0 ||
          client.sent == client.promised);
}

static int send_body(void *record, const wsgi_chunk *chunks, size_t count,
                     enum wsgi_after after)
{
    static const int never = 0xfe;
    int64_t size = 0;
    size_t i;

    for (i = 0; i < count; i++) {
        HOLDS(chunks[i].size > 0);
        HOLDS(memchr(chunks[i].data, never, chunks[i].size) == NULL ||
              client.has_head); /* reads all of them */
        size += (int64_t)chunks[i].size;
    }
    note(record, size, after);
    return 0;
}

static int send_file(void *record, int fd, int64_t offset, int64_t size,
                     enum wsgi_after after)
{
    char byte;

    HOLDS(offset >= 0 && size > 0 && size <= FILE_SIZE - offset);
    HOLDS(pread(fd, &byte, 1, offset) == 1);
    HOLDS(client.files++ == 0);
    note(record, size, after);
    return 0;
}

static void fail(void *record)
{
    (void)record;
    HOLDS(client.has_head && !client.has_ended && !client.is_broken);
    client.is_broken = 1;
}

static void log_line(void *record, enum wsgi_level level, const char *line)
{
    (void)record;
    HOLDS(level < WSGI_LEVELS && strlen(line) < 8192);
}

static const wsgi_host host = {.each_env = each_env,
                               .read_body = read_body,
                               .send_head = send_head,
                               .send_body = send_body,
                               .send_file = send_file,
                               .fail = fail,
                               .log = log_line};

/* ---- A trip ----------------------------------------------------------- */

static void check_end(const wsgi_trip *trip, enum wsgi_next next)
{
    HOLDS(next != WSGI_NEXT_BROKEN || trip->broken != NULL);
    if (next != WSGI_NEXT_DONE)
        return;
    if (trip->status == 0)
        HOLDS(client.has_ended || client.is_broken);
    else
        HOLDS(trip->status >= 400 && trip->status < 600 && !client.has_head);
}

/* Reads what was sent to the process. */
static void drain(void)
{
    static char packet[WSGI_PACKET_MOST];

    while (recv(sockets[1], packet, sizeof packet, MSG_DONTWAIT) > 0)
        ;
}

/* Takes the next packet off the fuzzer's bytes. */
static enum wsgi_next obey_next(wsgi_trip *trip, const uint8_t **data,
                                size_t *size)
{
    size_t here = ((*data)[0] | (size_t)(*data)[1] << 8) & 0x3fff;
    int kind = (*data)[1] >> 6, fd = fds[kind] >= 0 ? dup(fds[kind]) : -1;
    enum wsgi_next next;

    *data += 2;
    *size -= 2;
    here = here < *size ? here : *size;
    memcpy(trip->scratch->received, *data, here);
    *data += here;
    *size -= here;
    next = wsgi_obey_packet(trip, here, fd);
    drain();
    return next;
}

static void travel(wsgi_trip *trip, const uint8_t *data, size_t size)
{
    enum wsgi_next next = WSGI_NEXT_PACKET;
    int before = fuzz_lowest_free();

    while (next == WSGI_NEXT_PACKET && size > 2) {
        next = obey_next(trip, &data, &size);
        HOLDS(fuzz_lowest_free() == before && closing.count == 0);
    }
    check_end(trip, next);
    wsgi_reply_pause(trip);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    int ends[2];

    (void)argc;
    (void)argv;
    wsgi_process_given = (wsgi_process){.host = &host};
    HOLDS(wsgi_socket_pair(sockets) == 0 && pipe(ends) == 0);
    fds[A_FILE] = memfd_create("file", MFD_CLOEXEC);
    HOLDS(ftruncate(fds[A_FILE], FILE_SIZE) == 0);
    fds[A_FOLDER] = open("/", O_RDONLY);
    fds[A_PIPE] = ends[0];
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static wsgi_scratch scratch;
    int asked;
    wsgi_request request = {.uri = "/", .record = &asked, .body_length = -1};
    wsgi_connection connection = {.socket = sockets[0], .pid = 71};
    wsgi_trip trip = {.request = &request,
                      .host = &host,
                      .connection = &connection,
                      .scratch = &scratch,
                      .wants_range = -1};

    if (size < 1)
        return 0;
    asked = data[0];
    request.head_only = asked & 1;
    memset(&client, 0, sizeof client);
    travel(&trip, data + 1, size - 1);
    wsgi_buffer_trim(&scratch.packet);
    wsgi_buffer_trim(&scratch.headers);
    wsgi_buffer_trim(&scratch.whole);
    return 0;
}
