/*
 * misspelt.c - a variable of the server's environment that is nearly ours.
 *
 * A request's misspelt mod_wsgi.x is refused, because that prefix is ours
 * alone. Other programs have variables named MOD_WSGI_*, too, so only a name
 * that differs from one of ours by a few letters is taken for it.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "request.h"

#define PREFIX "MOD"
#define MOST_LETTERS 3
#define NAME_SIZE 63

/* How many letters have to be added, left out or replaced to make one name of
   the other. Case does not count. Levenshtein's algorithm, row by row. */
static size_t count_differences(const char *name, size_t size,
                                const char *known, size_t known_size)
{
    size_t row[NAME_SIZE + 1], i, j;

    for (j = 0; j <= known_size; j++)
        row[j] = j;
    for (i = 0; i < size; i++) {
        size_t diagonal = row[0];

        row[0] = i + 1;
        for (j = 0; j < known_size; j++) {
            size_t least = diagonal + (tolower((unsigned char)name[i]) !=
                                       tolower((unsigned char)known[j]));

            diagonal = row[j + 1];
            if (diagonal + 1 < least)
                least = diagonal + 1;
            if (row[j] + 1 < least)
                least = row[j] + 1;
            row[j + 1] = least;
        }
    }
    return row[known_size];
}

static int is_misspelt(const char *name, size_t size, const char *known,
                       size_t known_size)
{
    return strncasecmp(name, PREFIX, sizeof PREFIX - 1) == 0 &&
           size <= known_size + MOST_LETTERS &&
           (size != known_size || memcmp(name, known, size) != 0) &&
           count_differences(name, size, known, known_size) <= MOST_LETTERS;
}

char *wsgi_misspelt_find(const char *known)
{
    size_t known_size = strlen(known);
    char **each;

    if (strncmp(known, PREFIX, sizeof PREFIX - 1) != 0 ||
        known_size > NAME_SIZE || WSGI_ENVIRON == NULL)
        return NULL;
    for (each = WSGI_ENVIRON; *each != NULL; each++) {
        size_t size = strcspn(*each, "=");

        if (is_misspelt(*each, size, known, known_size))
            return strndup(*each, size);
    }
    return NULL;
}
