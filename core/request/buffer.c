/*
 * buffer.c - memory that grows, kept from request to request.
 */
#include "request.h"

#define FIRST_CAPACITY 1024
#define KEPT 65536 /* a buffer with more memory than this is freed */

int wsgi_buffer_reserve(wsgi_buffer *buffer, size_t capacity)
{
    size_t doubled = buffer->capacity ? buffer->capacity : FIRST_CAPACITY;
    char *data;

    if (capacity <= buffer->capacity)
        return 0;
    while (doubled < capacity)
        doubled = doubled <= SIZE_MAX / 2 ? doubled * 2 : capacity;
    data = realloc(buffer->data, doubled);
    if (data == NULL)
        return -1;
    buffer->data = data;
    buffer->capacity = doubled;
    return 0;
}

int wsgi_buffer_add(wsgi_buffer *buffer, const void *data, size_t size)
{
    if (size == 0)
        return 0;
    if (wsgi_buffer_reserve(buffer, buffer->size + size) < 0)
        return -1;
    memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
    return 0;
}

void wsgi_buffer_trim(wsgi_buffer *buffer)
{
    buffer->size = 0;
    if (buffer->capacity <= KEPT)
        return;
    free(buffer->data);
    memset(buffer, 0, sizeof *buffer);
}
