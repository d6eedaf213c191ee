/*
 * section.c - which of the directories that a configuration names counts.
 *
 * Pure strings. An adapter reads its server's list of sections and of
 * .htaccess files. Here stand the servers' rules for them.
 */
#include "request.h"

int wsgi_section_is_deeper(const char *path, const char *other)
{
    return path != NULL && (other == NULL || strlen(path) >= strlen(other));
}

int wsgi_section_holds(const char *directory, const char *path)
{
    return strncmp(path, directory, strlen(directory)) == 0;
}

static unsigned count_segments(const char *pattern)
{
    unsigned count = 0;

    for (; *pattern != '\0'; pattern++)
        count += pattern[0] == '/' && pattern[1] != '\0' && pattern[1] != '/';
    return count;
}

size_t wsgi_section_front(const char *pattern, const char *path)
{
    unsigned segments = count_segments(pattern);
    const char *end = path;

    for (; segments > 0 && *end != '\0'; segments--)
        end += 1 + strcspn(end + 1, "/");
    return (size_t)(end - path);
}

void wsgi_section_sort(const char **directories, int count)
{
    int sorted, i;

    for (sorted = 1; sorted < count; sorted++) {
        const char *directory = directories[sorted];

        for (i = sorted;
             i > 0 && wsgi_section_is_deeper(directory, directories[i - 1]);
             i--)
            directories[i] = directories[i - 1];
        directories[i] = directory;
    }
}
