/*
 * request.c - REQUEST: a request with its variables, and what has been read of
 * its body.
 */
#include "wire.h"

/* What lies in the frame before the texts, the variables and the body. */
typedef struct record {
    int64_t body_length;
    uint32_t port;
    uint32_t eager_size;
    uint16_t given; /* bit n: text n is not NULL */
    uint8_t is_file, head_only;
    uint8_t unused[4];
} record;

enum text {
    URI,
    LOCATION,
    DIRECTORY,
    FILENAME,
    PATH_INFO,
    SITE_NAME,
    SCHEME,
    AUTHORIZATION,
    TEXTS
};

/* ---- Writing ---------------------------------------------------------- */

/* What put() needs. */
typedef struct writer {
    wsgi_buffer *packet;
    unsigned count;
    int result; /* as wsgi_wire_put_request's */
} writer;

/* Appends a text and its NUL. Returns what wsgi_wire_put_request returns. */
static int add_text(wsgi_buffer *packet, const char *text)
{
    if (wsgi_buffer_add(packet, text, strlen(text) + 1) < 0)
        return -1;
    return packet->size > WSGI_PACKET_MOST ? -2 : 0;
}

static void put(void *arg, const char *name, const char *value)
{
    writer *w = arg;

    if (w->result == 0)
        w->result = add_text(w->packet, name);
    if (w->result == 0)
        w->result = add_text(w->packet, value);
    w->count++;
}

static int add_texts(wsgi_buffer *packet, const char *const *texts)
{
    int i, result = 0;

    for (i = 0; i < TEXTS && result == 0; i++)
        if (texts[i] != NULL)
            result = add_text(packet, texts[i]);
    return result;
}

static int add_record(wsgi_buffer *packet, const wsgi_request *request,
                      const char *const *texts, size_t eager_size)
{
    record fixed = {.body_length = request->body_length,
                    .port = request->site_port,
                    .eager_size = (uint32_t)eager_size,
                    .is_file = request->is_file != 0,
                    .head_only = request->head_only != 0};
    unsigned i;

    for (i = 0; i < TEXTS; i++)
        if (texts[i] != NULL)
            fixed.given = (uint16_t)(fixed.given | 1U << i);
    return wsgi_buffer_add(packet, &fixed, sizeof fixed);
}

int wsgi_wire_put_request(wsgi_buffer *packet, const wsgi_request *request,
                          const wsgi_host *host, const char *eager,
                          size_t eager_size)
{
    const char *texts[TEXTS] = {
        [URI] = request->uri,
        [LOCATION] = request->location,
        [DIRECTORY] = request->directory,
        [FILENAME] = request->filename,
        [PATH_INFO] = request->path_info,
        [SITE_NAME] = request->site_name,
        [SCHEME] = request->scheme,
        [AUTHORIZATION] = request->authorization,
    };
    writer w = {.packet = packet};
    long begin = wsgi_wire_begin(packet, WSGI_FRAME_REQUEST, 0, 0);

    if (begin < 0 || add_record(packet, request, texts, eager_size) < 0)
        return -1;
    w.result = add_texts(packet, texts);
    if (w.result == 0)
        host->each_env(request->record, put, &w);
    if (w.result < 0)
        return w.result;
    if (wsgi_buffer_add(packet, eager, eager_size) < 0)
        return -1;
    if (packet->size > WSGI_PACKET_MOST || w.count > UINT16_MAX)
        return -2;
    wsgi_wire_set_count(packet, begin, w.count);
    wsgi_wire_end(packet, begin);
    return 0;
}

/* ---- Reading ---------------------------------------------------------- */

static int take_texts(wsgi_packet *rest, unsigned given, const char **texts)
{
    unsigned i;

    for (i = 0; i < TEXTS; i++) {
        texts[i] = given & 1U << i ? wsgi_wire_text(rest) : NULL;
        if (given & 1U << i && texts[i] == NULL)
            return -1;
    }
    return given >> TEXTS != 0 || texts[URI] == NULL ? -1 : 0;
}

static int take_variables(wsgi_packet *rest, wsgi_wire_request *to)
{
    unsigned i;

    to->variables = rest->at;
    for (i = 0; i < to->count; i++)
        if (wsgi_wire_text(rest) == NULL || wsgi_wire_text(rest) == NULL)
            return -1;
    return 0;
}

static void fill(wsgi_request *request, const record *fixed,
                 const char *const *texts)
{
    *request = (wsgi_request){
        .uri = texts[URI],
        .location = texts[LOCATION],
        .directory = texts[DIRECTORY],
        .filename = texts[FILENAME],
        .path_info = texts[PATH_INFO],
        .site_name = texts[SITE_NAME],
        .scheme = texts[SCHEME],
        .authorization = texts[AUTHORIZATION],
        .is_file = fixed->is_file,
        .may_execute = 1, /* the server has asked */
        .site_port = fixed->port,
        .body_length = fixed->body_length,
        .head_only = fixed->head_only,
    };
}

int wsgi_wire_get_request(const wsgi_frame *frame, wsgi_wire_request *to)
{
    wsgi_packet rest = {frame->data, frame->data + frame->size};
    const char *texts[TEXTS];
    record fixed;

    if (frame->type != WSGI_FRAME_REQUEST || frame->size < sizeof fixed)
        return -1;
    memcpy(&fixed, frame->data, sizeof fixed);
    rest.at += sizeof fixed;
    to->count = frame->count;
    if (take_texts(&rest, fixed.given, texts) < 0 ||
        take_variables(&rest, to) < 0 || fixed.body_length < -1 ||
        fixed.eager_size != (size_t)(rest.end - rest.at) ||
        (fixed.body_length >= 0 && fixed.eager_size > fixed.body_length))
        return -1;
    fill(&to->request, &fixed, texts);
    to->eager = rest.at;
    to->eager_size = fixed.eager_size;
    return 0;
}

void wsgi_wire_each_variable(const wsgi_wire_request *request, wsgi_put *give,
                             void *arg)
{
    const char *name = request->variables;
    unsigned i;

    for (i = 0; i < request->count; i++) {
        const char *value = name + strlen(name) + 1;

        give(arg, name, value);
        name = value + strlen(value) + 1;
    }
}
