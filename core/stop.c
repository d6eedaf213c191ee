/*
 * stop.c - the end of Python in this process, as the server asks for it.
 *
 * The Python thread does it (runtime.c); here it is told to, and waited for.
 *
 * Some servers end a process within the handler of a signal, in the thread
 * that serves, whatever that is doing. Where it has Python's lock, the end
 * would wait for that in vain; and Python's code is often in malloc, which the
 * server's end needs. So we stand before such a handler. Ours returns then,
 * after it has told the Python thread; the request goes on until that thread
 * has the lock, and when all is done the signal comes again.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "core.h"

/* How long threads and atexit functions have. */
#define STOP_SECONDS 5

/* Atomic: asked by every thread, and set by a signal's handler. */
static int begun, over;
static sem_t ended;
static struct timespec deadline; /* when begun is set */

/* What the server does when it gets a signal, and in which thread. */
static struct sigaction server_term, server_hup;
static pthread_t server_thread;
static pid_t process;
static int put_off_signal; /* the one to send again, or 0 */

int wsgi_stop_has_begun(void)
{
    return __atomic_load_n(&begun, __ATOMIC_ACQUIRE);
}

int wsgi_stop_is_over(void)
{
    return __atomic_load_n(&over, __ATOMIC_ACQUIRE);
}

void wsgi_stop_prepare(void)
{
    process = getpid();
    sem_init(&ended, 0, 0);
}

void wsgi_stop_done(void)
{
    __atomic_store_n(&over, 1, __ATOMIC_RELEASE);
    sem_post(&ended);
    if (put_off_signal != 0)
        pthread_kill(server_thread, put_off_signal);
}

/* Tells the Python thread, once. May interrupt any code of this process. */
static void begin(void)
{
    if (wsgi_stop_has_begun())
        return;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += STOP_SECONDS;
    __atomic_store_n(&begun, 1, __ATOMIC_RELEASE);
    wsgi_runtime_wake();
}

/* The server's handler of a second signal to end would not wait: it would exit
   in the middle of the end. */
void wsgi_stop(void)
{
    sigset_t all;

    if (!wsgi_runtime_is_ours())
        return;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    begin();
    while (!wsgi_stop_is_over() && sem_timedwait(&ended, &deadline) < 0)
        if (errno != EINTR)
            return;
}

/* ---- Signals ---------------------------------------------------------- */

static void handle_signal(int number);

static void catch_signal(int number, struct sigaction *before)
{
    struct sigaction action = {.sa_handler = handle_signal,
                               .sa_flags = SA_RESTART};

    sigfillset(&action.sa_mask);
    sigaction(number, &action, before);
}

static int is_late(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec > deadline.tv_sec ||
           (now.tv_sec == deadline.tv_sec && now.tv_nsec >= deadline.tv_nsec);
}

/* Lets what was interrupted go on. 0 if it must not: the end has been reached,
   or its time is over. */
static int put_off(int number)
{
    if (wsgi_stop_has_begun())
        return !wsgi_stop_is_over() && !is_late();
    put_off_signal = number;
    begin();
    catch_signal(SIGALRM, NULL);
    alarm(STOP_SECONDS);
    return 1;
}

static void handle_signal(int number)
{
    int before = errno;

    if (wsgi_runtime_is_ours() && getpid() != process) {
        /* A child that an application forked: none of the server's. */
        signal(number, SIG_DFL);
        raise(number);
    } else if (!pthread_equal(pthread_self(), server_thread)) {
        pthread_kill(server_thread, number);
    } else if (!wsgi_runtime_is_ours() || !wsgi_visit_has_lock() ||
               !put_off(number)) {
        (number == SIGHUP ? server_hup : server_term).sa_handler(number);
    }
    errno = before;
}

void wsgi_stop_before_signals(void)
{
    server_thread = pthread_self();
    catch_signal(SIGTERM, &server_term);
    catch_signal(SIGHUP, &server_hup);
}
