/*
 * process.c - the server's process: its host, its threads, and its end.
 *
 * Every layer may ask this file, and this file calls no other. So the state of
 * the process is kept here, though upper layers change it: runtime.c and
 * stop.c.
 */
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "request.h"

wsgi_process wsgi_process_given;

/* Atomic: every thread reads them, and a signal handler sets them. */
static int has_begun, is_over;
static struct timespec deadline; /* of the end, once it has begun */
static int has_python;

int wsgi_process_is_shared(void)
{
    return wsgi_process_given.find_interp != NULL;
}

void wsgi_process_fill_signals(sigset_t *set)
{
    static const int own[] = {SIGSEGV, SIGBUS,  SIGFPE, SIGILL,
                              SIGABRT, SIGTRAP, SIGSYS};
    size_t i;

    sigfillset(set);
    for (i = 0; i < sizeof own / sizeof *own; i++)
        sigdelset(set, own[i]);
}

/* Python code runs in threads of the default size, and musl's default is
   128 KB. glibc's is 8 MB, or what `ulimit -s` says. */
static size_t default_stack(const pthread_attr_t *attributes)
{
    static const size_t least = 1 << 20, usual = 8 << 20;
    size_t size = 0;

    pthread_attr_getstacksize(attributes, &size);
    return size < least ? usual : size;
}

int wsgi_process_add_thread(void *(*function)(void *arg), void *arg,
                            size_t stack_size)
{
    sigset_t others, before;
    pthread_attr_t attributes;
    pthread_t thread;
    int error;

    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (stack_size == 0)
        stack_size = default_stack(&attributes);
    pthread_attr_setstacksize(&attributes, stack_size);
    wsgi_process_fill_signals(&others);
    pthread_sigmask(SIG_SETMASK, &others, &before);
    error = pthread_create(&thread, &attributes, function, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}

void wsgi_process_set_python(void)
{
    wsgi_atomic_store(&has_python, 1, WSGI_RELEASE);
}

int wsgi_process_has_python(void)
{
    return wsgi_atomic_load(&has_python, WSGI_ACQUIRE);
}

/* ---- Its end ---------------------------------------------------------- */

void wsgi_process_begin_end(time_t seconds)
{
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += seconds;
    wsgi_atomic_store(&has_begun, 1, WSGI_RELEASE);
}

int wsgi_process_is_ending(void)
{
    return wsgi_atomic_load(&has_begun, WSGI_ACQUIRE);
}

const struct timespec *wsgi_process_deadline(void)
{
    return &deadline;
}

int wsgi_process_is_late(void)
{
    struct timespec now;

    if (!wsgi_process_is_ending())
        return 0;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec > deadline.tv_sec ||
           (now.tv_sec == deadline.tv_sec && now.tv_nsec >= deadline.tv_nsec);
}

void wsgi_process_set_over(void)
{
    wsgi_atomic_store(&is_over, 1, WSGI_RELEASE);
}

int wsgi_process_is_over(void)
{
    return wsgi_atomic_load(&is_over, WSGI_ACQUIRE);
}
