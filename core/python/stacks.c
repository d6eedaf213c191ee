/*
 * stacks.c - logs where the Python threads of this process are, when a process
 * of applications does not answer.
 *
 * The Python thread looks at one interpreter after the other, with its lock.
 * If a thread does not release the lock, faulthandler is asked after a second:
 * no other thread runs Python code then, and it can read their stacks.
 */

#include "reports.h"

#define STACK_SIZE 262144
#define MOST 256 /* threads of an interpreter; others are left out */
#define PATIENCE (1000 * WSGI_MS)

static int is_under_way; /* atomic */
static wsgi_semaphore told;

static void tell_thread(const wsgi_interp *interp, PyThreadState *state)
{
    unsigned long number = (unsigned long)state->thread_id;
    PyObject *texts = wsgi_errors_stack(state, number);

    if (texts != NULL)
        wsgi_log(NULL, WSGI_WARNING,
                 "MW0515: thread %lu, in the interpreter '%s', is here:",
                 number, interp->shown);
    wsgi_errors_log(NULL, WSGI_WARNING, texts);
    Py_XDECREF(texts);
}

/* Stores the numbers of an interpreter's threads. Returns how many. */
static int list_threads(const wsgi_interp *interp, unsigned long *numbers)
{
    PyThreadState *state = PyInterpreterState_ThreadHead(interp->state);
    int count = 0;

    for (; state != NULL && count < MOST; state = PyThreadState_Next(state))
        numbers[count++] = (unsigned long)state->thread_id;
    return count;
}

/* The state of a thread, or NULL if it has ended. */
static PyThreadState *find_thread(const wsgi_interp *interp,
                                  unsigned long number)
{
    PyThreadState *state = PyInterpreterState_ThreadHead(interp->state);

    while (state != NULL && (unsigned long)state->thread_id != number)
        state = PyThreadState_Next(state);
    return state;
}

/* While a stack is written, the lock is released now and then. A thread can
   end meanwhile, and its state with it. So each state is looked up anew. */
static void tell_interp(const wsgi_interp *interp, void *unused)
{
    unsigned long numbers[MOST];
    int i, count = list_threads(interp, numbers);

    (void)unused;
    for (i = 0; i < count; i++) {
        PyThreadState *state = find_thread(interp, numbers[i]);

        if (state != NULL)
            tell_thread(interp, state);
    }
}

static void *tell(void *unused)
{
    (void)unused;
    wsgi_interp_visit_all(tell_interp, NULL);
    wsgi_semaphore_post(&told);
    return NULL;
}

static void *oversee(void *unused)
{
    struct timespec until = wsgi_from_now(PATIENCE);

    (void)unused;
    if (wsgi_process_add_thread(tell, NULL, STACK_SIZE) == 0 &&
        wsgi_semaphore_wait_until(&told, &until) < 0)
        wsgi_faults_tell();
    else
        wsgi_atomic_store(&is_under_way, 0, WSGI_RELEASE);
    return NULL;
}

/* Once only, if the lock is never released. */
void wsgi_tell_stacks(void)
{
    if (!wsgi_process_has_python() || wsgi_process_is_ending() ||
        wsgi_atomic_exchange(&is_under_way, 1, WSGI_ACQUIRE))
        return;
    wsgi_semaphore_make(&told);
    if (wsgi_process_add_thread(oversee, NULL, STACK_SIZE) != 0)
        wsgi_atomic_store(&is_under_way, 0, WSGI_RELEASE);
}
