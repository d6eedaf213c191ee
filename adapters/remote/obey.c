/*
 * obey.c - does what the frames of an application's process say.
 *
 * The process may be hostile. Each frame is checked before it is obeyed, and
 * frames come in an order (wire.h). What a process can break is its response.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trip.h"

#define MOST_PARTS 16

/* Of a body from which the server cuts a range. */
#define WHOLE_MOST ((size_t)16 * 1024 * 1024)

/* Pieces of a stream are put together up to this size. A larger one is not
   copied for that. */
#define PIECE_MOST 4096
#define PIECES_MOST 16384

/* A packet that is being obeyed. */
typedef struct letter {
    wsgi_trip *trip;
    wsgi_packet rest;
    int fd;                           /* -1: none came, or it has been used */
    wsgi_chunk parts[MOST_PARTS + 1]; /* of the body, not sent yet; the first
                                         is for scratch->whole */
    size_t count;
} letter;

static enum wsgi_next broken(wsgi_trip *trip, const char *how)
{
    trip->broken = how;
    return WSGI_NEXT_BROKEN;
}

void wsgi_obey_complain(const wsgi_trip *trip, const char *code,
                        const char *format, ...)
{
    const wsgi_ask *ask = &trip->ask;
    char what[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    wsgi_log(trip->request, WSGI_ERROR, "%s: process %u of %s%s%s %s", code,
             trip->connection->pid, ask->user, ask->user[0] ? "/" : "",
             ask->name, what);
}

/* ---- The response's head and body ------------------------------------- */

static enum wsgi_next obey_head(letter *l, const wsgi_frame *frame)
{
    wsgi_trip *trip = l->trip;
    const char *why;
    wsgi_head head;

    if (trip->stage != WSGI_TRIP_READ)
        return broken(trip, "a second head");
    if (wsgi_wire_get_head(frame, &trip->scratch->headers, &head, &why) < 0)
        return broken(trip, why);
    /* Old servers send a body nevertheless, and the client would take it for
       the next response. */
    trip->is_bodiless = wsgi_check_is_bodiless(trip->request, head.status);
    trip->left = trip->is_bodiless ? -1 : head.content_length;
    trip->stage = WSGI_TRIP_BEGUN;
    return trip->host->send_head(trip->request->record, &head) < 0
               ? WSGI_NEXT_GONE
               : WSGI_NEXT_PACKET;
}

/* Takes so many bytes off what Content-Length has left. Returns how many may
   be sent. */
static int64_t count_down(wsgi_trip *trip, int64_t size)
{
    if (trip->is_bodiless)
        return 0;
    if (trip->left < 0)
        return size;
    if (size > trip->left)
        size = trip->left;
    trip->left -= size;
    return size;
}

/* The end has come before all that Content-Length has promised. */
static enum wsgi_next fail_short(wsgi_trip *trip)
{
    wsgi_obey_complain(trip, "MW0605",
                       "sent %lld bytes less than Content-Length says",
                       (long long)trip->left);
    trip->stage = WSGI_TRIP_FAILED;
    trip->host->fail(trip->request->record);
    return WSGI_NEXT_PACKET;
}

/* Sends the parts of the body that have been gathered, behind what was kept of
   earlier packets. */
static enum wsgi_next send_parts(letter *l, int is_end)
{
    wsgi_trip *trip = l->trip;
    wsgi_buffer *whole = &trip->scratch->whole;
    int is_short = is_end && trip->left > 0, result;
    int skips = whole->size == 0;

    trip->is_stream |= !is_end;
    l->parts[0].data = whole->data;
    l->parts[0].size = whole->size;
    result = trip->host->send_body(
        trip->request->record, l->parts + skips, l->count + 1 - (size_t)skips,
        is_end && !is_short ? WSGI_END : WSGI_FLUSH);
    l->count = whole->size = 0;
    trip->is_held = 0;
    if (result < 0)
        return WSGI_NEXT_GONE;
    if (is_short)
        return fail_short(trip);
    if (is_end)
        trip->stage = WSGI_TRIP_ENDED;
    return WSGI_NEXT_PACKET;
}

/* Sends what has been gathered, if it is anything. */
static enum wsgi_next send_gathered(letter *l)
{
    return l->count > 0 || l->trip->scratch->whole.size > 0 ? send_parts(l, 0)
                                                            : WSGI_NEXT_PACKET;
}

/* Receives the request's variables. */
static void find_range(void *wants_range, const char *name, const char *value)
{
    (void)value;
    if (strcmp(name, "HTTP_RANGE") == 0 ||
        strcmp(name, "HTTP_REQUEST_RANGE") == 0) /* 2.0 */
        *(int *)wants_range = 1;
}

static int wants_range(wsgi_trip *trip)
{
    if (trip->wants_range < 0) {
        trip->wants_range = 0;
        trip->host->each_env(trip->request->record, find_range,
                             &trip->wants_range);
    }
    return trip->wants_range;
}

/* Copies the parts of a body, since the packet will be overwritten. */
static enum wsgi_next copy_parts(letter *l)
{
    wsgi_buffer *whole = &l->trip->scratch->whole;
    size_t i;

    for (i = 1; i <= l->count; i++)
        if (wsgi_buffer_add(whole, l->parts[i].data, l->parts[i].size) < 0)
            return WSGI_NEXT_GONE;
    l->count = 0;
    return WSGI_NEXT_PACKET;
}

/* A packet has ended in the middle of what the application has given at once.
   A server cuts ranges only out of a body that it gets in one piece, so it is
   kept for that. */
static enum wsgi_next keep_parts(letter *l)
{
    wsgi_buffer *whole = &l->trip->scratch->whole;

    if (l->count == 0)
        return WSGI_NEXT_PACKET;
    if (l->trip->is_stream || whole->size > WHOLE_MOST ||
        !wants_range(l->trip))
        return send_parts(l, 0);
    return copy_parts(l);
}

/* The application has given a piece of a stream. The first is sent at once: no
   server is to take the stream for a body in one piece. A later one, if it is
   small, may wait until wsgi_obey_pause for others that have come already. */
static enum wsgi_next send_piece(letter *l)
{
    wsgi_trip *trip = l->trip;

    if (!trip->is_stream || l->count != 1 || l->parts[1].size > PIECE_MOST ||
        trip->scratch->whole.size + l->parts[1].size > PIECES_MOST)
        return send_parts(l, 0);
    trip->is_held = 1;
    return copy_parts(l);
}

enum wsgi_next wsgi_obey_pause(wsgi_trip *trip)
{
    letter l = {.trip = trip, .fd = -1};

    if (!trip->is_held)
        return WSGI_NEXT_PACKET;
    trip->waits_since = 0;
    return send_parts(&l, 0);
}

/* Parts that follow each other in a packet are sent together. */
static enum wsgi_next obey_body(letter *l, const wsgi_frame *frame)
{
    wsgi_trip *trip = l->trip;
    int64_t size;

    if (trip->stage != WSGI_TRIP_BEGUN)
        return broken(trip, "a part of the body at the wrong time");
    size = count_down(trip, (int64_t)frame->size);
    if (size > 0) {
        wsgi_chunk part = {frame->data, (size_t)size};

        l->parts[++l->count] = part;
    }
    if (frame->flags == 0)
        return l->count < MOST_PARTS ? WSGI_NEXT_PACKET : keep_parts(l);
    return frame->flags & WSGI_WIRE_END ? send_parts(l, 1) : send_piece(l);
}

/* ---- Files ------------------------------------------------------------ */

static int is_readable(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && (flags & O_PATH) == 0 &&
           (flags & O_ACCMODE) != O_WRONLY;
}

/* Why a file can't be sent, or NULL. */
static const char *find_fault(int fd, const wsgi_wire_file *file)
{
    struct stat info;

    if (fd < 0)
        return "a file without its descriptor";
    if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode))
        return "a descriptor that is no file";
    if (!is_readable(fd))
        return "a file that can't be read";
    if (wsgi_socket_may_hang(fd))
        return "a file of a program's file system";
    if (file->offset < 0 || file->size < 0 || file->offset > info.st_size ||
        file->size > info.st_size - file->offset)
        return "a file that is shorter than it says";
    return NULL;
}

