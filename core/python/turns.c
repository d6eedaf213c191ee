/*
 * turns.c - makes interpreters take turns at Python's lock.
 *
 * After five milliseconds, a thread that waits for the lock asks the holder to
 * release it. But from Python 3.9 to 3.12 it only asks threads of its own
 * interpreter. A thread that computes in another interpreter is never asked,
 * and keeps the lock until it waits for something itself. So each interpreter
 * that shares the lock has a thread here, a taker. A taker that waits for the
 * lock makes the other threads of its interpreter release it.
 *
 * Mostly the lock moves by itself. So while anybody may be waiting, a thread
 * without Python, the clock, lets one taker take the lock for a moment every
 * five milliseconds. All takers wait for it only when that one has not got it
 * by the next time. This wakes two threads each time, not one for each
 * interpreter.
 *
 * Source: take_gil in Python/ceval_gil.c; since 3.13 the holder is asked.
 */
#include <pthread.h>
#include <time.h>

#include "interpreters.h"

#define TURN (5 * WSGI_MS)
#define QUIET_TURNS 200 /* that nobody wanted, before the clock rests */
#define STACK_SIZE 262144

/* An interpreter's thread that takes the lock when it is told to. */
typedef struct taker {
    struct taker *next;
    wsgi_interp *interp;
    pthread_cond_t told;
    int is_to_take; /* and has not had the lock since */
} taker;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wanted = PTHREAD_COND_INITIALIZER;
static taker *takers;  /* under the lock, as all of a taker */
static int has_clock;  /* under the lock */
static int count;      /* how many interpreters take turns; atomic */
static int outsiders;  /* threads that wait, but are in no visit; atomic */
static int is_resting; /* the clock is; atomic */

/* Whether somebody may be waiting for the lock. The Python thread is one more
   who may. */
static int is_wanted(void)
{
    return (wsgi_atomic_load(&count, WSGI_SEQ_CST) > 1 &&
            wsgi_interp_is_anyone_inside()) ||
           wsgi_jobs_are_under_way() ||
           wsgi_atomic_load(&outsiders, WSGI_SEQ_CST) > 0;
}

/* ---- The clock -------------------------------------------------------- */

void wsgi_turns_want(void)
{
    if (!WSGI_LOCK_IS_UNFAIR || !wsgi_atomic_load(&is_resting, WSGI_SEQ_CST) ||
        !is_wanted())
        return;
    pthread_mutex_lock(&lock);
    pthread_cond_signal(&wanted);
    pthread_mutex_unlock(&lock);
}

void wsgi_turns_begin_wait(void)
{
    wsgi_atomic_add(&outsiders, 1, WSGI_SEQ_CST);
    wsgi_turns_want();
}

void wsgi_turns_end_wait(void)
{
    wsgi_atomic_sub(&outsiders, 1, WSGI_SEQ_CST);
}

/* Waits until somebody wants the lock. */
static void rest(void)
{
    pthread_mutex_lock(&lock);
    wsgi_atomic_store(&is_resting, 1, WSGI_SEQ_CST);
    while (!is_wanted())
        pthread_cond_wait(&wanted, &lock);
    wsgi_atomic_store(&is_resting, 0, WSGI_SEQ_CST);
    pthread_mutex_unlock(&lock);
}

static void tell(taker *t)
{
    t->is_to_take = 1;
    pthread_cond_signal(&t->told);
}

/* Whether a taker that was told to take the lock still waits for it. */
static int is_one_waiting(void)
{
    const taker *t = takers;

    while (t != NULL && !t->is_to_take)
        t = t->next;
    return t != NULL;
}

/* Tells one taker to take the lock, or all of them if one still waits. */
static void tell_takers(void)
{
    taker *t;

    pthread_mutex_lock(&lock);
    if (is_one_waiting()) {
        for (t = takers; t != NULL; t = t->next)
            tell(t);
    } else if (takers != NULL) {
        tell(takers);
    }
    pthread_mutex_unlock(&lock);
}

static void *keep_time(void *unused)
{
    static const struct timespec turn = {.tv_nsec = TURN};
    int quiet = 0;

    (void)unused;
    while (!wsgi_process_is_over()) {
        quiet = is_wanted() ? 0 : quiet + 1;
        if (quiet > QUIET_TURNS) {
            rest();
            quiet = 0;
        }
        tell_takers();
        nanosleep(&turn, NULL);
    }
    return NULL;
}

/* Makes the clock, once. Returns 0, or an errno. */
static int start_clock(void)
{
    int error = 0;

    pthread_mutex_lock(&lock);
    if (!has_clock)
        error = wsgi_process_add_thread(keep_time, NULL, STACK_SIZE);
    has_clock |= error == 0;
    pthread_mutex_unlock(&lock);
    return error;
}

