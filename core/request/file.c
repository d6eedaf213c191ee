/*
 * file.c - open files of any size, for adapters.
 *
 * An adapter is compiled with the server's off_t, and a server of 32 bits may
 * have one of 32 bits. The core's has 64.
 */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "request.h"

/* Without this, the size of a large file can't be asked for on 32 bits. The
   build defines _FILE_OFFSET_BITS. */
typedef char off_t_has_64_bits[sizeof(off_t) == 8 ? 1 : -1];

int64_t wsgi_file_size(int fd)
{
    struct stat now;

    return fstat(fd, &now) < 0 ? -1 : (int64_t)now.st_size;
}

int64_t wsgi_file_read(int fd, char *buffer, size_t size, int64_t offset)
{
    ssize_t got;

    do
        got = pread(fd, buffer, size, (off_t)offset);
    while (got < 0 && errno == EINTR);
    return got;
}
