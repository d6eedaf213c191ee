/*
 * lines.c - unfinished lines for the log, and who wrote them.
 *
 * The log takes whole lines, but programs write parts of lines. A part belongs
 * to the thread and the request that wrote it, so no line mixes the words of
 * two. Each list of parts has one owner: a visit, a thread outside any visit,
 * or a request's wsgi.errors. Several threads may write to the last. When the
 * owner ends, each unfinished line is logged as it is.
 *
 * No lock is needed: a thread uses only its own parts, and a list only grows
 * until its owner ends.
 */
#include "client.h"

struct wsgi_line {
    wsgi_line *next;
    const char *stream;
    unsigned long thread;
    wsgi_buffer text; /* what has been written of it */
    int softspace;
};

static void log_text(const wsgi_request *request, const char *text,
                     size_t size)
{
    if (!wsgi_process_is_over())
        wsgi_flood_line(request, WSGI_ERROR, text, size);
}

static wsgi_line *find(const wsgi_lines *lines)
{
    wsgi_line *line = wsgi_atomic_load(lines->first, WSGI_ACQUIRE);

    while (line != NULL &&
           (line->stream != lines->stream || line->thread != lines->thread))
        line = line->next;
    return line;
}

static wsgi_line *find_or_make(const wsgi_lines *lines)
{
    wsgi_line *line = find(lines);

    if (line != NULL || (line = calloc(1, sizeof *line)) == NULL)
        return line;
    line->stream = lines->stream;
    line->thread = lines->thread;
    line->next = wsgi_atomic_load(lines->first, WSGI_RELAXED);
    while (!wsgi_atomic_swap(lines->first, &line->next, line, WSGI_RELEASE,
                             WSGI_RELAXED))
        ;
    return line;
}

static void flush(wsgi_line *line, const wsgi_request *request)
{
    if (line->text.size > 0)
        log_text(request, line->text.data, line->text.size);
    line->text.size = 0;
}

/* Logs the beginning of a line that is longer than the log takes. */
static void log_beginning(wsgi_buffer *text, const wsgi_request *request)
{
    size_t size = wsgi_log_fit(text->data, text->size);

    log_text(request, text->data, size);
    text->size -= size;
    memmove(text->data, text->data + size, text->size);
}

/* Adds to an unfinished line. Parts that fill a line of the log are logged at
   once, so that little is kept. */
static int add_part(wsgi_line *line, const wsgi_request *request,
                    const char *text, size_t size)
{
    while (size > 0) {
        size_t part = size < WSGI_LOG_ROOM ? size : WSGI_LOG_ROOM;

        if (wsgi_buffer_add(&line->text, text, part) < 0)
            return -1;
        while (line->text.size > WSGI_LOG_ROOM)
            log_beginning(&line->text, request);
        text += part;
        size -= part;
    }
    return 0;
}

int wsgi_lines_add(const wsgi_lines *lines, const char *text, size_t size)
{
    wsgi_line *line = find(lines);
    const char *newline;

    while ((newline = memchr(text, '\n', size)) != NULL) {
        size_t part = (size_t)(newline - text);

        if (line == NULL || line->text.size == 0) {
            log_text(lines->request, text, part);
        } else {
            if (add_part(line, lines->request, text, part) < 0)
                return -1;
            flush(line, lines->request);
        }
        text += part + 1;
        size -= part + 1;
    }
    if (size == 0)
        return 0;
    if (line == NULL && (line = find_or_make(lines)) == NULL)
        return -1;
    return add_part(line, lines->request, text, size);
}

void wsgi_lines_flush(const wsgi_lines *lines)
{
    wsgi_line *line = find(lines);

    if (line != NULL)
        flush(line, lines->request);
}

int wsgi_lines_softspace(const wsgi_lines *lines)
{
    const wsgi_line *line = find(lines);

    return line != NULL ? line->softspace : 0;
}

int wsgi_lines_set_softspace(const wsgi_lines *lines, int softspace)
{
    wsgi_line *line = softspace ? find_or_make(lines) : find(lines);

    if (line != NULL)
        line->softspace = softspace;
    return line != NULL || !softspace ? 0 : -1;
}

void wsgi_lines_end(wsgi_line **first, const wsgi_request *request)
{
    wsgi_line *line = *first, *next;

    *first = NULL;
    for (; line != NULL; line = next) {
        next = line->next;
        flush(line, request);
        free(line->text.data);
        free(line);
    }
}
