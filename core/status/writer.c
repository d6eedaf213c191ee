/*
 * writer.c - a text that grows, with what is escaped.
 */
#include <stdarg.h>

#include "status.h"

static void append(wsgi_writer *w, const char *text, size_t size)
{
    if (wsgi_buffer_add(&w->text, text, size) < 0)
        w->is_short = 1;
}

void wsgi_writer_add(wsgi_writer *w, const char *text)
{
    append(w, text, strlen(text));
}

void wsgi_writer_format(wsgi_writer *w, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    wsgi_writer_add(w, text);
}

void wsgi_writer_html(wsgi_writer *w, const char *text)
{
    for (; *text != '\0'; text++)
        if (strchr("<>&\"'", *text) != NULL)
            wsgi_writer_format(w, "&#%d;", *text);
        else
            append(w, text, 1);
}

/* There are no control characters in the text. */
void wsgi_writer_json(wsgi_writer *w, const char *text)
{
    append(w, "\"", 1);
    wsgi_writer_label(w, text);
    append(w, "\"", 1);
}

void wsgi_writer_label(wsgi_writer *w, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            append(w, "\\", 1);
        append(w, text, 1);
    }
}
