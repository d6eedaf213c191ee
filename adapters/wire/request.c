/*
 * request.c - REQUEST: a request with its variables, and what has been read of
 * its body.
 */
#include "wire.h"

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

/* What lies in the frame before the texts, the variables and the body. Sizes
   count the NUL at the end: who reads a text need not look for it. */
typedef struct record {
    int64_t body_length;
    uint32_t port;
    uint32_t eager_size;
    uint32_t sizes[TEXTS]; /* of the texts; 0: it is NULL */
    uint8_t is_file, head_only;
    uint8_t unused[6];
} record;

/* What lies before a variable's name and value. */
typedef struct pair {
    uint32_t name_size, value_size;
} pair;

/* ---- Writing ---------------------------------------------------------- */

/* What put() needs. */
typedef struct writer {
    wsgi_buffer *packet;
    unsigned count;
    int result; /* as wsgi_wire_put_request's */
} writer;

/* Whether so much more fits into a packet. Returns what wsgi_wire_put_request
   returns. */
static int reserve(wsgi_buffer *packet, size_t size)
{
    if (size > WSGI_PACKET_MOST || packet->size + size > WSGI_PACKET_MOST)
        return -2;
    return wsgi_buffer_reserve(packet, packet->size + size);
}

/* Appends to a packet that has room. */
static void append(wsgi_buffer *packet, const void *data, size_t size)
{
    memcpy(packet->data + packet->size, data, size);
    packet->size += size;
}

static void put(void *arg, const char *name, const char *value)
{
    writer *w = arg;
    size_t name_size = strlen(name) + 1, value_size = strlen(value) + 1;
    pair sizes = {(uint32_t)name_size, (uint32_t)value_size};

    w->count++;
    if (w->result == 0)
        w->result = reserve(w->packet, sizeof sizes + name_size + value_size);
    if (w->result < 0)
        return;
    append(w->packet, &sizes, sizeof sizes);
    append(w->packet, name, name_size);
    append(w->packet, value, value_size);
}

static int add_texts(wsgi_buffer *packet, const char *const *texts,
                     const uint32_t *sizes)
{
    int i, result = 0;

    for (i = 0; i < TEXTS && result == 0; i++) {
        result = reserve(packet, sizes[i]);
        if (result == 0 && sizes[i] > 0)
            append(packet, texts[i], sizes[i]);
    }
    return result;
}

/* Appends the record and the texts. Returns what wsgi_wire_put_request
   returns. */
static int add_record(wsgi_buffer *packet, const wsgi_request *request,
                      const char *const *texts, size_t eager_size)
{
    record fixed = {.body_length = request->body_length,
                    .port = request->site_port,
                    .eager_size = (uint32_t)eager_size,
                    .is_file = request->is_file != 0,
                    .head_only = request->head_only != 0};
    int i;

    for (i = 0; i < TEXTS; i++)
        if (texts[i] != NULL)
            fixed.sizes[i] = (uint32_t)strlen(texts[i]) + 1;
    if (wsgi_buffer_add(packet, &fixed, sizeof fixed) < 0)
        return -1;
    return add_texts(packet, texts, fixed.sizes);
}

int wsgi_wire_put_request(wsgi_buffer *packet, const wsgi_request *request,
                          const wsgi_host *host, size_t eager_size)
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

    if (begin < 0)
        return -1;
    w.result = add_record(packet, request, texts, eager_size);
    if (w.result == 0)
        host->each_env(request->record, put, &w);
    if (w.result < 0)
        return w.result;
    if (packet->size + eager_size > WSGI_PACKET_MOST || w.count > UINT16_MAX)
        return -2;
    wsgi_wire_set_count(packet, begin, w.count);
    wsgi_wire_end(packet, begin, eager_size);
    return 0;
}

/* ---- Reading ---------------------------------------------------------- */

/* Takes a text of which the size is known. Returns NULL if it is none. */
static const char *take(wsgi_packet *rest, size_t size)
{
    const char *text = rest->at;

    if (size == 0 || size > (size_t)(rest->end - text) ||
        text[size - 1] != '\0')
        return NULL;
    rest->at += size;
    return text;
}

static int take_texts(wsgi_packet *rest, const uint32_t *sizes,
                      const char **texts)
{
    int i;

    for (i = 0; i < TEXTS; i++) {
        texts[i] = take(rest, sizes[i]);
        if (texts[i] == NULL && sizes[i] > 0)
            return -1;
    }
    return texts[URI] == NULL ? -1 : 0;
}

/* Takes a variable. Returns its name, or NULL if it is none. */
static const char *take_variable(wsgi_packet *rest)
{
    const char *name;
    pair sizes;

    if ((size_t)(rest->end - rest->at) < sizeof sizes)
        return NULL;
    memcpy(&sizes, rest->at, sizeof sizes);
    rest->at += sizeof sizes;
    name = take(rest, sizes.name_size);
    return name != NULL && take(rest, sizes.value_size) != NULL ? name : NULL;
}

/* Servers put the variables that are configured behind their own. So whoever
   looks for settings begins at the first that may be one. */
static int take_variables(wsgi_packet *rest, wsgi_wire_request *to)
{
    unsigned i;

    to->variables = to->configured = rest->at;
    to->configured_count = 0;
    for (i = 0; i < to->count; i++) {
        const char *at = rest->at, *name = take_variable(rest);

        if (name == NULL)
            return -1;
        if (to->configured_count == 0 && wsgi_may_be_setting(name)) {
            to->configured = at;
            to->configured_count = to->count - i;
        }
    }
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
    if (take_texts(&rest, fixed.sizes, texts) < 0 ||
        take_variables(&rest, to) < 0 || fixed.body_length < -1 ||
        fixed.eager_size != (size_t)(rest.end - rest.at) ||
        (fixed.body_length >= 0 && fixed.eager_size > fixed.body_length))
        return -1;
    fill(&to->request, &fixed, texts);
    to->eager = rest.at;
    to->eager_size = fixed.eager_size;
    return 0;
}

/* Gives count variables, which were checked. */
static void give_variables(const char *at, unsigned count, wsgi_put *give,
                           void *arg)
{
    unsigned i;

    for (i = 0; i < count; i++) {
        pair sizes;
        const char *name = at + sizeof sizes;

        memcpy(&sizes, at, sizeof sizes);
        at = name + sizes.name_size + sizes.value_size;
        give(arg, name, name + sizes.name_size);
    }
}

void wsgi_wire_each_variable(const wsgi_wire_request *request, wsgi_put *give,
                             void *arg)
{
    give_variables(request->variables, request->count, give, arg);
}

void wsgi_wire_each_configured(const wsgi_wire_request *request,
                               wsgi_put *give, void *arg)
{
    give_variables(request->configured, request->configured_count, give, arg);
}
