/*
 * wire.c - frames: takes them from a packet, puts them into one.
 */
#include "wire.h"

int wsgi_wire_next(wsgi_packet *packet, wsgi_frame *frame)
{
    size_t left = (size_t)(packet->end - packet->at);
    wsgi_frame_head head;

    if (left == 0)
        return 0;
    if (left < sizeof head)
        return -1;
    memcpy(&head, packet->at, sizeof head);
    if (head.size < sizeof head || head.size > left ||
        head.type < WSGI_FRAME_REQUEST || head.type > WSGI_FRAME_REFUSED)
        return -1;
    frame->type = head.type;
    frame->flags = head.flags;
    frame->count = head.count;
    frame->data = packet->at + sizeof head;
    frame->size = head.size - sizeof head;
    packet->at += head.size;
    return 1;
}

int wsgi_wire_only(const char *packet, size_t size, wsgi_frame *frame)
{
    wsgi_packet all = {packet, packet + size};

    return wsgi_wire_next(&all, frame) == 1 && all.at == all.end ? 0 : -1;
}

const char *wsgi_wire_text(wsgi_packet *rest)
{
    const char *text = rest->at;
    const char *end = memchr(text, '\0', (size_t)(rest->end - text));

    if (end == NULL)
        return NULL;
    rest->at = end + 1;
    return text;
}

long wsgi_wire_begin(wsgi_buffer *packet, enum wsgi_frame_type type,
                     unsigned flags, unsigned count)
{
    wsgi_frame_head head = {.type = (uint8_t)type,
                            .flags = (uint8_t)flags,
                            .count = (uint16_t)count};
    long begin = (long)packet->size;

    return wsgi_buffer_add(packet, &head, sizeof head) < 0 ? -1 : begin;
}

void wsgi_wire_end(wsgi_buffer *packet, long begin, size_t behind)
{
    uint32_t size = (uint32_t)(packet->size - (size_t)begin + behind);

    memcpy(packet->data + begin + offsetof(wsgi_frame_head, size), &size,
           sizeof size);
}

void wsgi_wire_set_count(wsgi_buffer *packet, long begin, unsigned count)
{
    uint16_t number = (uint16_t)count;

    memcpy(packet->data + begin + offsetof(wsgi_frame_head, count), &number,
           sizeof number);
}

int wsgi_wire_add(wsgi_buffer *packet, enum wsgi_frame_type type,
                  unsigned flags, unsigned count, const void *data,
                  size_t size)
{
    long begin = wsgi_wire_begin(packet, type, flags, count);

    if (begin < 0 || wsgi_buffer_add(packet, data, size) < 0)
        return -1;
    wsgi_wire_end(packet, begin, 0);
    return 0;
}
