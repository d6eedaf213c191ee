/*
 * jobs.c - hands work to the Python thread.
 *
 * One job at a time is handed over, and the caller waits for its end. Or the
 * thread is only woken, and finds out by itself what there is to do.
 */
#include <pthread.h>
#include <time.h>

#include "interpreters.h"

static pthread_mutex_t running = PTHREAD_MUTEX_INITIALIZER;
static wsgi_semaphore wanted, done;
static void (*current_job)(void *); /* atomic */
static void *current_arg;
static int at_work; /* atomic */

void wsgi_jobs_prepare(void)
{
    wsgi_semaphore_make(&wanted);
    wsgi_semaphore_make(&done);
}

/* ---- Those who ask ---------------------------------------------------- */

void wsgi_jobs_run(void (*job)(void *arg), void *arg)
{
    pthread_mutex_lock(&running);
    current_arg = arg;
    wsgi_atomic_store(&current_job, job, WSGI_RELEASE);
    wsgi_semaphore_post(&wanted);
    wsgi_semaphore_wait(&done);
    pthread_mutex_unlock(&running);
}

void wsgi_jobs_wake(void)
{
    if (!wsgi_process_is_shared())
        wsgi_semaphore_post(&wanted);
}

int wsgi_jobs_are_under_way(void)
{
    return wsgi_atomic_load(&at_work, WSGI_SEQ_CST);
}

/* ---- The Python thread ------------------------------------------------ */

void wsgi_jobs_wait(int briefly)
{
    struct timespec until = wsgi_from_now(50 * WSGI_MS);

    if (briefly)
        wsgi_semaphore_wait_until(&wanted, &until);
    else
        wsgi_semaphore_wait(&wanted);
}

void wsgi_jobs_set_under_way(int now)
{
    wsgi_atomic_store(&at_work, now, WSGI_SEQ_CST);
}

void wsgi_jobs_do(void)
{
    void (*job)(void *) =
        wsgi_atomic_exchange(&current_job, NULL, WSGI_ACQUIRE);

    if (job == NULL)
        return;
    job(current_arg);
    wsgi_semaphore_post(&done);
}
