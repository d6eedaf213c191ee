/*
 * turns.c - makes interpreters take turns at Python's lock.
 *
 * After five milliseconds, a thread that waits for the lock asks the holder to
 * release it. But from Python 3.9 to 3.12 it only asks threads of its own
 * interpreter. A thread that computes in another interpreter is never asked,
 * and keeps the lock until it waits for something itself. So each interpreter
 * that shares the lock has a thread here. While anybody may be waiting, that
 * thread takes the lock for a moment again and again. So the other threads of
 * its interpreter are asked to release it.
 *
 * Source: take_gil in Python/ceval_gil.c; since 3.13 the holder is asked.
 */
#include <pthread.h>
#include <time.h>

#include "interpreters.h"

#define TURN (5 * WSGI_MS)
#define QUIET_TURNS 200 /* turns that nobody wanted, before a thread rests */
#define STACK_SIZE 262144

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wanted = PTHREAD_COND_INITIALIZER;
static int takers;  /* how many interpreters take turns; atomic */
static int resting; /* how many of these threads rest; atomic */

/* Whether somebody may be waiting for the lock. The Python thread is one more
   who may. */
static int is_wanted(void)
{
    return (__atomic_load_n(&takers, __ATOMIC_SEQ_CST) > 1 &&
            wsgi_interp_is_anyone_inside()) ||
           wsgi_jobs_are_under_way();
}

static void wake(void)
{
    pthread_mutex_lock(&lock);
    pthread_cond_broadcast(&wanted);
    pthread_mutex_unlock(&lock);
}

void wsgi_turns_want(void)
{
    if (WSGI_LOCK_IS_UNFAIR &&
        __atomic_load_n(&resting, __ATOMIC_SEQ_CST) > 0 && is_wanted())
        wake();
}

static int has_to_leave(const wsgi_interp *interp)
{
    return __atomic_load_n(&interp->turns, __ATOMIC_ACQUIRE) == WSGI_LAST_TURN;
}

/* Waits until somebody wants the lock, or the thread has to leave. */
static void rest(const wsgi_interp *interp)
{
    pthread_mutex_lock(&lock);
    __atomic_add_fetch(&resting, 1, __ATOMIC_SEQ_CST);
    while (!is_wanted() && !has_to_leave(interp))
        pthread_cond_wait(&wanted, &lock);
    __atomic_sub_fetch(&resting, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&lock);
}

static void take_them(const wsgi_interp *interp, PyThreadState *state)
{
    static const struct timespec turn = {.tv_nsec = TURN};
    int quiet = 0;

    while (!has_to_leave(interp)) {
        quiet = is_wanted() ? 0 : quiet + 1;
        if (quiet > QUIET_TURNS) {
            rest(interp);
            quiet = 0;
        }
        nanosleep(&turn, NULL);
        PyEval_RestoreThread(state);
        PyEval_SaveThread();
    }
}

static void *take_turns(void *arg)
{
    wsgi_interp *interp = arg;
    PyThreadState *state = PyThreadState_New(interp->state);

    if (state != NULL) {
        __atomic_store_n(&interp->turn_state, state, __ATOMIC_RELEASE);
        take_them(interp, state);
        PyEval_RestoreThread(state);
        PyThreadState_Clear(state);
        __atomic_store_n(&interp->turn_state, NULL, __ATOMIC_RELEASE);
        PyThreadState_DeleteCurrent();
    }
    __atomic_sub_fetch(&takers, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&interp->turns, WSGI_NO_TURNS, __ATOMIC_RELEASE);
    wsgi_jobs_wake();
    return NULL;
}

/* Makes the thread of an interpreter. The caller has set turns to
   WSGI_TAKES_TURNS. Returns 0, or an errno. */
static int start(wsgi_interp *interp)
{
    int error;

    __atomic_add_fetch(&takers, 1, __ATOMIC_SEQ_CST);
    error = wsgi_process_add_thread(take_turns, interp, STACK_SIZE);
    if (error == 0)
        return 0;
    __atomic_sub_fetch(&takers, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&interp->turns, WSGI_LACKS_TURNS, __ATOMIC_RELEASE);
    return error;
}

void wsgi_turns_begin(wsgi_interp *interp)
{
    int error;

    if (!WSGI_LOCK_IS_UNFAIR || interp->own_gil || wsgi_process_is_shared())
        return;
    interp->turns = WSGI_TAKES_TURNS;
    interp->turns_tried = time(NULL);
    error = start(interp);
    if (error != 0)
        wsgi_log(NULL, WSGI_WARNING,
                 "while an application of the interpreter '%s' computes, "
                 "others wait, because no thread could be made that lets "
                 "them take turns: %s",
                 interp->shown, strerror(error));
}

void wsgi_turns_try(wsgi_interp *interp)
{
    enum wsgi_turns expected = WSGI_LACKS_TURNS;
    time_t now;

    if (!WSGI_LOCK_IS_UNFAIR ||
        __atomic_load_n(&interp->turns, __ATOMIC_RELAXED) != expected)
        return;
    now = time(NULL);
    if (__atomic_exchange_n(&interp->turns_tried, now, __ATOMIC_RELAXED) !=
            now &&
        __atomic_compare_exchange_n(&interp->turns, &expected,
                                    WSGI_TAKES_TURNS, 0, __ATOMIC_ACQ_REL,
                                    __ATOMIC_RELAXED))
        start(interp);
}

int wsgi_turns_end(wsgi_interp *interp)
{
    enum wsgi_turns expected = WSGI_TAKES_TURNS;

    if (__atomic_load_n(&interp->turns, __ATOMIC_ACQUIRE) <= WSGI_LACKS_TURNS)
        return 1;
    /* If its thread is just leaving, turns has changed and this does nothing.
     */
    __atomic_compare_exchange_n(&interp->turns, &expected, WSGI_LAST_TURN, 0,
                                __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    wake();
    return 0;
}
