/*
 * header.c - which headers of a request are safe to believe, and what headers
 * are about.
 *
 * Pure strings. Older servers pass headers on that newer ones refuse.
 */
#include <ctype.h>
#include <strings.h>

#include "request.h"

/* Whether no other name gives the same variable. */
static int is_unambiguous(const char *name)
{
    for (; *name != '\0'; name++)
        if (!isalnum((unsigned char)*name) && *name != '-')
            return 0;
    return 1;
}

int wsgi_header_is_unsafe(const char *name)
{
    return !is_unambiguous(name) || strcasecmp(name, "Proxy") == 0;
}

void wsgi_header_to_variable(const char *name, char *variable)
{
    memcpy(variable, WSGI_HEADER_FRONT, sizeof WSGI_HEADER_FRONT - 1);
    variable += sizeof WSGI_HEADER_FRONT - 1;
    for (; *name != '\0'; name++)
        *variable++ = (char)(isalnum((unsigned char)*name)
                                 ? toupper((unsigned char)*name)
                                 : '_');
    *variable = '\0';
}

int wsgi_header_is_length(const char *value)
{
    return value == NULL ||
           (*value != '\0' && value[strspn(value, "0123456789")] == '\0');
}

int wsgi_header_is_about_body(const char *name)
{
    static const char *const others[] = {"ETag", "Last-Modified",
                                         "Accept-Ranges"};
    size_t i;

    for (i = 0; i < sizeof others / sizeof *others; i++)
        if (strcasecmp(name, others[i]) == 0)
            return 1;
    return strncasecmp(name, "Content-", sizeof "Content-" - 1) == 0 &&
           strncasecmp(name, "Content-Security-Policy",
                       sizeof "Content-Security-Policy" - 1) != 0;
}
