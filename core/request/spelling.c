/*
 * spelling.c - what is meant by a wrong mod_wsgi.application.
 *
 * Many write what other servers want: the file's name, its path, one colon.
 * Pure strings.
 */
#include <ctype.h>

#include "request.h"

/* A value that was taken apart. */
typedef struct parts {
    char folder[512];     /* "": it names none */
    char module[256];     /* dotted, without ".py" */
    const char *callable; /* NULL: it names none */
    int had_suffix, had_one_colon, had_slashes;
} parts;

static int is_dotted(const char *text)
{
    int starts = 1;

    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '.' ? starts
                     : !(isalpha(c) || c == '_' || c >= 0x80 ||
                         (isdigit(c) && !starts)))
            return 0;
        starts = c == '.';
    }
    return !starts;
}

/* Takes ".py" from the end. */
static int cut_suffix(char *text)
{
    size_t size = strlen(text);

    if (size < 4 || strcmp(text + size - 3, ".py") != 0)
        return 0;
    text[size - 3] = '\0';
    return 1;
}

/* Splits a path into the folder of an absolute one, and a module's name. */
static void cut_folder(parts *p)
{
    char *slash = strrchr(p->module, '/'), *c;

    p->had_slashes = slash != NULL;
    if (p->module[0] == '/' && slash != NULL) {
        *slash = '\0';
        snprintf(p->folder, sizeof p->folder, "%s",
                 p->module[0] != '\0' ? p->module : "/");
        memmove(p->module, slash + 1, strlen(slash + 1) + 1);
    }
    for (c = p->module; *c != '\0'; c++)
        if (*c == '/')
            *c = '.';
}

/* Returns 0 if nothing reasonable is meant. */
static int take_apart(const char *value, parts *p)
{
    const char *colon = strchr(value, ':');
    size_t size = colon != NULL ? (size_t)(colon - value) : strlen(value);

    if (size >= sizeof p->module)
        return 0;
    memcpy(p->module, value, size);
    p->module[size] = '\0';
    if (colon != NULL) {
        p->had_one_colon = colon[1] != ':';
        p->callable = colon + (p->had_one_colon ? 1 : 2);
    }
    p->had_suffix = cut_suffix(p->module);
    cut_folder(p);
    return (p->had_suffix || p->had_one_colon || p->had_slashes) &&
           is_dotted(p->module) &&
           (p->callable == NULL || is_dotted(p->callable));
}

int wsgi_spelling_mend(const char *value, char *advice, size_t size)
{
    parts p = {.folder = ""};

    if (!take_apart(value, &p))
        return 0;
    snprintf(advice, size, "write '%s%s%s'%s%s%s%s%s%s", p.module,
             p.callable != NULL ? "::" : "",
             p.callable != NULL ? p.callable : "",
             p.had_suffix ? ", without .py" : "",
             p.had_one_colon ? ", with two colons" : "",
             p.had_slashes && p.folder[0] == '\0' ? ", with dots" : "",
             p.folder[0] != '\0' ? ", and \"SetEnv mod_wsgi.directory " : "",
             p.folder, p.folder[0] != '\0' ? "\"" : "");
    return 1;
}
