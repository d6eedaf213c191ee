/*
 * check.c - what a head of HTTP may be: statuses, names and values of headers.
 */
#include <strings.h>

#include "request.h"

/* RFC 9110, 5.6.2: what a token is made of. */
static int is_token_char(unsigned char c)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";

    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') ||
           (c != '\0' && memchr(marks, c, sizeof marks - 1) != NULL);
}

int wsgi_check_name(const char *name, size_t size)
{
    size_t i;

    for (i = 0; i < size; i++)
        if (!is_token_char((unsigned char)name[i]))
            return 0;
    return size > 0;
}

int wsgi_check_value(const char *value, size_t size)
{
    size_t i;

    for (i = 0; i < size; i++)
        if ((unsigned char)value[i] < ' ' || value[i] == 0x7f)
            return 0;
    return 1;
}

/* The first letter mostly decides. That saves a call of strncasecmp for each
   of ten names. */
int wsgi_check_is_named(const char *name, size_t size, const char *other)
{
    return (name[0] | 0x20) == other[0] &&
           strncasecmp(name, other, size) == 0 && other[size] == '\0';
}

/* PEP 3333, "Other HTTP Features": only the server may send these. */
int wsgi_check_is_hop_by_hop(const char *name, size_t size)
{
    static const char *const all[] = {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "trailers",
        "upgrade",
        "transfer-encoding",
    };
    size_t i;

    for (i = 0; i < sizeof all / sizeof *all; i++)
        if (wsgi_check_is_named(name, size, all[i]))
            return 1;
    return 0;
}

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* PEP 3333: "a status string of the form '999 Message here'", "separated by a
   single space, with no surrounding whitespace or other characters". */
int wsgi_check_status(const char *line, size_t size)
{
    if (size > 4 && line[0] >= '1' && line[0] <= '9' && is_digit(line[1]) &&
        is_digit(line[2]) && line[3] == ' ' && line[4] != ' ' &&
        line[size - 1] != ' ' && wsgi_check_value(line, size))
        return (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
    return 0;
}
