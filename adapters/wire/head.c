/*
 * head.c - HEAD: the head of a response.
 */
#include "wire.h"

/* What lies in the frame before the texts. */
typedef struct record {
    int64_t content_length;
    uint16_t status;
    uint8_t has_type;
    uint8_t unused[5];
} record;

/* ---- Writing ---------------------------------------------------------- */

static int add_text(wsgi_buffer *packet, const char *text)
{
    return wsgi_buffer_add(packet, text, strlen(text) + 1);
}

static int add_texts(wsgi_buffer *packet, const wsgi_head *head)
{
    size_t i;

    if (add_text(packet, head->status_line) < 0 ||
        (head->content_type != NULL &&
         add_text(packet, head->content_type) < 0))
        return -1;
    for (i = 0; i < head->header_count; i++)
        if (add_text(packet, head->headers[i].name) < 0 ||
            add_text(packet, head->headers[i].value) < 0)
            return -1;
    return 0;
}

int wsgi_wire_put_head(wsgi_buffer *packet, const wsgi_head *head)
{
    record fixed = {.content_length = head->content_length,
                    .status = (uint16_t)head->status,
                    .has_type = head->content_type != NULL};
    long begin = wsgi_wire_begin(packet, WSGI_FRAME_HEAD, 0,
                                 (unsigned)head->header_count);

    if (begin < 0 || wsgi_buffer_add(packet, &fixed, sizeof fixed) < 0 ||
        add_texts(packet, head) < 0)
        return -1;
    if (packet->size > WSGI_PACKET_MOST || head->header_count > UINT16_MAX)
        return -2;
    wsgi_wire_end(packet, begin, 0);
    return 0;
}

/* ---- Reading ---------------------------------------------------------- */

static int refuse(const char **why, const char *reason)
{
    *why = reason;
    return -1;
}

static int take_status(wsgi_packet *rest, const record *fixed, wsgi_head *head)
{
    head->status = fixed->status;
    head->status_line = wsgi_wire_text(rest);
    return head->status_line != NULL &&
                   wsgi_check_status(head->status_line,
                                     strlen(head->status_line)) ==
                       fixed->status &&
                   fixed->status >= 200 && fixed->content_length >= -1 &&
                   (fixed->status != 204 || fixed->content_length < 0)
               ? 0
               : -1;
}

static int take_type(wsgi_packet *rest, const record *fixed, wsgi_head *head)
{
    head->content_type = NULL;
    if (!fixed->has_type)
        return 0;
    head->content_type = wsgi_wire_text(rest);
    return head->content_type != NULL &&
                   wsgi_check_value(head->content_type,
                                    strlen(head->content_type))
               ? 0
               : -1;
}

/* Takes a header, which is none of those with a place of their own. */
static int take_header(wsgi_packet *rest, wsgi_header *header)
{
    size_t size;

    header->name = wsgi_wire_text(rest);
    header->value = wsgi_wire_text(rest);
    if (header->name == NULL || header->value == NULL)
        return -1;
    size = strlen(header->name);
    return wsgi_check_name(header->name, size) &&
                   wsgi_check_value(header->value, strlen(header->value)) &&
                   !wsgi_check_is_hop_by_hop(header->name, size) &&
                   !wsgi_check_is_named(header->name, size,
                                        "content-length") &&
                   !wsgi_check_is_named(header->name, size, "content-type")
               ? 0
               : -1;
}

static int take_headers(wsgi_packet *rest, wsgi_buffer *room, unsigned count,
                        wsgi_head *head)
{
    wsgi_header *headers;
    unsigned i;

    if (wsgi_buffer_reserve(room, count * sizeof *headers) < 0)
        return -1;
    headers = (wsgi_header *)(void *)room->data;
    for (i = 0; i < count; i++)
        if (take_header(rest, &headers[i]) < 0)
            return -1;
    head->headers = headers;
    head->header_count = count;
    return 0;
}

int wsgi_wire_get_head(const wsgi_frame *frame, wsgi_buffer *room,
                       wsgi_head *head, const char **why)
{
    wsgi_packet rest = {frame->data, frame->data + frame->size};
    record fixed;

    if (frame->type != WSGI_FRAME_HEAD || frame->size < sizeof fixed)
        return refuse(why, "it is not the head of a response");
    memcpy(&fixed, frame->data, sizeof fixed);
    rest.at += sizeof fixed;
    head->content_length = fixed.content_length;
    if (take_status(&rest, &fixed, head) < 0)
        return refuse(why, "its status is none of HTTP");
    if (take_type(&rest, &fixed, head) < 0 ||
        take_headers(&rest, room, frame->count, head) < 0)
        return refuse(why, "it has a header that no application may send");
    if (rest.at != rest.end)
        return refuse(why, "something follows its headers");
    return 0;
}
