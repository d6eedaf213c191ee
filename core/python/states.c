/*
 * states.c - which of a thread's states PyGILState_Ensure finds.
 *
 * Extension modules call PyGILState_Ensure when C code calls back. It finds
 * the thread's state under a key of its own, as pthread_getspecific does, and
 * waits for the lock unless that state is current. From Python 3.12 on the key
 * holds the state that was current last. Before, it holds the first state made
 * on the thread, whatever interpreter that belongs to. In another interpreter
 * the thread would then wait for itself.
 *
 * So up to Python 3.11 the key is set here whenever a thread takes the lock
 * with another state. This lets a thread keep a state in each interpreter. The
 * alternative is to end the state at each change of interpreter and to make
 * another, which costs an mmap, a munmap and 30 us.
 *
 * Python does not tell the key. It is found by its value, and by what Python
 * says when the value is another one for a moment.
 */
#include <limits.h>
#include <pthread.h>

#include "interpreters.h"

static int key;
static int is_key_known; /* both are written before any request's visit */

/* Whether Python looks for this thread's state under that key. The key has
   another value for a moment, which Python compares with nothing. */
static int is_read_by_python(int candidate, void *value)
{
    char mark;
    int is_read;

    wsgi_key_set(candidate, &mark);
    is_read = (void *)PyGILState_GetThisThreadState() == &mark;
    wsgi_key_set(candidate, value);
    return is_read;
}

void wsgi_states_prepare(void)
{
    void *state;
    int each;

    if (WSGI_SETS_STATE_KEY || is_key_known)
        return;
    state = PyGILState_GetThisThreadState();
    for (each = 0; state != NULL && each < PTHREAD_KEYS_MAX; each++)
        if (wsgi_key_get(each) == state && is_read_by_python(each, state))
            break;
    is_key_known = state != NULL && each < PTHREAD_KEYS_MAX;
    key = each;
    if (!is_key_known)
        wsgi_log(
            NULL, WSGI_WARNING,
            "MW0415: requests that change between interpreters take longer: "
            "it was not found where this Python keeps the state of a thread");
}

int wsgi_states_may_be_many(void)
{
    return WSGI_SETS_STATE_KEY || is_key_known;
}

void wsgi_states_show(PyThreadState *state)
{
    if (is_key_known)
        wsgi_key_set(key, state);
}

PyThreadState *wsgi_states_shown(void)
{
    return is_key_known ? wsgi_key_get(key) : NULL;
}

void wsgi_states_enter(PyThreadState *state)
{
    wsgi_states_show(state);
    PyEval_RestoreThread(state);
}
