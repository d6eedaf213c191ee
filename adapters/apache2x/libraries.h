/*
 * libraries.h - the libraries that this process has loaded, by their paths.
 */
#ifndef WSGI_LIBRARIES_H
#define WSGI_LIBRARIES_H

#ifdef __APPLE__

#include <mach-o/dyld.h>

static inline int wsgi_count_libraries(int (*is_counted)(const char *path))
{
    uint32_t i, all = _dyld_image_count();
    int count = 0;

    for (i = 0; i < all; i++) {
        const char *path = _dyld_get_image_name(i);

        count += path != NULL && is_counted(path);
    }
    return count;
}

#else

#include <link.h>

typedef struct wsgi_library_count {
    int (*is_counted)(const char *path);
    int count;
} wsgi_library_count;

static inline int wsgi_count_library(struct dl_phdr_info *info, size_t size,
                                     void *data)
{
    wsgi_library_count *c = data;

    (void)size;
    c->count += c->is_counted(info->dlpi_name);
    return 0;
}

static inline int wsgi_count_libraries(int (*is_counted)(const char *path))
{
    wsgi_library_count c = {.is_counted = is_counted};

    dl_iterate_phdr(wsgi_count_library, &c);
    return c.count;
}

#endif

#endif
