/*
 * interp.c - keeps count of interpreters: who is inside, and which are to end.
 *
 * making.c makes them, registry.c finds them by name, ending.c ends them.
 */
#include "interpreters.h"

const wsgi_hooks *wsgi_interp_hooks;

static wsgi_interp *serving; /* atomic; registry.c changes it */
static unsigned long retirements;

/* How many interpreters this process has: those that serve, those being made,
   and the retired ones that have not ended. Atomic. */
static int in_memory;

/* The interpreters that are to end. The lock guards the list. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static wsgi_interp *queue;

wsgi_interp **wsgi_interp_serving(void)
{
    return &serving;
}

int wsgi_interp_is_anyone_inside(void)
{
    wsgi_interp *interp = wsgi_atomic_load(&serving, WSGI_ACQUIRE);

    while (interp != NULL && wsgi_gate_count(&interp->visits) == 0)
        interp = wsgi_atomic_load(&interp->next, WSGI_ACQUIRE);
    return interp != NULL;
}

int wsgi_interp_count_one(void)
{
    return wsgi_atomic_add(&in_memory, 1, WSGI_ACQ_REL);
}

void wsgi_interp_forget_one(void)
{
    wsgi_atomic_sub(&in_memory, 1, WSGI_ACQ_REL);
}

/* ---- The end ---------------------------------------------------------- */

void wsgi_interp_put_back(wsgi_interp *interp)
{
    pthread_mutex_lock(&lock);
    interp->next_ending = queue;
    queue = interp;
    pthread_mutex_unlock(&lock);
}

wsgi_interp *wsgi_interp_take_ending(void)
{
    wsgi_interp *taken;

    pthread_mutex_lock(&lock);
    taken = queue;
    queue = NULL;
    pthread_mutex_unlock(&lock);
    return taken;
}

/* For a retired interpreter that nobody is inside any more. */
static void hand_over(wsgi_interp *interp)
{
    wsgi_interp_put_back(interp);
    wsgi_jobs_wake();
}

void wsgi_interp_retire(wsgi_interp *interp)
{
    int is_empty = wsgi_gate_close(&interp->visits);

    /* This follows the closing: a thread that sees the new number must also
       see the closed gate. */
    wsgi_atomic_add(&retirements, 1, WSGI_ACQ_REL);
    if (is_empty)
        hand_over(interp);
}

int wsgi_interp_is_retired(const wsgi_interp *interp)
{
    return wsgi_gate_is_closed(&interp->visits);
}

unsigned long wsgi_interp_retirements(void)
{
    return wsgi_atomic_load(&retirements, WSGI_ACQUIRE);
}

/* ---- Visits ----------------------------------------------------------- */

int wsgi_interp_hold(wsgi_interp *interp)
{
    if (wsgi_gate_enter(&interp->visits))
        return 1;
    wsgi_interp_release(interp);
    return 0;
}

void wsgi_interp_release(wsgi_interp *interp)
{
    if (wsgi_gate_leave(&interp->visits))
        hand_over(interp);
}

/* ---- Looking into them ------------------------------------------------ */

typedef struct tour {
    void (*look)(const wsgi_interp *interp, void *arg);
    void *arg;
} tour;

/* Runs on the Python thread, where interpreters end. So meanwhile the list
   only grows at its front. */
static void visit_each(void *arg)
{
    const tour *t = arg;
    wsgi_interp *interp = wsgi_atomic_load(&serving, WSGI_ACQUIRE);
    PyThreadState *main_state = NULL;

    if (!wsgi_process_is_shared())
        main_state = PyEval_SaveThread();
    for (; interp != NULL;
         interp = wsgi_atomic_load(&interp->next, WSGI_ACQUIRE)) {
        wsgi_states_enter(interp->first_state);
        t->look(interp, t->arg);
        PyEval_SaveThread();
    }
    if (main_state != NULL)
        wsgi_states_enter(main_state);
}

void wsgi_interp_visit_all(void (*look)(const wsgi_interp *interp, void *arg),
                           void *arg)
{
    tour t = {.look = look, .arg = arg};

    wsgi_jobs_run(visit_each, &t);
}

const PyInterpreterState *wsgi_interp_main(void)
{
    const wsgi_interp *interp = wsgi_atomic_load(&serving, WSGI_ACQUIRE);

    while (interp != NULL && strcmp(interp->name, WSGI_MAIN_INTERPRETER) != 0)
        interp = wsgi_atomic_load(&interp->next, WSGI_ACQUIRE);
    return interp != NULL ? interp->state : NULL;
}
