/*
 * wire.c - the fuzzer's bytes are a packet, read in both directions.
 *
 * What was read is written again, and read again. Both are the same.
 */
#include "wire.h"
#include "fuzz.h"

/* Counts the bytes of variables. */
typedef struct measure {
    size_t size;
    unsigned count;
} measure;

static void add(void *arg, const char *name, const char *value)
{
    measure *all = arg;

    all->size += strlen(name) + strlen(value);
    all->count++;
}

/* ---- Requests --------------------------------------------------------- */

static const wsgi_wire_request *served;

static void each_env(void *record, wsgi_put *put, void *arg)
{
    (void)record;
    wsgi_wire_each_variable(served, put, arg);
}

static const wsgi_host host = {.each_env = each_env};

static int is_same(const char *one, const char *other)
{
    return one == NULL || other == NULL ? one == other
                                        : strcmp(one, other) == 0;
}

static void compare_requests(const wsgi_wire_request *one,
                             const wsgi_wire_request *other)
{
    const wsgi_request *a = &one->request, *b = &other->request;

    HOLDS(is_same(a->uri, b->uri) && is_same(a->location, b->location));
    HOLDS(is_same(a->filename, b->filename) && is_same(a->scheme, b->scheme));
    HOLDS(is_same(a->authorization, b->authorization));
    HOLDS(a->body_length == b->body_length && one->count == other->count);
    HOLDS(one->configured_count == other->configured_count);
    HOLDS(one->eager_size == other->eager_size);
}

static void write_request(const wsgi_wire_request *got)
{
    wsgi_buffer packet = {.data = NULL};
    wsgi_wire_request again;
    wsgi_frame frame;
    int result;

    served = got;
    result =
        wsgi_wire_put_request(&packet, &got->request, &host, got->eager_size);
    HOLDS(result == 0);
    HOLDS(wsgi_buffer_add(&packet, got->eager, got->eager_size) == 0);
    HOLDS(wsgi_wire_only(packet.data, packet.size, &frame) == 0);
    HOLDS(wsgi_wire_get_request(&frame, &again) == 0);
    compare_requests(got, &again);
    free(packet.data);
}

static void read_request(const wsgi_frame *frame)
{
    wsgi_wire_request got;
    measure all = {.size = 0}, configured = {.size = 0};

    if (wsgi_wire_get_request(frame, &got) < 0)
        return;
    wsgi_wire_each_variable(&got, add, &all);
    wsgi_wire_each_configured(&got, add, &configured);
    HOLDS(all.count == got.count && all.size < frame->size);
    HOLDS(configured.count == got.configured_count);
    HOLDS(got.eager_size <= frame->size);
    write_request(&got);
}

/* ---- Heads ------------------------------------------------------------ */

static int is_clean(const char *text)
{
    return strpbrk(text, "\r\n") == NULL;
}

static void check_head(const wsgi_head *head)
{
    size_t i;

    HOLDS(head->status >= 200 && head->status <= 999);
    HOLDS(atoi(head->status_line) == head->status);
    HOLDS(is_clean(head->status_line) && head->content_length >= -1);
    HOLDS(head->content_type == NULL || is_clean(head->content_type));
    for (i = 0; i < head->header_count; i++) {
        HOLDS(head->headers[i].name[0] != '\0');
        HOLDS(strpbrk(head->headers[i].name, ": \t\r\n") == NULL);
        HOLDS(is_clean(head->headers[i].value));
    }
}

static void write_head(const wsgi_head *head)
{
    wsgi_buffer packet = {.data = NULL}, room = {.data = NULL};
    wsgi_head again;
    wsgi_frame frame;
    const char *why;

    HOLDS(wsgi_wire_put_head(&packet, head) == 0);
    HOLDS(wsgi_wire_only(packet.data, packet.size, &frame) == 0);
    HOLDS(wsgi_wire_get_head(&frame, &room, &again, &why) == 0);
    HOLDS(again.header_count == head->header_count);
    HOLDS(is_same(again.status_line, head->status_line));
    HOLDS(is_same(again.content_type, head->content_type));
    free(packet.data);
    free(room.data);
}

static void read_head(const wsgi_frame *frame)
{
    wsgi_buffer room = {.data = NULL};
    const char *why = NULL;
    wsgi_head head;

    if (wsgi_wire_get_head(frame, &room, &head, &why) == 0) {
        check_head(&head);
        write_head(&head);
    } else {
        HOLDS(why != NULL);
    }
    free(room.data);
}

/* ---- The fuzzer ------------------------------------------------------- */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wsgi_packet packet = {(const char *)data, (const char *)data + size};
    wsgi_frame frame;

    if (size > WSGI_PACKET_MOST)
        return 0;
    while (wsgi_wire_next(&packet, &frame) == 1) {
        HOLDS(frame.data + frame.size == packet.at);
        read_request(&frame);
        read_head(&frame);
    }
    return 0;
}