/* Sends a file that was checked. */
static enum wsgi_next send_file(letter *l, const wsgi_wire_file *file,
                                int is_end)
{
    wsgi_trip *trip = l->trip;
    int64_t size = count_down(trip, file->size);
    int is_short = is_end && trip->left > 0;

    if (size == 0)
        return is_end ? send_parts(l, 1) : send_gathered(l);
    if (trip->host->send_file(trip->request->record, l->fd, file->offset, size,
                              is_end && !is_short ? WSGI_END : WSGI_FLUSH) < 0)
        return WSGI_NEXT_GONE;
    if (is_short)
        return fail_short(trip);
    if (is_end)
        trip->stage = WSGI_TRIP_ENDED;
    return WSGI_NEXT_PACKET;
}

static enum wsgi_next obey_file(letter *l, const wsgi_frame *frame)
{
    wsgi_trip *trip = l->trip;
    enum wsgi_next next;
    wsgi_wire_file file;
    const char *fault;

    if (trip->stage != WSGI_TRIP_BEGUN)
        return broken(trip, "a file at the wrong time");
    if (frame->size != sizeof file)
        return broken(trip, "a file of the wrong size");
    if (trip->has_file) /* the server keeps each open until the end */
        return broken(trip, "a second file");
    memcpy(&file, frame->data, sizeof file);
    fault = find_fault(l->fd, &file);
    if (fault != NULL)
        return broken(trip, fault);
    trip->has_file = 1;
    next = send_gathered(l);
    if (next == WSGI_NEXT_PACKET)
        next = send_file(l, &file, (frame->flags & WSGI_WIRE_END) != 0);
    close(l->fd);
    l->fd = -1;
    return next;
}

