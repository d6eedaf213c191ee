/*
 * obey.c - does what the frames of an application's process say.
 *
 * The process may be hostile. Each frame is checked before it is obeyed, and
 * frames come in an order (wire.h). What a process can break is its response.
 */
#include <stdarg.h>

#include "letter.h"

enum wsgi_next wsgi_letter_break(wsgi_trip *trip, const char *how)
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

/* ---- Frames ----------------------------------------------------------- */

static enum wsgi_next obey_log(wsgi_letter *l, const wsgi_frame *frame)
{
    if (frame->flags >= WSGI_LEVELS)
        return wsgi_letter_break(l->trip, "a line of an unknown level");
    wsgi_flood_line(l->trip->request, (enum wsgi_level)frame->flags,
                    frame->data, frame->size);
    return WSGI_NEXT_PACKET;
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

static enum wsgi_next obey_done(wsgi_letter *l, const wsgi_frame *frame)
{
    wsgi_trip *trip = l->trip;
    int has_answered = trip->stage == WSGI_TRIP_ENDED ||
                       trip->stage == WSGI_TRIP_FAILED;

    if (l->rest.at != l->rest.end)
        return wsgi_letter_break(trip, "something behind the end");
    if (frame->count == 0 ? !has_answered
                          : trip->stage != WSGI_TRIP_READ ||
                                frame->count < 400 || frame->count > 599)
        return wsgi_letter_break(trip, "it is done at the wrong time");
    note_load(trip, frame);
    trip->status = (int)frame->count;
    if (trip->status == 503 && frame->flags > 0)
        wsgi_retry_later(trip->request, frame->flags);
    return WSGI_NEXT_DONE;
}

static enum wsgi_next obey(wsgi_letter *l, const wsgi_frame *frame)
{
    if (frame->type != WSGI_FRAME_LOG)
        l->trip->waits_since = 0;
    switch (frame->type) {
    case WSGI_FRAME_HEAD:
        return wsgi_reply_head(l, frame);
    case WSGI_FRAME_BODY:
        return wsgi_reply_body(l, frame);
    case WSGI_FRAME_FILE:
        return wsgi_reply_file(l, frame);
    case WSGI_FRAME_READ:
        return wsgi_upload_read(l, frame);
    case WSGI_FRAME_LOG:
        return obey_log(l, frame);
    case WSGI_FRAME_FAIL:
        return wsgi_reply_fail(l);
    case WSGI_FRAME_DONE:
        return obey_done(l, frame);
    default:
        return wsgi_letter_break(l->trip, "a frame that no application sends");
    }
}

/* ---- Packets ---------------------------------------------------------- */

static enum wsgi_next take_refusal(wsgi_trip *trip, const wsgi_frame *frame)
{
    wsgi_wire_refused refused;

    if (frame->size < sizeof refused)
        return wsgi_letter_break(trip, "the spawner refuses without a reason");
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
static enum wsgi_next obey_spawner(wsgi_letter *l, size_t size)
{
    wsgi_trip *trip = l->trip;
    wsgi_wire_given given;
    wsgi_frame frame;

    if (wsgi_wire_only(trip->scratch->received, size, &frame) < 0)
        return wsgi_letter_break(trip, "the spawner's packet is none");
    if (frame.type == WSGI_FRAME_REFUSED)
        return take_refusal(trip, &frame);
    if (frame.type != WSGI_FRAME_GIVEN || frame.size != sizeof given)
        return wsgi_letter_break(
            trip, "the spawner has not said which process it is");
    memcpy(&given, frame.data, sizeof given);
    wsgi_group_note(trip->connection, &given, l->fd);
    wsgi_tally_note_process(given.pid);
    trip->waits_since = 0;
    l->fd = -1;
    return WSGI_NEXT_PACKET;
}

static enum wsgi_next obey_process(wsgi_letter *l)
{
    wsgi_trip *trip = l->trip;
    enum wsgi_next next = WSGI_NEXT_PACKET;
    wsgi_frame frame;
    int more;

    if (trip->stage == WSGI_TRIP_SENT)
        trip->stage = WSGI_TRIP_READ;
    while (next == WSGI_NEXT_PACKET &&
           (more = wsgi_wire_next(&l->rest, &frame)) != 0)
        next = more > 0 ? obey(l, &frame)
                        : wsgi_letter_break(trip, "no frame");
    if (next == WSGI_NEXT_PACKET)
        next = wsgi_reply_keep(l);
    if (next == WSGI_NEXT_PACKET && l->fd >= 0)
        return wsgi_letter_break(trip, "a descriptor that was not wanted");
    return next;
}

enum wsgi_next wsgi_obey_packet(wsgi_trip *trip, size_t size, int fd)
{
    const char *packet = trip->scratch->received;
    wsgi_letter l = {.trip = trip, .rest = {packet, packet + size}, .fd = fd};
    enum wsgi_next next = trip->connection->is_fresh ? obey_spawner(&l, size)
                                                     : obey_process(&l);

    if (l.fd >= 0)
        wsgi_socket_drop(&l.fd, 1, wsgi_group_closing(trip->connection));
    return next;
}
