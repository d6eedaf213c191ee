/*
 * exchange.c - one request, from its packet to DONE. The host of the core.
 */
#include <errno.h>
#include <poll.h>
#include <sys/uio.h>
#include <unistd.h>

#include "process.h"

#define LOG_MS 100 /* the longest wait for the server to take a line */

/* Each packet wakes a thread of the server, which sends it to the client. So
   the pieces of a stream are sent five thousand times a second at most. */
#define GATHER_NS 200000

static int is_copy;

void wsgi_exchange_set_copy(void)
{
    is_copy = 1;
}

int wsgi_exchange_is_over(const wsgi_exchange *x)
{
    return x->is_gone || is_copy;
}

/* ---- Lines for the log ------------------------------------------------ */

/* The spawner reads it, and writes it to the log. */
static void write_line(enum wsgi_level level, const char *line)
{
    static const char *const marks[] = {"", "<4>", "<3>", "<2>", "<7>"};
    struct iovec parts[] = {
        {(void *)(uintptr_t)marks[level], strlen(marks[level])},
        {(void *)(uintptr_t)line, strlen(line)},
        {(char[]){"\n"}, 1},
    };

    while (writev(STDERR_FILENO, parts, 3) < 0 && errno == EINTR)
        ;
}

/* Sends a line. If the socket is full, the server may be about to read it, or
   may be waiting for its client. So this waits a moment, once in a request.
   Returns 0, or -1 if the line was not sent. */
static int send_line(wsgi_exchange *x, enum wsgi_level level, const char *line)
{
    wsgi_frame_head head = {.type = WSGI_FRAME_LOG, .flags = (uint8_t)level};
    wsgi_chunk parts[] = {{&head, sizeof head}, {line, strlen(line)}};
    struct pollfd socket = {.fd = x->socket, .events = POLLOUT};

    head.size = (uint32_t)(parts[0].size + parts[1].size);
    while (wsgi_socket_send(x->socket, parts, 2, -1, 0) < 0) {
        if (errno != EAGAIN ||
            wsgi_atomic_load(&x->is_slow, WSGI_RELAXED) != 0)
            return -1;
        if (poll(&socket, 1, LOG_MS) <= 0)
            wsgi_atomic_store(&x->is_slow, 1, WSGI_RELAXED);
    }
    return 0;
}

/* When the server has given up the response, it has logged that itself, and
   knows which levels are wanted. */
static void write_log(void *record, enum wsgi_level level, const char *line)
{
    wsgi_exchange *x = record;

    if (x != NULL && x->is_gone && (level == WSGI_INFO || level == WSGI_DEBUG))
        return;
    if (x == NULL || x->is_done || wsgi_exchange_is_over(x) ||
        send_line(x, level, line) < 0)
        write_line(level, line);
}

/* ---- The request ------------------------------------------------------ */

static void each_env(void *record, wsgi_put *put, void *arg)
{
    const wsgi_exchange *x = record;

    wsgi_wire_each_variable(&x->got, put, arg);
}

static void each_configured(void *record, wsgi_put *put, void *arg)
{
    const wsgi_exchange *x = record;

    wsgi_wire_each_configured(&x->got, put, arg);
}

/* The server shows it on its status page. */
static void note_load(void *record, uint64_t microseconds)
{
    wsgi_exchange *x = record;
    uint64_t milliseconds = microseconds / 1000 + 1;

    x->load_ms = milliseconds < UINT32_MAX ? (uint32_t)milliseconds
                                           : UINT32_MAX;
}

/* The server says so to the client. The frame has a byte for it. */
static void retry_after(void *record, unsigned seconds)
{
    wsgi_exchange *x = record;

    x->retry_after = seconds < UINT8_MAX ? (uint8_t)seconds : UINT8_MAX;
}

static int64_t give_up_reading(wsgi_exchange *x, const char *why)
{
    if (why != NULL)
        wsgi_log(&x->got.request, WSGI_ERROR,
                 "MW0610: the server's answer about the request's body is "
                 "wrong: %s",
                 why);
    x->is_gone = 1;
    return WSGI_READ_GONE;
}

/* Takes over the bytes that have come, or what has come instead of them. */
static int64_t take_data(wsgi_exchange *x, const wsgi_frame *frame,
                         char *buffer, size_t size)
{
    if (frame->type != WSGI_FRAME_DATA || frame->size > size)
        return give_up_reading(x, "it is not what was asked for");
    if (frame->flags > -WSGI_READ_BAD || (frame->flags > 0 && frame->size > 0))
        return give_up_reading(x, "it has an unknown error");
    if (frame->flags == 0 && frame->size > 0) {
        memcpy(buffer, frame->data, frame->size);
        return (int64_t)frame->size;
    }
    x->read_result = -(int)frame->flags;
    return x->read_result;
}

