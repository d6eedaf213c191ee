/*
 * descriptor.c - descriptors that the server's parent keeps over its restarts.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "../../core/fd.h"
#include "parent.h"

unsigned long wsgi_descriptor_number_of(int fd)
{
    struct stat s;

    return fd >= 0 && fstat(fd, &s) == 0 ? (unsigned long)s.st_ino : 0;
}

int wsgi_descriptor_lift(int fd)
{
    int lifted = wsgi_fd_copy(fd, WSGI_SAFE_FD);

    close(fd);
    return lifted;
}