/* ---- The request's body ----------------------------------------------- */

/* Reads a part of the body into the packet, at most so many bytes. What was
   read before comes first. Returns what read_body returns. */
static int64_t read_part(wsgi_trip *trip, size_t most, const char **data)
{
    wsgi_scratch *scratch = trip->scratch;
    size_t kept = scratch->body.size - trip->body_given;

    if (kept > 0) {
        *data = scratch->body.data + trip->body_given;
        kept = kept < most ? kept : most;
        trip->body_given += kept;
        return (int64_t)kept;
    }
    if (trip->read_error != 0)
        return trip->read_error;
    if (wsgi_buffer_reserve(&scratch->packet, most) < 0)
        return WSGI_READ_GONE;
    *data = scratch->packet.data;
    return trip->host->read_body(trip->request->record, scratch->packet.data,
                                 most);
}

/* Never waits: there is room unless the process has not read what it had asked
   for before. If it has ended, that is found when its next frame is waited
   for. */
static enum wsgi_next give_part(wsgi_trip *trip, size_t most)
{
    wsgi_frame_head head = {.size = sizeof head, .type = WSGI_FRAME_DATA};
    wsgi_chunk parts[2] = {{&head, sizeof head}, {NULL, 0}};
    const char *data = NULL;
    int64_t got = read_part(trip, most, &data);

    if (got < 0) {
        trip->read_error = (int)got;
        head.flags = (uint8_t)-got;
    } else {
        head.size += (uint32_t)got;
        parts[1].data = data;
        parts[1].size = (size_t)got;
    }
    if (wsgi_socket_send(trip->connection->socket, parts, 2, -1, 0) < 0 &&
        errno == EAGAIN)
        return broken(trip, "it does not read what it has asked for");
    return WSGI_NEXT_PACKET;
}

static enum wsgi_next obey_read(letter *l, const wsgi_frame *frame)
{
    wsgi_trip *trip = l->trip;
    enum wsgi_next next;
    uint32_t most;

    if (trip->stage == WSGI_TRIP_FAILED)
        return broken(trip, "it reads behind the end");
    if (frame->size != sizeof most)
        return broken(trip, "it reads without a size");
    memcpy(&most, frame->data, sizeof most);
    if (most == 0)
        return broken(trip, "it reads nothing");
    next = send_gathered(l);
    if (next == WSGI_NEXT_PACKET)
        next = give_part(trip, most < WSGI_BODY_MOST ? most : WSGI_BODY_MOST);
    return next;
}

/* ---- The rest --------------------------------------------------------- */

static enum wsgi_next obey_log(letter *l, const wsgi_frame *frame)
{
    if (frame->flags >= WSGI_LEVELS)
        return broken(l->trip, "a line of an unknown level");
    wsgi_log_line(l->trip->request, (enum wsgi_level)frame->flags, frame->data,
                  frame->size);
    return WSGI_NEXT_PACKET;
}

static enum wsgi_next obey_fail(letter *l)
{
    wsgi_trip *trip = l->trip;
    enum wsgi_next next;

    if (trip->stage != WSGI_TRIP_BEGUN && trip->stage != WSGI_TRIP_ENDED)
        return broken(trip, "it fails at the wrong time");
    next = send_gathered(l);
    if (next == WSGI_NEXT_PACKET && trip->stage == WSGI_TRIP_BEGUN)
        trip->host->fail(trip->request->record);
    trip->stage = WSGI_TRIP_FAILED;
    return next;
}

/* A process that lies about this spoils a figure of its own application. */
static void note_load(const wsgi_trip *trip, const wsgi_frame *frame)
{
    uint32_t milliseconds;

    if (frame->size != sizeof milliseconds)
        return;
    memcpy(&milliseconds, frame->data, sizeof milliseconds);
    wsgi_tally_note_load(trip->request, milliseconds * UINT64_C(1000));
}