/* Asks the server for bytes of the body. */
static int64_t ask(wsgi_exchange *x, char *buffer, size_t size)
{
    wsgi_room *room = x->room;
    uint32_t most = size < WSGI_BODY_MOST ? (uint32_t)size : WSGI_BODY_MOST;
    wsgi_frame frame;
    long got;
    int fd;

    if (wsgi_wire_add(&room->out, WSGI_FRAME_READ, 0, 0, &most, sizeof most) <
        0)
        return give_up_reading(x, "memory is out");
    if (wsgi_outgoing_flush(x) < 0)
        return give_up_reading(x, NULL);
    got = wsgi_socket_receive(x->socket, room->data, &fd, 1, NULL);
    if (fd >= 0)
        close(fd);
    if (got <= 0)
        return give_up_reading(x, NULL);
    if (wsgi_wire_only(room->data, (size_t)got, &frame) < 0)
        return give_up_reading(x, "it is no frame");
    return take_data(x, &frame, buffer, most);
}

static int64_t read_body(void *record, char *buffer, size_t size)
{
    wsgi_exchange *x = record;
    const wsgi_wire_request *got = &x->got;
    size_t eager = got->eager_size - x->eager_read;

    if (eager > 0) {
        if (size > eager)
            size = eager;
        memcpy(buffer, got->eager + x->eager_read, size);
        x->eager_read += size;
        return (int64_t)size;
    }
    if (wsgi_exchange_is_over(x))
        return WSGI_READ_GONE;
    if (x->read_result <= 0)
        return x->read_result;
    if (got->request.body_length == (int64_t)got->eager_size)
        return 0;
    return ask(x, buffer, size);
}

const wsgi_host wsgi_exchange_host = {
    .each_env = each_env,
    .each_configured = each_configured,
    .read_body = read_body,
    .send_head = wsgi_outgoing_head,
    .send_body = wsgi_outgoing_body,
    .is_ready = wsgi_outgoing_is_ready,
    .gather_ns = GATHER_NS,
    .send_file = wsgi_outgoing_file,
    .fail = wsgi_outgoing_fail,
    .retry_after = retry_after,
    .note_load = note_load,
    .is_stopping = wsgi_crew_is_draining,
    .log = write_log,
};

/* ---- From the packet to DONE ------------------------------------------ */

/* Before anything is read. Without memory another process can have the
   request. Returns 0, or -1. */
static int furnish(wsgi_room *room)
{
    if (room->packet == NULL)
        room->packet = malloc(WSGI_PACKET_MOST);
    if (room->data == NULL)
        room->data = malloc(WSGI_PACKET_MOST);
    return room->packet != NULL && room->data != NULL ? 0 : -1;
}

/* Reads the packet into got. Returns 0, or -1 if the connection is of no use:
   its other end is closed, or does not speak as it should. */
static int receive(wsgi_room *room, int socket, wsgi_wire_request *got)
{
    wsgi_frame frame;
    long size;
    int fd;

    if (furnish(room) < 0)
        return -1;
    size = wsgi_socket_receive(socket, room->packet, &fd, 1, NULL);
    if (fd >= 0)
        close(fd);
    if (size == 0 || (size < 0 && fd < 0 && errno == ECONNRESET))
        return -1;
    if (size > 0 && fd < 0 &&
        wsgi_wire_only(room->packet, (size_t)size, &frame) == 0 &&
        wsgi_wire_get_request(&frame, got) == 0)
        return 0;
    wsgi_log(
        NULL, WSGI_ERROR,
        "MW0611: the server has sent something that is no request: the "
        "connection is closed. Restart the server if the module was replaced");
    return -1;
}

int wsgi_exchange_serve(wsgi_room *room, int socket)
{
    wsgi_exchange x = {.socket = socket, .room = room, .read_result = 1};
    int status;

    if (receive(room, socket, &x.got) < 0)
        return -1;
    wsgi_board_begin();
    x.is_counted = 1;
    x.got.request.record = &x;
    status = wsgi_handle(&x.got.request);
    status = wsgi_outgoing_done(&x, status);
    if (x.is_counted)
        wsgi_board_end();
    wsgi_buffer_trim(&room->out);
    return status;
}