/* ---- Takers ----------------------------------------------------------- */

static int has_to_leave(const wsgi_interp *interp)
{
    return wsgi_atomic_load(&interp->turns, WSGI_ACQUIRE) == WSGI_LAST_TURN;
}

/* Adds a taker to the list, or removes it. */
static void add(taker *t)
{
    pthread_mutex_lock(&lock);
    t->next = takers;
    takers = t;
    pthread_mutex_unlock(&lock);
}

static void drop(const taker *t)
{
    taker **place = &takers;

    pthread_mutex_lock(&lock);
    while (*place != t)
        place = &(*place)->next;
    *place = t->next;
    pthread_mutex_unlock(&lock);
}

/* Waits until it is told. Returns 0 if it has to leave instead. */
static int wait_for_turn(taker *t)
{
    int stays;

    pthread_mutex_lock(&lock);
    while ((stays = !has_to_leave(t->interp)) && !t->is_to_take)
        pthread_cond_wait(&t->told, &lock);
    pthread_mutex_unlock(&lock);
    return stays;
}

static void take_them(wsgi_interp *interp, PyThreadState *state)
{
    taker t = {.interp = interp, .told = PTHREAD_COND_INITIALIZER};

    add(&t);
    while (wait_for_turn(&t)) {
        PyEval_RestoreThread(state);
        PyEval_SaveThread();
        pthread_mutex_lock(&lock);
        t.is_to_take = 0;
        pthread_mutex_unlock(&lock);
    }
    drop(&t);
    pthread_cond_destroy(&t.told);
}

static void *take_turns(void *arg)
{
    wsgi_interp *interp = arg;
    PyThreadState *state = PyThreadState_New(interp->state);

    if (state != NULL) {
        wsgi_atomic_store(&interp->turn_state, state, WSGI_RELEASE);
        take_them(interp, state);
        PyEval_RestoreThread(state);
        PyThreadState_Clear(state);
        wsgi_atomic_store(&interp->turn_state, NULL, WSGI_RELEASE);
        PyThreadState_DeleteCurrent();
    }
    wsgi_atomic_sub(&count, 1, WSGI_SEQ_CST);
    wsgi_atomic_store(&interp->turns, WSGI_NO_TURNS, WSGI_RELEASE);
    wsgi_jobs_wake();
    return NULL;
}

/* ---- Interpreters ----------------------------------------------------- */

/* Makes the thread of an interpreter. The caller has set turns to
   WSGI_TAKES_TURNS. Returns 0, or an errno. */
static int start(wsgi_interp *interp)
{
    int error;

    wsgi_atomic_add(&count, 1, WSGI_SEQ_CST);
    error = start_clock();
    if (error == 0)
        error = wsgi_process_add_thread(take_turns, interp, STACK_SIZE);
    if (error == 0)
        return 0;
    wsgi_atomic_sub(&count, 1, WSGI_SEQ_CST);
    wsgi_atomic_store(&interp->turns, WSGI_LACKS_TURNS, WSGI_RELEASE);
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
                 "MW0414: while an application of the interpreter '%s' "
                 "computes, others wait, because no thread could be made that "
                 "lets them take turns: %s",
                 interp->shown, strerror(error));
}

void wsgi_turns_try(wsgi_interp *interp)
{
    enum wsgi_turns expected = WSGI_LACKS_TURNS;
    time_t now;

    if (!WSGI_LOCK_IS_UNFAIR ||
        wsgi_atomic_load(&interp->turns, WSGI_RELAXED) != expected)
        return;
    now = time(NULL);
    if (wsgi_atomic_exchange(&interp->turns_tried, now, WSGI_RELAXED) != now &&
        wsgi_atomic_swap(&interp->turns, &expected, WSGI_TAKES_TURNS,
                         WSGI_ACQ_REL, WSGI_RELAXED))
        start(interp);
}

/* Lets an interpreter's taker look whether it has to leave. */
static void tell_to_leave(const wsgi_interp *interp)
{
    taker *t;

    pthread_mutex_lock(&lock);
    for (t = takers; t != NULL; t = t->next)
        if (t->interp == interp)
            pthread_cond_signal(&t->told);
    pthread_mutex_unlock(&lock);
}

int wsgi_turns_end(wsgi_interp *interp)
{
    enum wsgi_turns expected = WSGI_TAKES_TURNS;

    if (wsgi_atomic_load(&interp->turns, WSGI_ACQUIRE) <= WSGI_LACKS_TURNS)
        return 1;
    /* If its thread is just leaving, turns has changed and this does nothing.
     */
    wsgi_atomic_swap(&interp->turns, &expected, WSGI_LAST_TURN, WSGI_ACQ_REL,
                     WSGI_ACQUIRE);
    tell_to_leave(interp);
    return 0;
}
