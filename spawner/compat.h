/*
 * compat.h - system calls that old kernels and C libraries lack.
 */
#ifndef WSGI_COMPAT_H
#define WSGI_COMPAT_H

#include "../core/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Memory with a descriptor, that nobody can make smaller; closed on exec.
   Returns -1 where there is none. */
static inline int wsgi_sealed_memory(const char *name, size_t size)
{
#if defined(SYS_memfd_create) && defined(F_ADD_SEALS) &&                      \
    !defined(WSGI_FALLBACKS)
    int fd = (int)syscall(SYS_memfd_create, name, 3U); /* CLOEXEC, SEALING */

    if (fd < 0)
        return -1;
    if (ftruncate(fd, (off_t)size) == 0 && fchmod(fd, 0600) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW) == 0)
        return fd;
    close(fd);
#else
    (void)name, (void)size;
#endif
    return -1;
}

/* Tells of changes, without waiting. */
static inline int wsgi_inotify_make(void)
{
#if defined(IN_CLOEXEC) && !defined(WSGI_FALLBACKS)
    return inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
#else
    int fd = wsgi_fd_mark(inotify_init());

    if (fd >= 0)
        fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
#endif
}

/* Closes all descriptors from this one on. */
static inline void wsgi_close_from(unsigned first)
{
    struct rlimit limit;
    unsigned fd, most = 65536;

#if defined(SYS_close_range) && !defined(WSGI_FALLBACKS)
    if (syscall(SYS_close_range, first, ~0U, 0U) == 0)
        return;
#endif
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < most)
        most = (unsigned)limit.rlim_cur;
    for (fd = first; fd < most; fd++)
        close((int)fd);
}

#endif
