/*
 * hash.c - a hash of bytes and texts, FNV-1a.
 */
#include "request.h"

unsigned long long wsgi_hash_add(unsigned long long hash, const char *bytes,
                                 size_t size)
{
    size_t i;

    for (i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 1099511628211ULL;
    return hash;
}

unsigned long long wsgi_hash_add_text(unsigned long long hash,
                                      const char *text)
{
    static const char none[] = "\1";

    return text != NULL ? wsgi_hash_add(hash, text, strlen(text) + 1)
                        : wsgi_hash_add(hash, none, sizeof none);
}
