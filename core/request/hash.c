/*
 * hash.c - a hash of bytes, FNV-1a.
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
