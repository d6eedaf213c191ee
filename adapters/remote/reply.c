/*
 * reply.c - the response of an application's process: its head, its body,
 * files.
 *
 * The head is checked, and no more is sent than Content-Length says.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "letter.h"

/* Of a body from which the server cuts a range. */
#define WHOLE_MOST ((size_t)16 * 1024 * 1024)

/* Pieces of a stream are put together up to this size. A larger one is not
   copied for that. */
#define PIECE_MOST 4096
#define PIECES_MOST 16384

/* ---- Head and body ---------------------------------------------------- */

enum wsgi_next wsgi_reply_head(wsgi_letter *l, const wsgi_frame *frame)
{
    wsgi_trip *trip = l->trip;
    const char *why;
    wsgi_head head;

    if (trip->stage != WSGI_TRIP_READ)
        return wsgi_letter_break(trip, "a second head");
    if (wsgi_wire_get_head(frame, &trip->scratch->headers, &head, &why) < 0)
        return wsgi_letter_break(trip, why);
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

/* What comes after a part of the body, as the host is told. An end that comes
   too early is none. */
static enum wsgi_after what_follows(const wsgi_trip *trip, int is_end)
{
    return is_end && trip->left <= 0 ? WSGI_END : WSGI_FLUSH;
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

/* The host has sent a part of the body, or could not: result is below 0. */
static enum wsgi_next after_part(wsgi_trip *trip, int result, int is_end)
{
    if (result < 0)
        return WSGI_NEXT_GONE;
    if (is_end && trip->left > 0)
        return fail_short(trip);
    if (is_end)
        trip->stage = WSGI_TRIP_ENDED;
    return WSGI_NEXT_PACKET;
}

/* Sends the parts of the body that have been gathered, behind what was kept of
   earlier packets. */
static enum wsgi_next send_parts(wsgi_letter *l, int is_end)
{
    wsgi_trip *trip = l->trip;
    wsgi_buffer *whole = &trip->scratch->whole;
    int skips = whole->size == 0, result;

    trip->is_stream |= !is_end;
    l->parts[0].data = whole->data;
    l->parts[0].size = whole->size;
    result = trip->host->send_body(trip->request->record, l->parts + skips,
                                   l->count + 1 - (size_t)skips,
                                   what_follows(trip, is_end));
    l->count = whole->size = 0;
    trip->is_held = 0;
    return after_part(trip, result, is_end);
}

/* Sends what has been gathered, if it is anything. */
enum wsgi_next wsgi_reply_send(wsgi_letter *l)
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
static enum wsgi_next copy_parts(wsgi_letter *l)
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
enum wsgi_next wsgi_reply_keep(wsgi_letter *l)
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
   small, may wait until wsgi_reply_pause for others that have come already.
 */
static enum wsgi_next send_piece(wsgi_letter *l)
{
    wsgi_trip *trip = l->trip;

    if (!trip->is_stream || l->count != 1 || l->parts[1].size > PIECE_MOST ||
        trip->scratch->whole.size + l->parts[1].size > PIECES_MOST)
        return send_parts(l, 0);
    trip->is_held = 1;
    return copy_parts(l);
}

enum wsgi_next wsgi_reply_pause(wsgi_trip *trip)
{
    wsgi_letter l = {.trip = trip, .fd = -1};

    if (!trip->is_held)
        return WSGI_NEXT_PACKET;
    trip->waits_since = 0;
    return send_parts(&l, 0);
}

/* Parts that follow each other in a packet are sent together. */
enum wsgi_next wsgi_reply_body(wsgi_letter *l, const wsgi_frame *frame)
{
    wsgi_trip *trip = l->trip;
    int64_t size;

    if (trip->stage != WSGI_TRIP_BEGUN)
        return wsgi_letter_break(trip, "a part of the body at the wrong time");
    size = count_down(trip, (int64_t)frame->size);
    if (size > 0) {
        wsgi_chunk part = {frame->data, (size_t)size};

        l->parts[++l->count] = part;
    }
    if (frame->flags == 0)
        return l->count < WSGI_LETTER_PARTS ? WSGI_NEXT_PACKET
                                            : wsgi_reply_keep(l);
    return frame->flags & WSGI_WIRE_END ? send_parts(l, 1) : send_piece(l);
}

/* ---- Files ------------------------------------------------------------ */

static int is_readable(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && (flags & WSGI_O_PATH) == 0 &&
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
static enum wsgi_next send_file(wsgi_letter *l, const wsgi_wire_file *file,
                                int is_end)
{
    wsgi_trip *trip = l->trip;
    int64_t size = count_down(trip, file->size);
    int result;

    if (size == 0)
        return is_end ? send_parts(l, 1) : wsgi_reply_send(l);
    result = trip->host->send_file(trip->request->record, l->fd, file->offset,
                                   size, what_follows(trip, is_end));
    return after_part(trip, result, is_end);
}

enum wsgi_next wsgi_reply_file(wsgi_letter *l, const wsgi_frame *frame)
{
    wsgi_trip *trip = l->trip;
    enum wsgi_next next;
    wsgi_wire_file file;
    const char *fault;

    if (trip->stage != WSGI_TRIP_BEGUN)
        return wsgi_letter_break(trip, "a file at the wrong time");
    if (frame->size != sizeof file)
        return wsgi_letter_break(trip, "a file of the wrong size");
    if (trip->has_file) /* the server keeps each open until the end */
        return wsgi_letter_break(trip, "a second file");
    memcpy(&file, frame->data, sizeof file);
    fault = find_fault(l->fd, &file);
    if (fault != NULL)
        return wsgi_letter_break(trip, fault);
    trip->has_file = 1;
    next = wsgi_reply_send(l);
    if (next == WSGI_NEXT_PACKET)
        next = send_file(l, &file, (frame->flags & WSGI_WIRE_END) != 0);
    close(l->fd);
    l->fd = -1;
    return next;
}

/* ---- Failure ---------------------------------------------------------- */

enum wsgi_next wsgi_reply_fail(wsgi_letter *l)
{
    wsgi_trip *trip = l->trip;
    enum wsgi_next next;

    if (trip->stage != WSGI_TRIP_BEGUN && trip->stage != WSGI_TRIP_ENDED)
        return wsgi_letter_break(trip, "it fails at the wrong time");
    next = wsgi_reply_send(l);
    if (next == WSGI_NEXT_PACKET && trip->stage == WSGI_TRIP_BEGUN)
        trip->host->fail(trip->request->record);
    trip->stage = WSGI_TRIP_FAILED;
    return next;
}
