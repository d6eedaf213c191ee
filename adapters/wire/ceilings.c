/*
 * ceilings.c - reads MOD_WSGI_LIMITS, such as "total=100 memory=256".
 */
#include "ceilings.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OFF "off"

/* A word: "memory=512". */
typedef struct limit {
    const char *name;
    size_t place;
    long least, most;
    uint32_t standard;
} limit;

#define PLACE(field) offsetof(wsgi_ceilings, field)

static const limit table[] = {
    {"total", PLACE(total), 1, 65535, 256},
    {"processes", PLACE(processes), 1, 4096, 8},
    {"concurrency", PLACE(concurrency), 1, 65535, 64},
    {"threads", PLACE(threads), 1, WSGI_BOARD_SLOTS, 10},
    {"memory", PLACE(memory), 1, 1048576, 512},
    {"timeout", PLACE(timeout), 1, 86400, 300},
    {"idle", PLACE(idle), 1, 86400, 300},
    {"nice", PLACE(nice), 0, 19, 0},
    {"nofile", PLACE(nofile), 16, 1048576, 1024},
    {"nproc", PLACE(nproc), 16, 4194304, 256},
};

enum { COUNT = sizeof table / sizeof *table };

static void set(const limit *is, wsgi_ceilings *ceilings, uint32_t value)
{
    memcpy((char *)ceilings + is->place, &value, sizeof value);
}

/* Whether a text of this size is another, ignoring case. */
static int is_word(const char *text, size_t size, const char *word)
{
    return strlen(word) == size && strncasecmp(text, word, size) == 0;
}

static const limit *find(const char *name, size_t size)
{
    int i;

    for (i = 0; i < COUNT; i++)
        if (is_word(name, size, table[i].name))
            return &table[i];
    return NULL;
}

static void explain_names(char *why, size_t room)
{
    size_t used = (size_t)snprintf(why, room, "the words are ");
    int i;

    for (i = 0; i < COUNT && used < room; i++)
        used += (size_t)snprintf(why + used, room - used,
                                 "%s%s=", i == 0 ? "" : ", ", table[i].name);
}

/* Returns 0, or -1 with the reason. */
static int read_word(const char *word, size_t size, wsgi_ceilings *ceilings,
                     char *why, size_t room)
{
    const char *sign = memchr(word, '=', size), *value;
    const limit *is = sign != NULL ? find(word, (size_t)(sign - word)) : NULL;
    char *end;
    long number;

    if (is == NULL) {
        explain_names(why, room);
        return -1;
    }
    value = sign + 1;
    if (is_word(value, (size_t)(word + size - value), OFF)) {
        set(is, ceilings, 0);
        return 0;
    }
    number = strtol(value, &end, 10);
    if (isdigit((unsigned char)value[0]) && end == word + size &&
        number >= is->least && number <= is->most) {
        set(is, ceilings, (uint32_t)number);
        return 0;
    }
    snprintf(why, room, "%s= has a number from %ld to %ld, or " OFF, is->name,
             is->least, is->most);
    return -1;
}

void wsgi_ceilings_read(const char *text, wsgi_ceilings *ceilings,
                        wsgi_ceilings_wrong *wrong)
{
    static const char between[] = ", \t";
    char why[160];
    size_t size;
    int i;

    for (i = 0; i < COUNT; i++)
        set(&table[i], ceilings, table[i].standard);
    if (text == NULL)
        return;
    for (; *text != '\0'; text += size) {
        text += strspn(text, between);
        size = strcspn(text, between);
        if (size > 0 && read_word(text, size, ceilings, why, sizeof why) < 0)
            wrong(text, size, why);
    }
}

uint32_t wsgi_ceilings_lower(uint32_t asked, uint32_t ceiling)
{
    if (asked == 0 || (ceiling != 0 && ceiling < asked))
        return ceiling;
    return asked;
}

void wsgi_ceilings_apply(const wsgi_ceilings *ceilings, wsgi_ask *ask)
{
    ask->processes = wsgi_ceilings_lower(ask->processes, ceilings->processes);
    ask->threads = wsgi_ceilings_lower(ask->threads, ceilings->threads);
    ask->memory = wsgi_ceilings_lower(ask->memory, ceilings->memory);
    ask->timeout = wsgi_ceilings_lower(ask->timeout, ceilings->timeout);
    ask->idle = wsgi_ceilings_lower(ask->idle, ceilings->idle);
}
