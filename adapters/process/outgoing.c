/*
 * outgoing.c - the frames of a response.
 *
 * The head waits for the first bytes of the body, and the end for DONE. So a
 * small response is one packet. The bytes of a body are not copied here.
 */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "process.h"

/* With more than this in a packet, a part of a body gets the next one. */
#define MOST_BEFORE_BODY (WSGI_PACKET_MOST - WSGI_BODY_MOST - 1024)

/* Sends the last packet. The request no longer counts before that: the server
   may have the next one for this thread sooner than this thread goes on. It
   counts again while the server does not take the packet. */
static int send_last(wsgi_exchange *x, const wsgi_chunk *parts, size_t count)
{
    int result;

    wsgi_board_end();
    result = wsgi_socket_send(x->socket, parts, count, -1, 0);
    if (result < 0 && errno == EAGAIN) {
        wsgi_board_begin();
        result = wsgi_socket_send(x->socket, parts, count, -1, 1);
        wsgi_board_end();
    }
    x->is_counted = 0;
    return result;
}

/* Sends the frames that are kept, and parts behind them: parts[0] is for what
   is kept. */
static int send_parts(wsgi_exchange *x, wsgi_chunk *parts, size_t count,
                      int fd)
{
    wsgi_buffer *out = &x->room->out;
    int result;

    if (wsgi_exchange_is_over(x))
        return -1;
    parts[0].data = out->data;
    parts[0].size = out->size;
    result = x->is_done ? send_last(x, parts, count)
                        : wsgi_socket_send(x->socket, parts, count, fd, 1);
    x->is_gone = result < 0;
    out->size = 0;
    return x->is_gone ? -1 : 0;
}

int wsgi_outgoing_flush(wsgi_exchange *x)
{
    wsgi_chunk parts[1];

    return x->room->out.size > 0 ? send_parts(x, parts, 1, -1) : 0;
}

/* ---- The head --------------------------------------------------------- */

/* The head is not sent. The server answers with an error page. */
static int give_up_head(wsgi_exchange *x, const char *why)
{
    x->room->out.size = 0;
    x->failure = 500;
    wsgi_log(&x->got.request, WSGI_ERROR,
             "MW0612: the response's status and headers can't be sent: %s",
             why);
    return -1;
}

int wsgi_outgoing_head(void *record, const wsgi_head *head)
{
    wsgi_exchange *x = record;
    int result = wsgi_wire_put_head(&x->room->out, head);

    if (result == -2)
        return give_up_head(x, "they are longer than 128 KB");
    return result < 0 ? give_up_head(x, "memory is out") : 0;
}

/* ---- The body --------------------------------------------------------- */

/* What is left of the chunks of a body. */
typedef struct rest {
    const wsgi_chunk *chunks;
    size_t count;
    size_t at; /* how much of the first one was sent */
} rest;

/* Puts parts of what is left behind parts[*used - 1], as much as one frame may
   have. Keeps a place for one part more. Returns their size. */
static size_t fill(rest *left, wsgi_chunk *parts, size_t *used)
{
    size_t size = 0;

    while (left->count > 0 && size < WSGI_BODY_MOST &&
           *used < WSGI_SOCKET_PARTS - 1) {
        size_t there = left->chunks->size - left->at;
        size_t part = there < WSGI_BODY_MOST - size ? there
                                                    : WSGI_BODY_MOST - size;

        parts[(*used)++] =
            (wsgi_chunk){(const char *)left->chunks->data + left->at, part};
        size += part;
        left->at += part;
        if (left->at == left->chunks->size) {
            left->at = 0;
            left->chunks++;
            left->count--;
        }
    }
    return size;
}

static uint8_t flags_of(enum wsgi_after after)
{
    return after == WSGI_FLUSH ? WSGI_WIRE_FLUSH : WSGI_WIRE_END;
}

typedef struct done {
    wsgi_frame_head head;
    uint32_t load_ms; /* left out if it is 0 */
} done;

static done make_done(const wsgi_exchange *x, unsigned status)
{
    size_t size = x->load_ms == 0 ? sizeof(wsgi_frame_head) : sizeof(done);

    return (done){{.size = (uint32_t)size,
                   .type = WSGI_FRAME_DONE,
                   .flags = x->retry_after,
                   .count = (uint16_t)status},
                  x->load_ms};
}