static enum wsgi_next obey_done(letter *l, const wsgi_frame *frame)
{
    wsgi_trip *trip = l->trip;
    int has_answered = trip->stage == WSGI_TRIP_ENDED ||
                       trip->stage == WSGI_TRIP_FAILED;

    if (l->rest.at != l->rest.end)
        return broken(trip, "something behind the end");
    if (frame->count == 0 ? !has_answered
                          : trip->stage != WSGI_TRIP_READ ||
                                frame->count < 400 || frame->count > 599)
        return broken(trip, "it is done at the wrong time");
    note_load(trip, frame);
    trip->status = (int)frame->count;
    if (trip->status == 503 && frame->flags > 0)
        wsgi_retry_later(trip->request, frame->flags);
    return WSGI_NEXT_DONE;
}

static enum wsgi_next obey(letter *l, const wsgi_frame *frame)
{
    if (frame->type != WSGI_FRAME_LOG)
        l->trip->waits_since = 0;
    switch (frame->type) {
    case WSGI_FRAME_HEAD:
        return obey_head(l, frame);
    case WSGI_FRAME_BODY:
        return obey_body(l, frame);
    case WSGI_FRAME_FILE:
        return obey_file(l, frame);
    case WSGI_FRAME_READ:
        return obey_read(l, frame);
    case WSGI_FRAME_LOG:
        return obey_log(l, frame);
    case WSGI_FRAME_FAIL:
        return obey_fail(l);
    case WSGI_FRAME_DONE:
        return obey_done(l, frame);
    default:
        return broken(l->trip, "a frame that no application sends");
    }
}

/* ---- Packets ---------------------------------------------------------- */

static enum wsgi_next take_refusal(wsgi_trip *trip, const wsgi_frame *frame)
{
    wsgi_wire_refused refused;

    if (frame->size < sizeof refused)
        return broken(trip, "the spawner refuses without a reason");
    memcpy(&refused, frame->data, sizeof refused);
    trip->status =
        refused.status >= 400 && refused.status <= 599 ? refused.status : 503;
    if (refused.retry_after > 0)
        wsgi_retry_later(trip->request, refused.retry_after);
    wsgi_log(trip->request, WSGI_ERROR, "MW0603: mod_wsgi.process '%s': %.*s",
             trip->ask.name, (int)(frame->size - sizeof refused),
             frame->data + sizeof refused);
    return WSGI_NEXT_REFUSED;
}

/* The first packet on a fresh connection is the spawner's. The process gets
   its end after that. */
static enum wsgi_next obey_spawner(letter *l, size_t size)
{
    wsgi_trip *trip = l->trip;
    wsgi_wire_given given;
    wsgi_frame frame;

    if (wsgi_wire_only(trip->scratch->received, size, &frame) < 0)
        return broken(trip, "the spawner's packet is none");
    if (frame.type == WSGI_FRAME_REFUSED)
        return take_refusal(trip, &frame);
    if (frame.type != WSGI_FRAME_GIVEN || frame.size != sizeof given)
        return broken(trip, "the spawner has not said which process it is");
    memcpy(&given, frame.data, sizeof given);
    wsgi_group_note(trip->connection, &given, l->fd);
    wsgi_tally_note_process(given.pid);
    trip->waits_since = 0;
    l->fd = -1;
    return WSGI_NEXT_PACKET;
}

static enum wsgi_next obey_process(letter *l)
{
    wsgi_trip *trip = l->trip;
    enum wsgi_next next = WSGI_NEXT_PACKET;
    wsgi_frame frame;
    int more;

    if (trip->stage == WSGI_TRIP_SENT)
        trip->stage = WSGI_TRIP_READ;
    while (next == WSGI_NEXT_PACKET &&
           (more = wsgi_wire_next(&l->rest, &frame)) != 0)
        next = more > 0 ? obey(l, &frame) : broken(trip, "no frame");
    if (next == WSGI_NEXT_PACKET)
        next = keep_parts(l);
    if (next == WSGI_NEXT_PACKET && l->fd >= 0)
        return broken(trip, "a descriptor that was not wanted");
    return next;
}

enum wsgi_next wsgi_obey_packet(wsgi_trip *trip, size_t size, int fd)
{
    const char *packet = trip->scratch->received;
    letter l = {.trip = trip, .rest = {packet, packet + size}, .fd = fd};
    enum wsgi_next next = trip->connection->is_fresh ? obey_spawner(&l, size)
                                                     : obey_process(&l);

    if (l.fd >= 0)
        wsgi_socket_drop(&l.fd, 1);
    return next;
}
