/*
 * reach.h - a step of walk.c: a name in an open directory, never followed.
 *
 * With O_PATH the descriptor is the thing itself, whatever becomes of its
 * name. Without (Linux before 2.6.39), the name is looked at, the thing is
 * opened or read, and is compared: if it is another one now, somebody replaces
 * things there, and the step is refused (ESTALE). A directory has to be opened
 * for reading then, so that the server's user must not only be allowed to pass
 * through.
 */
#ifndef WSGI_REACH_H
#define WSGI_REACH_H

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../system.h"

typedef struct wsgi_reach {
    int at; /* the directory */
    const char *name;
    int fd;           /* the thing itself, or -1: not opened (yet) */
    struct stat info; /* of the thing */
} wsgi_reach;

/* Functions return -1 with errno on failure. wsgi_reach_look makes a reach,
   which wsgi_reach_end ends, also after a failure. */

static inline void wsgi_reach_end(const wsgi_reach *reach)
{
    int error = errno;

    if (reach->fd >= 0)
        close(reach->fd);
    errno = error;
}

#if WSGI_O_PATH != 0

#define WSGI_REACH_DIRECTORY (O_PATH | O_DIRECTORY)
#define WSGI_REACH_READS 0 /* whether directories have to be readable */

static inline int wsgi_reach_look(wsgi_reach *reach, int at, const char *name)
{
    reach->at = at;
    reach->name = name;
    reach->fd = wsgi_fd_open_at(at, name, O_PATH | O_NOFOLLOW);
    return reach->fd < 0 ? -1 : fstat(reach->fd, &reach->info);
}

/* Opens a directory. The caller closes the descriptor. */
static inline int wsgi_reach_open(wsgi_reach *reach)
{
    int fd = reach->fd;

    reach->fd = -1;
    return fd;
}

/* As readlink(). */
static inline ssize_t wsgi_reach_read(const wsgi_reach *reach, char *goal,
                                      size_t size)
{
    return readlinkat(reach->fd, "", goal, size);
}

#else

#define WSGI_REACH_DIRECTORY (O_RDONLY | O_DIRECTORY | O_NONBLOCK)
#define WSGI_REACH_READS 1

static inline int wsgi_reach_look(wsgi_reach *reach, int at, const char *name)
{
    reach->at = at;
    reach->name = name;
    reach->fd = -1;
    return fstatat(at, name, &reach->info, AT_SYMLINK_NOFOLLOW);
}

/* Returns 0 if both are of the same thing. */
static inline int wsgi_reach_compare(const struct stat *one,
                                     const struct stat *other)
{
    if (one->st_dev == other->st_dev && one->st_ino == other->st_ino &&
        (one->st_mode & S_IFMT) == (other->st_mode & S_IFMT))
        return 0;
    errno = ESTALE;
    return -1;
}

static inline int wsgi_reach_open(wsgi_reach *reach)
{
    struct stat opened;
    int fd = wsgi_fd_open_at(reach->at, reach->name,
                             WSGI_REACH_DIRECTORY | O_NOFOLLOW);

    if (fd < 0)
        return -1;
    if (fstat(fd, &opened) == 0 &&
        wsgi_reach_compare(&opened, &reach->info) == 0)
        return fd;
    close(fd);
    return -1;
}

/* A link cannot be changed, only be replaced. Its time tells apart one that
   has got the number of the one before. */
static inline ssize_t wsgi_reach_read(const wsgi_reach *reach, char *goal,
                                      size_t size)
{
    ssize_t got = readlinkat(reach->at, reach->name, goal, size);
    struct stat now;

    if (got < 0 ||
        fstatat(reach->at, reach->name, &now, AT_SYMLINK_NOFOLLOW) < 0 ||
        wsgi_reach_compare(&now, &reach->info) < 0)
        return -1;
    if (now.st_ctim.tv_sec == reach->info.st_ctim.tv_sec &&
        now.st_ctim.tv_nsec == reach->info.st_ctim.tv_nsec)
        return got;
    errno = ESTALE;
    return -1;
}

#endif

#endif
