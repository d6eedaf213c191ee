/*
 * bounds.c - in a forked process: what the system lets it have.
 *
 * Called as root, before the process becomes its user. So a customer can't
 * raise any of it again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "compat.h"
#include "spawner.h"

#define MB ((rlim_t)1024 * 1024)

/* What the memory's wall leaves for the stack of each thread, which counts
   there with its whole size: in MB. */
#define STACK 8
#define MORE_THREADS 4 /* beside those that serve */

/* What it leaves for each processor: numpy's library reserves so much when it
   is imported, and uses little of it. In MB. */
#define PROCESSOR 40

/* Of two thousand: how much sooner than other processes the system ends it
   when memory is out. */
#define SOONER 200
#define SOONEST 1000

static void limit(int resource, rlim_t most)
{
    struct rlimit both = {.rlim_cur = most, .rlim_max = most};

    setrlimit(resource, &both);
}

/* A customer can't raise it. The others can, to what the server may have. */
static void limit_files(rlim_t most, int is_bounded)
{
    struct rlimit both;

    if (most == 0 || getrlimit(RLIMIT_NOFILE, &both) < 0)
        return;
    both.rlim_cur = most;
    if (is_bounded || both.rlim_max < most)
        both.rlim_max = most;
    if (setrlimit(RLIMIT_NOFILE, &both) == 0 || errno != EPERM ||
        getrlimit(RLIMIT_NOFILE, &both) < 0)
        return;
    both.rlim_cur = both.rlim_max; /* only root may have more than that */
    setrlimit(RLIMIT_NOFILE, &both);
}

/* Twice what it may have before it is replaced. */
static void limit_memory(const wsgi_ask *ask)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    rlim_t stacks = STACK * (ask->threads + (rlim_t)MORE_THREADS);

    if (ask->memory > 0)
        limit(RLIMIT_DATA,
              MB * (2 * (rlim_t)ask->memory + stacks +
                    PROCESSOR * (rlim_t)(processors > 0 ? processors : 1)));
}

/* The system counts all threads of a user. So those of the server's own user
   are not limited, nor those of somebody who has started it for himself. */
static void limit_threads(const wsgi_user *user, int is_bounded)
{
    if (wsgi_spawner_is.ceilings.nproc > 0 && is_bounded &&
        wsgi_spawner_is.is_root && user->uid != (uid_t)wsgi_spawner_is.user)
        limit(RLIMIT_NPROC, wsgi_spawner_is.ceilings.nproc);
}

/* Old kernels do not have that file. */
static void be_ended_sooner(void)
{
    int fd = wsgi_fd_open("/proc/self/oom_score_adj", O_RDWR);
    char text[16] = "";
    long score;
    int size;

    if (fd < 0)
        return;
    score = read(fd, text, sizeof text - 1) > 0 ? strtol(text, NULL, 10) : 0;
    score = (score > 0 ? score : 0) + SOONER;
    size =
        snprintf(text, sizeof text, "%ld", score < SOONEST ? score : SOONEST);
    if (pwrite(fd, text, (size_t)size, 0) < 0)
        errno = 0; /* it is a service, and no condition */
    close(fd);
}

void wsgi_bounds_set(const wsgi_ask *ask, const wsgi_user *user,
                     int is_bounded)
{
    const wsgi_ceilings *ceilings = &wsgi_spawner_is.ceilings;

    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_NICE, 0);
    limit(RLIMIT_RTPRIO, 0);
    limit_files(ceilings->nofile, is_bounded);
    limit_memory(ask);
    limit_threads(user, is_bounded);
    setpriority(PRIO_PROCESS, 0,
                getpriority(PRIO_PROCESS, 0) + (int)ceilings->nice);
    be_ended_sooner();
}
