/*
 * buffer.c - memory that grows, kept from request to request.
 */
#include "core.h"

#define FIRST_ROOM 1024

int wsgi_buffer_reserve(wsgi_buffer *buffer, size_t room)
{
    size_t doubled = buffer->room ? buffer->room : FIRST_ROOM;
    char *data;

    if (room <= buffer->room)
        return 0;
    while (doubled < room)
        doubled = doubled <= SIZE_MAX / 2 ? doubled * 2 : room;
    data = realloc(buffer->data, doubled);
    if (data == NULL)
        return -1;
    buffer->data = data;
    buffer->room = doubled;
    return 0;
}

int wsgi_buffer_add(wsgi_buffer *buffer, const void *data, size_t size)
{
    if (wsgi_buffer_reserve(buffer, buffer->size + size) < 0)
        return -1;
    memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
    return 0;
}
