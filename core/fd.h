/*
 * fd.h - descriptors that programs do not inherit, and clocks, also on old
 * systems.
 *
 * Linux before 2.6.27 and glibc before 2.9 cannot make a descriptor that is
 * closed on exec. There it is made, then marked. A thread that starts a
 * program between these two steps hands the descriptor on. WSGI_FALLBACKS has
 * today's systems treated the same way, for tests.
 *
 * All functions return -1 with errno on failure, as what they stand for.
 */
#ifndef WSGI_FD_H
#define WSGI_FD_H

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifdef WSGI_FALLBACKS
#undef CLOCK_MONOTONIC_COARSE
#undef CLOCK_REALTIME_COARSE
#undef CLOCK_BOOTTIME
#endif

/* Of the time that the last tick has noted, since Linux 2.6.32. */
#ifndef CLOCK_MONOTONIC_COARSE
#define CLOCK_MONOTONIC_COARSE CLOCK_MONOTONIC
#endif
#ifndef CLOCK_REALTIME_COARSE
#define CLOCK_REALTIME_COARSE CLOCK_REALTIME
#endif

/* The one by which Linux tells when a process began, since 2.6.39. The other
   one does not count while the system sleeps. */
#ifndef CLOCK_BOOTTIME
#define CLOCK_BOOTTIME CLOCK_MONOTONIC
#endif

/* The flag of a descriptor that can neither be read nor written, since 2.6.39;
   0: there are none. */
#if defined(O_PATH) && !defined(WSGI_FALLBACKS)
#define WSGI_O_PATH O_PATH
#else
#define WSGI_O_PATH 0
#endif

/* Marks a descriptor, unless it is -1. Returns it. */
static inline int wsgi_fd_mark(int fd)
{
    if (fd >= 0)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}

/* Marks two, unless they were not made. Returns the result of that. */
static inline int wsgi_fd_mark_both(int result, const int ends[2])
{
    if (result == 0) {
        wsgi_fd_mark(ends[0]);
        wsgi_fd_mark(ends[1]);
    }
    return result;
}

#if defined(O_CLOEXEC) && defined(F_DUPFD_CLOEXEC) &&                         \
    defined(SOCK_CLOEXEC) && defined(MSG_CMSG_CLOEXEC) &&                     \
    !defined(WSGI_FALLBACKS)

#define WSGI_FD_MARKS 0 /* whether descriptors are marked later */

/* Opens what exists. */
static inline int wsgi_fd_open(const char *path, int flags)
{
    return open(path, flags | O_CLOEXEC);
}

static inline int wsgi_fd_open_at(int folder, const char *name, int flags)
{
    return openat(folder, name, flags | O_CLOEXEC);
}

/* As mkstemp(). */
static inline int wsgi_fd_temporary(char *name)
{
    return mkostemp(name, O_CLOEXEC);
}

/* Another descriptor of the same, whose number is at least least. */
static inline int wsgi_fd_copy(int fd, int least)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, least);
}

static inline int wsgi_fd_pipe(int ends[2])
{
    return pipe2(ends, O_CLOEXEC);
}

/* A pair of sockets that keep packets apart. */
static inline int wsgi_fd_pair(int pair[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}

/* As recvmsg(). */
static inline ssize_t wsgi_fd_receive(int from, struct msghdr *message,
                                      int flags)
{
    return recvmsg(from, message, flags | MSG_CMSG_CLOEXEC);
}

#else

#define WSGI_FD_MARKS 1

static inline int wsgi_fd_open(const char *path, int flags)
{
    return wsgi_fd_mark(open(path, flags));
}

static inline int wsgi_fd_open_at(int folder, const char *name, int flags)
{
    return wsgi_fd_mark(openat(folder, name, flags));
}

static inline int wsgi_fd_temporary(char *name)
{
    return wsgi_fd_mark(mkstemp(name));
}

static inline int wsgi_fd_copy(int fd, int least)
{
    return wsgi_fd_mark(fcntl(fd, F_DUPFD, least));
}

static inline int wsgi_fd_pipe(int ends[2])
{
    return wsgi_fd_mark_both(pipe(ends), ends);
}

static inline int wsgi_fd_pair(int pair[2])
{
    return wsgi_fd_mark_both(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair),
                             pair);
}

static inline ssize_t wsgi_fd_receive(int from, struct msghdr *message,
                                      int flags)
{
    ssize_t got = recvmsg(from, message, flags);
    struct cmsghdr *head = got >= 0 ? CMSG_FIRSTHDR(message) : NULL;

    for (; head != NULL; head = CMSG_NXTHDR(message, head)) {
        size_t at, size = head->cmsg_len - CMSG_LEN(0);
        int fd;

        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
            continue;
        for (at = 0; at + sizeof fd <= size; at += sizeof fd) {
            memcpy(&fd, CMSG_DATA(head) + at, sizeof fd);
            wsgi_fd_mark(fd);
        }
    }
    return got;
}

#endif

#endif
