/*
 * recall.c - what a process has to know of a request to load its application
 * without it.
 *
 * The record is in memory that an application may have spoilt. So it is copied
 * before it is read, and no text is believed to end.
 */
#include "request.h"

#define SET '+'
#define NOT_SET '-'

/* What put() needs. */
typedef struct packer {
    char *at, *end; /* NULL: it does not fit */
} packer;

static void pack(packer *p, const char *text)
{
    size_t size = text != NULL ? strlen(text) + 2 : 2;

    if (p->at == NULL || size > (size_t)(p->end - p->at)) {
        p->at = NULL;
        return;
    }
    *p->at++ = text != NULL ? SET : NOT_SET;
    memcpy(p->at, text != NULL ? text : "", size - 1);
    p->at += size - 1;
}

/* Settings only: nothing that the client has sent. */
static void put(void *arg, const char *name, const char *value)
{
    if (!wsgi_is_setting(name))
        return;
    pack(arg, name);
    pack(arg, value);
}

static void fill_in(wsgi_tally_recall *to, const wsgi_request *request)
{
    packer p = {to->texts, to->texts + sizeof to->texts};

    to->size = 0;
    to->port = request->site_port;
    to->is_file = request->is_file != 0;
    to->may_execute = request->may_execute != 0;
    pack(&p, request->uri);
    pack(&p, request->location);
    pack(&p, request->directory);
    pack(&p, request->filename);
    pack(&p, request->path_info);
    pack(&p, request->site_name);
    pack(&p, request->scheme);
    wsgi_recall_each(request, put, &p);
    if (p.at != NULL)
        to->size = (uint32_t)(p.at - to->texts);
}

/* A record that is being written has the opposite of a configuration. */
void wsgi_recall_put(wsgi_tally_recall *to, const wsgi_request *request,
                     uint32_t configuration)
{
    uint32_t before = wsgi_atomic_load(&to->configuration, WSGI_RELAXED);

    if (before == ~configuration ||
        !wsgi_atomic_swap(&to->configuration, &before, ~configuration,
                          WSGI_ACQ_REL, WSGI_RELAXED))
        return;
    fill_in(to, request);
    wsgi_atomic_store(&to->configuration, configuration, WSGI_RELEASE);
}

int wsgi_recall_copy(wsgi_tally_recall *to, const wsgi_tally_recall *from,
                     uint32_t configuration)
{
    uint32_t before = wsgi_atomic_load(&from->configuration, WSGI_ACQUIRE);

    *to = *from;
    wsgi_atomic_fence(WSGI_ACQUIRE);
    return before == configuration && from->configuration == configuration &&
                   to->size != 0
               ? 0
               : -1;
}

/* The next text, or NULL if it is not set or there is none. */
static const char *take(const char **at, const char *end)
{
    const char *text = *at, *stop;

    if (text == NULL || text == end)
        return NULL;
    stop = memchr(text, '\0', (size_t)(end - text));
    *at = stop != NULL ? stop + 1 : end;
    return stop != NULL && *text == SET ? text + 1 : NULL;
}

int wsgi_recall_get(const wsgi_tally_recall *from, wsgi_request *request)
{
    const char *at = from->texts, *end;

    if (from->size == 0 || from->size > sizeof from->texts)
        return -1;
    end = at + from->size;
    memset(request, 0, sizeof *request);
    request->site_port = from->port;
    request->is_file = from->is_file != 0;
    request->may_execute = from->may_execute != 0;
    request->uri = take(&at, end);
    request->location = take(&at, end);
    request->directory = take(&at, end);
    request->filename = take(&at, end);
    request->path_info = take(&at, end);
    request->site_name = take(&at, end);
    request->scheme = take(&at, end);
    request->recalled = at;
    request->recalled_size = (size_t)(end - at);
    return request->uri != NULL && request->filename != NULL &&
                   request->site_name != NULL && request->scheme != NULL &&
                   request->path_info != NULL
               ? 0
               : -1;
}

static void each_recalled(const wsgi_request *request, wsgi_put *give,
                          void *arg)
{
    const char *at = request->recalled, *end = at + request->recalled_size;

    while (at < end) {
        const char *name = take(&at, end);
        const char *value = take(&at, end);

        if (name != NULL && value != NULL)
            give(arg, name, value);
    }
}

void wsgi_recall_each(const wsgi_request *request, wsgi_put *give, void *arg)
{
    const wsgi_host *host = wsgi_process_given.host;

    if (request->recalled != NULL)
        each_recalled(request, give, arg);
    else if (host->each_configured != NULL)
        host->each_configured(request->record, give, arg);
    else
        host->each_env(request->record, give, arg);
}