/* Sends one packet of a body. */
static int send_some(wsgi_exchange *x, rest *left, enum wsgi_after after)
{
    done last = make_done(x, 0);
    wsgi_frame_head head = {.type = WSGI_FRAME_BODY};
    wsgi_chunk parts[WSGI_SOCKET_PARTS];
    size_t used = 2;

    parts[1] = (wsgi_chunk){&head, sizeof head};
    head.size = (uint32_t)(sizeof head + fill(left, parts, &used));
    if (left->count == 0) {
        head.flags = flags_of(after);
        if (after == WSGI_LAST)
            parts[used++] = (wsgi_chunk){&last, last.head.size};
        x->is_done = after == WSGI_LAST;
    }
    return send_parts(x, parts, used, -1);
}

int wsgi_outgoing_body(void *record, const wsgi_chunk *chunks, size_t count,
                       enum wsgi_after after)
{
    wsgi_exchange *x = record;
    rest left = {chunks, count, 0};
    int result = 0;

    if (x->room->out.size > MOST_BEFORE_BODY)
        result = wsgi_outgoing_flush(x);
    do
        if (result == 0)
            result = send_some(x, &left, after);
    while (result == 0 && left.count > 0);
    return result;
}

int wsgi_outgoing_is_ready(void *record)
{
    const wsgi_exchange *x = record;
    struct pollfd socket = {.fd = x->socket, .events = POLLOUT};

    if (wsgi_exchange_is_over(x))
        return -1;
    if (poll(&socket, 1, 0) <= 0)
        return 0;
    return socket.revents & (POLLERR | POLLHUP) ? -1 : 1;
}

/* Sends the bytes of a file that the server does not take. */
static int send_copy(wsgi_exchange *x, int fd, int64_t offset, int64_t size,
                     enum wsgi_after after)
{
    char bytes[WSGI_BODY_MOST];
    wsgi_chunk part = {bytes, 0};
    int result = 0;

    do {
        ssize_t got = pread(
            fd, bytes, size < WSGI_BODY_MOST ? (size_t)size : sizeof bytes,
            (off_t)offset);

        if (got < 0 || (got == 0 && size > 0)) {
            wsgi_outgoing_fail(x);
            return -1;
        }
        offset += got;
        size -= got;
        part.size = (size_t)got;
        result =
            wsgi_outgoing_body(x, &part, 1, size > 0 ? WSGI_FLUSH : after);
    } while (result == 0 && size > 0);
    return result;
}

int wsgi_outgoing_file(void *record, int fd, int64_t offset, int64_t size,
                       enum wsgi_after after)
{
    wsgi_exchange *x = record;
    wsgi_wire_file file = {.offset = offset, .size = size};
    wsgi_chunk parts[1];

    if (wsgi_socket_may_hang(fd))
        return send_copy(x, fd, offset, size, after);
    if (x->room->out.size > MOST_BEFORE_BODY && wsgi_outgoing_flush(x) < 0)
        return -1;
    if (wsgi_wire_add(&x->room->out, WSGI_FRAME_FILE, flags_of(after), 0,
                      &file, sizeof file) < 0)
        return -1;
    return send_parts(x, parts, 1, fd);
}

/* Sends a frame that is made already. Needs no memory, which may be out. */
static int send_frame(wsgi_exchange *x, const wsgi_frame_head *frame)
{
    wsgi_chunk parts[2] = {{NULL, 0}, {frame, frame->size}};

    return send_parts(x, parts, 2, -1);
}

void wsgi_outgoing_fail(void *record)
{
    const wsgi_frame_head frame = {.size = sizeof frame,
                                   .type = WSGI_FRAME_FAIL};

    send_frame(record, &frame);
}

int wsgi_outgoing_done(wsgi_exchange *x, int status)
{
    done last =
        make_done(x, (unsigned)(x->failure != 0 ? x->failure : status));

    if (wsgi_exchange_is_over(x))
        return -1;
    if (x->is_done)
        return 0;
    x->is_done = 1;
    return send_frame(x, &last.head);
}
