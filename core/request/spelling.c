/*
 * spelling.c - guesses what a wrong mod_wsgi.application was meant to say.
 *
 * Many people write what other servers want: a file's name or path, one colon,
 * the call of a factory. Pure strings.
 */
#include <ctype.h>

#include "request.h"

/* The parts of a value. */
typedef struct parts {
    char folder[512];   /* "": none is named */
    char module[256];   /* dotted, without ".py" */
    char callable[256]; /* "": none is named */
    const char *call;   /* a factory's call, "create_app()", or NULL */
    int had_suffix, had_one_colon, had_slashes;
} parts;

int wsgi_spelling_is_dotted(const char *text, size_t size)
{
    size_t i;
    int starts = 1;

    for (i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];

        if (starts ? !(isalpha(c) || c == '_' || c >= 0x80)
                   : !(isalnum(c) || c == '_' || c == '.' || c >= 0x80))
            return 0;
        starts = c == '.';
    }
    return !starts;
}

static int is_dotted(const char *text)
{
    return wsgi_spelling_is_dotted(text, strlen(text));
}

/* Removes ".py" from the end. Returns whether it was there. */
static int cut_suffix(char *text)
{
    size_t size = strlen(text);

    if (size < 4 || strcmp(text + size - 3, ".py") != 0)
        return 0;
    text[size - 3] = '\0';
    return 1;
}

/* Makes a module's name of a path. The folder of an absolute path is kept
   apart. */
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

/* Takes what follows the colons: a name, or the call of one. Returns 0 if it
   is too long or neither. */
static int cut_callable(const char *text, parts *p)
{
    size_t size = strcspn(text, "("), whole = strlen(text);

    if (size >= sizeof p->callable)
        return 0;
    memcpy(p->callable, text, size);
    p->callable[size] = '\0';
    if (size < whole && text[whole - 1] == ')')
        p->call = text;
    return size == whole || p->call != NULL;
}

/* Returns 0 if the value has no mistake that is known here. */
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
        if (!cut_callable(colon + (p->had_one_colon ? 1 : 2), p))
            return 0;
    }
    p->had_suffix = cut_suffix(p->module);
    cut_folder(p);
    return (p->had_suffix || p->had_one_colon || p->had_slashes ||
            p->call != NULL) &&
           is_dotted(p->module) && (colon == NULL || is_dotted(p->callable));
}

int wsgi_spelling_mend(const char *value, char *advice, size_t size)
{
    parts p = {.folder = ""};
    char folder[sizeof p.folder + 64] = "";

    if (!take_apart(value, &p))
        return 0;
    if (p.folder[0] != '\0')
        snprintf(folder, sizeof folder,
                 ", and \"SetEnv mod_wsgi.directory %s\"", p.folder);
    if (p.call != NULL)
        snprintf(advice, size,
                 "write '%s', and \"application = %s\" at the end of the "
                 "module%s",
                 p.module, p.call, folder);
    else
        snprintf(advice, size, "write '%s%s%s'%s%s%s%s", p.module,
                 p.callable[0] != '\0' ? "::" : "", p.callable,
                 p.had_suffix ? ", without .py" : "",
                 p.had_one_colon ? ", with two colons" : "",
                 p.had_slashes && p.folder[0] == '\0' ? ", with dots" : "",
                 folder);
    return 1;
}
