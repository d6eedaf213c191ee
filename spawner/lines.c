/*
 * lines.c - what a process writes to its descriptors 1 and 2.
 *
 * A process never has a log's descriptor, for it could empty the log with it.
 * It writes to a pipe. Who writes too much is not held up. Its lines are left
 * out, and counted.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "spawner.h"

#define MOST_IN_A_SECOND 100

/* Where a line goes. */
typedef struct target {
    wsgi_log *log;
    const char *title;
    long pid;
} target;

static void write_line(const target *to, enum wsgi_log_level level,
                       const char *line, size_t size)
{
    char text[WSGI_LOG_LINE_SIZE];
    int n = snprintf(text, sizeof text - WSGI_LINES_SIZE,
                     "[pid %ld] %s: ", to->pid, to->title);

    if (n < 0 || (size_t)n >= sizeof text - WSGI_LINES_SIZE)
        n = 0;
    memcpy(text + n, line, size);
    wsgi_log_line(to->log, level, text, (size_t)n + size);
}

static void tell_left_out(wsgi_lines *lines, const target *to)
{
    char text[128];

    if (lines->left_out == 0)
        return;
    snprintf(text, sizeof text,
             "MW0709: %u lines are left out here: more than %d in a second",
             lines->left_out, MOST_IN_A_SECOND);
    lines->left_out = 0;
    write_line(to, WSGI_LOG_WARNING, text, strlen(text));
}

static int may_write(wsgi_lines *lines, const target *to)
{
    long long now = wsgi_loop_now();

    if (now - lines->second >= 1000) {
        tell_left_out(lines, to);
        lines->second = now;
        lines->count = 0;
    }
    if (lines->count++ < MOST_IN_A_SECOND)
        return 1;
    lines->left_out++;
    return 0;
}

/* Takes the mark of the level off the front of a line. */
static enum wsgi_log_level take_level(const char **line, size_t *size)
{
    char digit;

    if (*size < 3 || (*line)[0] != '<' || (*line)[2] != '>')
        return WSGI_LOG_NOTICE;
    digit = (*line)[1];
    if (digit < '0' || digit > '7')
        return WSGI_LOG_NOTICE;
    *line += 3;
    *size -= 3;
    return digit <= '3'   ? WSGI_LOG_ERROR
           : digit == '4' ? WSGI_LOG_WARNING
                          : WSGI_LOG_NOTICE;
}

/* Not what the program tells of itself, such as a new interpreter. */
static void remember(wsgi_lines *lines, enum wsgi_log_level level,
                     const char *line, size_t size)
{
    static const char ours[] = "mod_wsgi: ";

    if (size == 0 || (level == WSGI_LOG_NOTICE && size > sizeof ours &&
                      memcmp(line, ours, sizeof ours - 1) == 0))
        return;
    if (size >= sizeof lines->last)
        size = sizeof lines->last - 1;
    memcpy(lines->last, line, size);
    lines->last[size] = '\0';
}

static void take_line(wsgi_lines *lines, const target *to, const char *line,
                      size_t size)
{
    enum wsgi_log_level level = take_level(&line, &size);

    if (size > 0 && line[size - 1] == '\r')
        size--;
    remember(lines, level, line, size);
    if (may_write(lines, to))
        write_line(to, level, line, size);
}

/* Takes the whole lines out of the text. */
static void take_lines(wsgi_lines *lines, const target *to)
{
    const char *line = lines->text, *all = lines->text + lines->size, *end;

    while ((end = memchr(line, '\n', (size_t)(all - line))) != NULL) {
        take_line(lines, to, line, (size_t)(end - line));
        line = end + 1;
    }
    if (line == lines->text && lines->size == sizeof lines->text) {
        take_line(lines, to, line, lines->size);
        line = all;
    }
    lines->size = (size_t)(all - line);
    memmove(lines->text, line, lines->size);
}

int wsgi_lines_read(wsgi_lines *lines, int fd, wsgi_log *log,
                    const char *title, long pid)
{
    target to = {.log = log, .title = title, .pid = pid};
    ssize_t n =
        read(fd, lines->text + lines->size, sizeof lines->text - lines->size);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    if (n == 0)
        return -1;
    lines->size += (size_t)n;
    take_lines(lines, &to);
    return 1;
}

void wsgi_lines_end(wsgi_lines *lines, wsgi_log *log, const char *title,
                    long pid)
{
    target to = {.log = log, .title = title, .pid = pid};

    if (lines->size > 0)
        take_line(lines, &to, lines->text, lines->size);
    lines->size = 0;
    tell_left_out(lines, &to);
}
