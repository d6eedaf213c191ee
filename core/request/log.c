/*
 * log.c - lines for the server's error log.
 *
 * Everything that the core logs goes through here: our own lines and those of
 * applications. The host gets whole lines only. No byte in a line can forge
 * another line or control a terminal.
 */
#include <stdarg.h>

#include "request.h"

/* Servers cut a line at 8 KB, including what they put before and after it. */
#define LINE_SIZE 8192

static int is_plain(unsigned char c)
{
    return (c >= ' ' && c != 0x7f) || c == '\t';
}

static void emit(const wsgi_request *request, enum wsgi_level level,
                 const char *line)
{
    const wsgi_host *host = wsgi_process_given.host;

    if (host != NULL)
        host->log(request != NULL ? request->record : NULL, level, line);
    if ((level == WSGI_ERROR || level == WSGI_CRITICAL) && request != NULL)
        wsgi_tally_note_error(request, line);
}

/* How many bytes a character may take in the log. Servers escape some, too. */
static size_t cost(unsigned char c)
{
    if (c == '\\' || c == '\t')
        return 2;
    if (c >= 0x80)
        return 4;
    return is_plain(c) ? 1 : 5;
}

static int is_inside_character(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

size_t wsgi_log_fit(const char *text, size_t size)
{
    size_t i, used = 0, fits;

    for (i = 0; i < size; i++) {
        used += cost((unsigned char)text[i]);
        if (used > WSGI_LOG_ROOM)
            break;
    }
    if (i == size)
        return size;
    for (fits = i; fits > i - 3 && is_inside_character(text[fits]); fits--)
        ;
    return is_inside_character(text[fits]) ? i : fits;
}

/* Logs text that fits into one line. */
static void log_part(const wsgi_request *request, enum wsgi_level level,
                     const char *text, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    char line[LINE_SIZE];
    size_t i, n = 0;

    for (i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];

        if (is_plain(c)) {
            line[n++] = (char)c;
        } else {
            line[n++] = '\\';
            line[n++] = 'x';
            line[n++] = digits[c >> 4];
            line[n++] = digits[c & 15];
        }
    }
    line[n] = '\0';
    emit(request, level, line);
}

void wsgi_log_line(const wsgi_request *request, enum wsgi_level level,
                   const char *text, size_t size)
{
    size_t part;

    do {
        part = wsgi_log_fit(text, size);
        log_part(request, level, text, part);
        text += part;
        size -= part;
    } while (size > 0);
}

void wsgi_log(const wsgi_request *request, enum wsgi_level level,
              const char *format, ...)
{
    static const char prefix[] = "mod_wsgi: ";
    char line[LINE_SIZE];
    va_list args;

    if (request != NULL && request->recalled != NULL && level == WSGI_ERROR)
        return; /* the first request will log it */

    memcpy(line, prefix, sizeof prefix);
    va_start(args, format);
    vsnprintf(line + sizeof prefix - 1, sizeof line - sizeof prefix, format,
              args);
    va_end(args);
    wsgi_log_line(request, level, line, strlen(line));
}
