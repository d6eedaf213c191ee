/*
 * stop.c - the end of Python in this process, as the server asks for it.
 *
 * The Python thread does it (runtime.c); here it is told to, and waited for.
 *
 * Some servers end a process within the handler of a signal, in the thread
 * that serves, whatever that is doing. A request may have Python's lock then,
 * or be about to get it, so that to wait for the end would be to wait in vain;
 * and Python's code is often in malloc, which the server's end needs. So our
 * handler stands before the server's. It tells the Python thread and returns;
 * the request goes on until that thread has the lock and has done what there
 * is to do, and the signal comes again.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "interpreters.h"

/* How long threads and atexit functions have. */
#define STOP_SECONDS 5

/* How long a handler waits for the end before it returns: to the request that
   it interrupts, returning is an error of the system call it is in. */
#define MOMENT (200 * WSGI_MS)

/* Between two signals, while a request is where it must not be ended. */
#define PAUSE (2 * WSGI_MS)

static sem_t ended;

/* What the server does when it gets one of these, and in which thread. */
#define SIGNALS 3
static const int signals[SIGNALS] = {SIGTERM, SIGHUP, SIGINT};
static struct sigaction servers[SIGNALS];
static pthread_t server_thread;
static pid_t process;
static int put_off_signal; /* the one to send again, or 0 */

void wsgi_stop_prepare(void)
{
    process = getpid();
    sem_init(&ended, 0, 0);
}

/* The signal ends the process, unless it meets the request in Python's code:
   where Python has several locks, or none, that goes on. */
void wsgi_stop_done(void)
{
    static const struct timespec pause = {.tv_nsec = PAUSE};

    wsgi_process_set_over();
    sem_post(&ended);
    if (put_off_signal == 0)
        return;
    while (!wsgi_process_is_late()) {
        pthread_kill(server_thread, put_off_signal);
        nanosleep(&pause, NULL);
    }
    pthread_kill(server_thread, put_off_signal);
}

/* Tells the Python thread, once. May interrupt any code of this process. */
static void begin(void)
{
    if (wsgi_process_is_ending())
        return;
    wsgi_process_begin_end(STOP_SECONDS);
    wsgi_jobs_wake();
}

/* The server's handler of a second signal to end would not wait: it would exit
   in the middle of the end. */
void wsgi_stop(void)
{
    sigset_t all;

    if (wsgi_fork_is_copy())
        return;
    wsgi_sender_stop();
    if (!wsgi_process_has_python())
        return;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    begin();
    while (!wsgi_process_is_over() &&
           sem_timedwait(&ended, wsgi_process_deadline()) < 0)
        if (errno != EINTR)
            return;
}

/* ---- Signals ---------------------------------------------------------- */

static void handle_signal(int number);

static void catch_signal(int number)
{
    struct sigaction action = {.sa_handler = handle_signal,
                               .sa_flags = SA_RESTART};

    sigfillset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

static void end_as_the_server_does(int number)
{
    int i;

    wsgi_sender_stop();
    if (number == SIGALRM)
        number = put_off_signal;
    for (i = 0; i < SIGNALS; i++)
        if (signals[i] == number)
            servers[i].sa_handler(number);
}

static int ends_in_a_moment(void)
{
    struct timespec until = wsgi_from_now(MOMENT);

    while (!wsgi_process_is_over() && sem_timedwait(&ended, &until) < 0)
        if (errno != EINTR)
            break;
    return wsgi_process_is_over();
}

/* Lets a request go on that was interrupted. 0 if it can be ended now, or has
   to be: its time is over. SIGALRM is for one that never lets the lock go. */
static int put_off(int number)
{
    if (!wsgi_process_is_ending()) {
        put_off_signal = number;
        begin();
        catch_signal(SIGALRM);
        alarm(STOP_SECONDS);
    }
    if (number == SIGALRM || wsgi_process_is_late())
        return 0;
    return wsgi_thread_has_lock() || !ends_in_a_moment();
}

/* Whether a signal is none to end this process now. */
static int is_dealt_with(int number)
{
    if (getpid() != process) {
        /* A child that an application forked: none of the server's. */
        signal(number, SIG_DFL);
        raise(number);
        return 1;
    }
    if (!pthread_equal(pthread_self(), server_thread)) {
        pthread_kill(server_thread, number);
        return 1;
    }
    return wsgi_thread_is_under_way() && put_off(number);
}

static void handle_signal(int number)
{
    int before = errno;

    if (!wsgi_process_has_python() || !is_dealt_with(number))
        end_as_the_server_does(number);
    errno = before;
}

/* Where the server has no handler of its own there is none to put off. */
void wsgi_stop_before_signals(void)
{
    int i;

    server_thread = pthread_self();
    for (i = 0; i < SIGNALS; i++) {
        sigaction(signals[i], NULL, &servers[i]);
        if (servers[i].sa_handler != SIG_DFL &&
            servers[i].sa_handler != SIG_IGN)
            catch_signal(signals[i]);
    }
}
