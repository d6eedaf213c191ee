/*
 * compat.h - what old kernels and C libraries lack of what a process waits
 * with (core/fd.h).
 */
#ifndef WSGI_COMPAT_H
#define WSGI_COMPAT_H

#include <sys/epoll.h>

#include "../../core/fd.h"

/* Rung once, it can be read for ever. */
typedef struct wsgi_bell {
    int heard; /* the descriptor to wait for */
    int rung;  /* where it is rung. May be the same */
} wsgi_bell;

#if defined(EPOLL_CLOEXEC) && !defined(WSGI_FALLBACKS)
#include <sys/eventfd.h>

static inline int wsgi_epoll_make(void)
{
    return epoll_create1(EPOLL_CLOEXEC);
}

static inline int wsgi_bell_make(wsgi_bell *bell)
{
    bell->heard = bell->rung = eventfd(0, EFD_CLOEXEC);
    return bell->heard < 0 ? -1 : 0;
}

#else

static inline int wsgi_epoll_make(void)
{
    return wsgi_fd_mark(epoll_create(64));
}

static inline int wsgi_bell_make(wsgi_bell *bell)
{
    int ends[2];

    if (wsgi_fd_pipe(ends) < 0)
        return -1;
    bell->heard = ends[0];
    bell->rung = ends[1];
    return 0;
}

#endif

static inline void wsgi_bell_close(const wsgi_bell *bell)
{
    close(bell->heard);
    if (bell->rung != bell->heard)
        close(bell->rung);
}

#endif
