/*
 * check.c - what a head of HTTP may be: statuses, names and values of headers.
 */
#include "request.h"

/* RFC 9110, 5.6.2: what a token is made of, one bit for each character of
   ASCII. A table, since the names of all headers are looked at. */
static int is_token_char(unsigned char c)
{
    static const unsigned long long bits[] = {
        /* !#$%&'*+-. and digits */
        0x03ff6cfa00000000ULL,
        /* letters, and ^_`|~ */
        0x57ffffffc7fffffeULL,
    };

    return c < 128 && (bits[c / 64] >> (c % 64) & 1) != 0;
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

/* PEP 3333, "Other HTTP Features": only the server may send these. */
int wsgi_check_is_hop_by_hop(const char *name, size_t size)
{
    return wsgi_check_is_named(name, size, "connection") ||
           wsgi_check_is_named(name, size, "keep-alive") ||
           wsgi_check_is_named(name, size, "proxy-authenticate") ||
           wsgi_check_is_named(name, size, "proxy-authorization") ||
           wsgi_check_is_named(name, size, "te") ||
           wsgi_check_is_named(name, size, "trailer") ||
           wsgi_check_is_named(name, size, "trailers") ||
           wsgi_check_is_named(name, size, "upgrade") ||
           wsgi_check_is_named(name, size, "transfer-encoding");
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
