/*
 * system.h - ours: every difference between the systems.
 *
 * Other files of the core ask these macros and functions, and never look at
 * the system. Linux has what is best; the others get what comes next to it.
 */
#ifndef WSGI_SYSTEM_H
#define WSGI_SYSTEM_H

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "fd.h"

#ifdef __APPLE__
#include <crt_externs.h>
#include <mach/mach.h>
#include <mach/semaphore.h>
#include <sys/param.h>
#include <xlocale.h>
#else
#include <semaphore.h>
#endif

#ifdef F_KINFO
#include <sys/param.h>
#include <sys/user.h>
#endif

/* ---- Names that others spell otherwise, or lack ----------------------- */

#ifdef __APPLE__
#define st_mtim st_mtimespec
#define st_ctim st_ctimespec
#define WSGI_ENVIRON (*_NSGetEnviron()) /* a module can't see the variable */
#else
#ifndef __linux__
extern char **environ;
#endif
#define WSGI_ENVIRON environ
#endif

/* A thread that is not to interrupt others. */
#ifndef SCHED_BATCH
#define SCHED_BATCH SCHED_OTHER
#endif

/* A client that has closed its connection. Where only what can be read is
   told, wsgi_has_gone looks at what that is. */
#ifndef POLLRDHUP
#define POLLRDHUP POLLIN
#endif

/* A signal that nobody else uses, or 0. */
#ifdef SIGRTMIN
#define WSGI_SPARE_SIGNAL (SIGRTMIN + 9)
#else
#define WSGI_SPARE_SIGNAL 0
#endif

/* ---- Descriptors ------------------------------------------------------ */

/* Stores the path of an open file, without links. Returns 0, or -1 where that
   is not known. Nobody may take the name by which the file was opened instead:
   it may lead elsewhere by now. */
static inline int wsgi_path_of(int fd, char *path, size_t size)
{
#if defined(__linux__)
    char link[64];
    ssize_t length;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, size - 1);
    if (length < 0)
        return -1;
    path[length] = '\0';
    return 0;
#elif defined(F_KINFO)
    struct kinfo_file file = {.kf_structsize = sizeof file};
    int length = -1;

    if (fcntl(fd, F_KINFO, &file) == 0 && file.kf_path[0] == '/')
        length = snprintf(path, size, "%s", file.kf_path);
    return length >= 0 && (size_t)length < size ? 0 : -1;
#elif defined(F_GETPATH)
    char found[4096]; /* at least MAXPATHLEN of these systems, 1024 */
    int length = -1;

    if (fcntl(fd, F_GETPATH, found) == 0)
        length = snprintf(path, size, "%s", found);
    return length >= 0 && (size_t)length < size ? 0 : -1;
#else
    (void)fd;
    (void)path;
    (void)size;
    errno = ENOSYS;
    return -1;
#endif
}

/* ---- The locale of this thread --------------------------------------- */

/* Numbers are written with a point until the locale is restored. NetBSD has
   locales of the whole process only, which are left alone. Returns -1 if there
   is no memory. */

typedef struct wsgi_locale {
    locale_t plain, before;
} wsgi_locale;

static inline int wsgi_locale_make_plain(wsgi_locale *locale)
{
#ifndef __NetBSD__
    locale->plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (locale->plain == (locale_t)0)
        return -1;
    locale->before = uselocale(locale->plain);
#else
    (void)locale;
#endif
    return 0;
}

static inline void wsgi_locale_restore(wsgi_locale *locale)
{
#ifndef __NetBSD__
    uselocale(locale->before);
    freelocale(locale->plain);
#else
    (void)locale;
#endif
}

/* ---- A mutex, until a time of CLOCK_REALTIME -------------------------- */

/* Returns 0, or an error's number. */
static inline int wsgi_lock_until(pthread_mutex_t *mutex,
                                  const struct timespec *until)
{
#ifdef __APPLE__
    static const struct timespec pause = {.tv_nsec = 1000000};
    struct timespec now;

    do {
        if (pthread_mutex_trylock(mutex) == 0)
            return 0;
        nanosleep(&pause, NULL);
        clock_gettime(CLOCK_REALTIME, &now);
    } while (now.tv_sec < until->tv_sec ||
             (now.tv_sec == until->tv_sec && now.tv_nsec < until->tv_nsec));
    return ETIMEDOUT;
#else
    return pthread_mutex_timedlock(mutex, until);
#endif
}

/* ---- Semaphores, for threads of one process --------------------------- */

/* A wait without a bound goes on after a signal. One with a bound returns 0,
   or -1 with errno: EINTR after a signal, ETIMEDOUT when that time of
   CLOCK_REALTIME has come. To post is safe in a signal handler. */

#ifdef __APPLE__

typedef semaphore_t wsgi_semaphore;

static inline void wsgi_semaphore_make(wsgi_semaphore *semaphore)
{
    semaphore_create(mach_task_self(), semaphore, SYNC_POLICY_FIFO, 0);
}

static inline void wsgi_semaphore_post(wsgi_semaphore *semaphore)
{
    semaphore_signal(*semaphore);
}

static inline int wsgi_semaphore_result(kern_return_t result)
{
    if (result == KERN_SUCCESS)
        return 0;
    errno = result == KERN_ABORTED               ? EINTR
            : result == KERN_OPERATION_TIMED_OUT ? ETIMEDOUT
                                                 : EINVAL;
    return -1;
}

static inline void wsgi_semaphore_wait(wsgi_semaphore *semaphore)
{
    while (semaphore_wait(*semaphore) == KERN_ABORTED)
        ;
}

static inline int wsgi_semaphore_wait_until(wsgi_semaphore *semaphore,
                                            const struct timespec *until)
{
    struct timespec now;
    mach_timespec_t left = {0, 0};
    long long ns;

    clock_gettime(CLOCK_REALTIME, &now);
    ns = (until->tv_sec - now.tv_sec) * 1000000000LL + until->tv_nsec -
         now.tv_nsec;
    if (ns > 0) {
        left.tv_sec = (unsigned int)(ns / 1000000000);
        left.tv_nsec = (int)(ns % 1000000000);
    }
    return wsgi_semaphore_result(semaphore_timedwait(*semaphore, left));
}

#else

typedef sem_t wsgi_semaphore;

static inline void wsgi_semaphore_make(wsgi_semaphore *semaphore)
{
    sem_init(semaphore, 0, 0);
}

static inline void wsgi_semaphore_post(wsgi_semaphore *semaphore)
{
    sem_post(semaphore);
}

static inline void wsgi_semaphore_wait(wsgi_semaphore *semaphore)
{
    while (sem_wait(semaphore) < 0 && errno == EINTR)
        ;
}

static inline int wsgi_semaphore_wait_until(wsgi_semaphore *semaphore,
                                            const struct timespec *until)
{
    return sem_timedwait(semaphore, until);
}

#endif

#endif
