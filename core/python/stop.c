/*
 * stop.c - ends Python when the server ends the process.
 *
 * The Python thread does the work (runtime.c). This file tells that thread to,
 * and waits for it.
 *
 * Some servers end a process within a signal handler, in the thread that
 * serves, in the middle of a request. If the request has Python's lock or is
 * about to get it, waiting there for Python's end would never finish. Also,
 * Python's code is often in malloc, which the server needs for its own end. So
 * our handler runs before the server's. It tells the Python thread and
 * returns. The request goes on until the Python thread has the lock and has
 * done its work. Then that thread sends the signal again.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "surroundings.h"

/* How much time threads and atexit functions have. */
#define STOP_SECONDS 5

/* How long a handler waits for the end before it returns. Returning may make
   the interrupted system call fail with EINTR, so a short end is waited for.
 */
#define MOMENT (200 * WSGI_MS)

/* The pause before a signal is sent again, while a request must not be ended.
 */
#define PAUSE (2 * WSGI_MS)

static wsgi_semaphore ended;

/* The signals that end a server's process, the server's own handlers for them,
   and the thread that they run in. */
#define SIGNALS 3
static const int signals[SIGNALS] = {SIGTERM, SIGHUP, SIGINT};
static struct sigaction servers[SIGNALS];
static pthread_t server_thread;
static pid_t process;
static int put_off_signal; /* the signal to send again, or 0 */

void wsgi_stop_prepare(void)
{
    process = getpid();
    wsgi_semaphore_make(&ended);
}

/* The repeated signal ends the process, unless the request is still running
   Python code, which happens where Python has several locks or none. Then the
   signal is sent again. */
void wsgi_stop_done(void)
{
    static const struct timespec pause = {.tv_nsec = PAUSE};

    wsgi_process_set_over();
    wsgi_semaphore_post(&ended);
    if (put_off_signal == 0)
        return;
    while (!wsgi_process_is_late()) {
        pthread_kill(server_thread, put_off_signal);
        nanosleep(&pause, NULL);
    }
    pthread_kill(server_thread, put_off_signal);
}

/* Tells the Python thread to end Python, once. May have interrupted any code.
 */
static void begin(void)
{
    if (wsgi_process_is_ending())
        return;
    wsgi_process_begin_end(STOP_SECONDS);
    wsgi_jobs_wake();
}

/* All signals are blocked, because the server's handler for a second one would
   exit in the middle of the end. */
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
           wsgi_semaphore_wait_until(&ended, wsgi_process_deadline()) < 0)
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

    while (!wsgi_process_is_over() &&
           wsgi_semaphore_wait_until(&ended, &until) < 0)
        if (errno != EINTR)
            break;
    return wsgi_process_is_over();
}

/* Lets the interrupted request go on. Returns 0 if it can be ended now, or
   must be because its time is over. SIGALRM is for a request that never
   releases the lock. */
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

/* Handles a signal that does not end this process now. Returns 0 if it does.
 */
static int is_dealt_with(int number)
{
    if (getpid() != process) {
        /* A child that an application forked is not the server's. */
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

/* If the server has no handler of its own, ours is not needed. */
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
