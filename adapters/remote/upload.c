/*
 * upload.c - the request's body, when an application's process asks for it.
 */
#include <errno.h>

#include "letter.h"

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
        return wsgi_letter_break(trip,
                                 "it does not read what it has asked for");
    return WSGI_NEXT_PACKET;
}

enum wsgi_next wsgi_upload_read(wsgi_letter *l, const wsgi_frame *frame)
{
    wsgi_trip *trip = l->trip;
    enum wsgi_next next;
    uint32_t most;

    if (trip->stage == WSGI_TRIP_FAILED)
        return wsgi_letter_break(trip, "it reads behind the end");
    if (frame->size != sizeof most)
        return wsgi_letter_break(trip, "it reads without a size");
    memcpy(&most, frame->data, sizeof most);
    if (most == 0)
        return wsgi_letter_break(trip, "it reads nothing");
    next = wsgi_reply_send(l);
    if (next == WSGI_NEXT_PACKET)
        next = give_part(trip, most < WSGI_BODY_MOST ? most : WSGI_BODY_MOST);
    return next;
}
