/*
 * naming.c - the names of interpreters, and of applications' processes.
 */
#include "request.h"

static char *append(char *to, const char *end, const char *text)
{
    size_t size = strnlen(text, (size_t)(end - to));

    memcpy(to, text, size);
    return to + size;
}

char *wsgi_naming_append_number(char *to, const char *end,
                                unsigned long number)
{
    char digits[24];
    size_t i = sizeof digits;

    digits[--i] = '\0';
    do
        digits[--i] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    return append(to, end, digits + i);
}

/* Appends the directory part of a file's path. */
static char *append_directory(char *to, const char *end, const char *file)
{
    const char *slash = strrchr(file, '/');
    char *begin = to;

    to = append(to, end, file);
    if (slash != NULL && to - begin > slash - file)
        to = begin + (slash - file);
    return to;
}

/* Appends SERVER_NAME:PORT|directory. */
static char *append_default(char *to, const char *end,
                            const wsgi_request *request,
                            const wsgi_settings *s)
{
    to = append(to, end, request->site_name);
    to = append(to, end, ":");
    to = wsgi_naming_append_number(to, end, request->site_port);
    to = append(to, end, "|");
    if (s->directory != NULL)
        return append(to, end, s->directory);
    return s->application != NULL
               ? to
               : append_directory(to, end, request->filename);
}

char *wsgi_naming_append(char *to, const char *end,
                         const wsgi_request *request, const wsgi_settings *s)
{
    return s->interpreter != NULL ? append(to, end, s->interpreter)
                                  : append_default(to, end, request, s);
}

/* Shortens a name. Its hash keeps it apart from others that begin alike. */
static void shorten(const char *full, size_t length, char *name, size_t size)
{
    unsigned long long hash = wsgi_hash_add(WSGI_HASH_START, full, length);

    snprintf(name, size, "%.*s...%016llx", (int)(size - 20), full, hash);
}

void wsgi_naming_process(const wsgi_request *request, const wsgi_settings *s,
                         char *name, size_t size)
{
    char full[WSGI_WALK_PATH + WSGI_NAMING_SIZE];
    size_t length;

    if (strcmp(s->process, WSGI_PROCESS_AUTO) != 0) {
        snprintf(name, size, "%s", s->process);
        return;
    }
    length =
        (size_t)(wsgi_naming_append(full, full + sizeof full, request, s) -
                 full);
    if (length < size) {
        memcpy(name, full, length);
        name[length] = '\0';
    } else {
        shorten(full, length, name, size);
    }
}
