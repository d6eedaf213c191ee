/*
 * lines.c - the fuzzer's bytes are what a process writes to its descriptors 1
 * and 2.
 */
#include <fcntl.h>

#include "fuzz.h"
#include "spawner.h"

/* A title as long as one can be. */
static char title[2 * WSGI_ASK_NAME + 8];
static int ends[2];
static size_t written;

long long wsgi_loop_now(void)
{
    static long long now;

    return now += 7;
}

void wsgi_log_line(wsgi_log *log, enum wsgi_log_level level, const char *line,
                   size_t size)
{
    size_t i, sum = 0;

    HOLDS(log == NULL && level <= WSGI_LOG_NOTICE);
    HOLDS(size <= WSGI_LOG_LINE_SIZE);
    for (i = 0; i < size; i++)
        sum += (unsigned char)line[i];
    HOLDS(memchr(line, '\n', size) == NULL && sum > 0);
    written++;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    memset(title, 'x', sizeof title - 1);
    HOLDS(pipe2(ends, O_NONBLOCK) == 0);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wsgi_lines *lines = calloc(1, sizeof *lines);
    size_t part;

    written = 0;
    for (; size > 0; data += part, size -= part) {
        part = 1 + data[0] * (size_t)32;
        part = part < size ? part : size;
        HOLDS(write(ends[1], data, part) == (ssize_t)part);
        while (wsgi_lines_read(lines, ends[0], NULL, title, 71) == 1)
            HOLDS(lines->size < sizeof lines->text);
    }
    wsgi_lines_end(lines, NULL, title, 71);
    HOLDS(memchr(lines->last, '\0', sizeof lines->last) != NULL);
    free(lines);
    return 0;
}
