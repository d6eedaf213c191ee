/*
 * thread.c - what each thread of the server keeps from request to request.
 *
 * A thread keeps a slot for each interpreter that it has visited. The slot has
 * the thread's state there, so that thread-locals live from request to
 * request, and caches. Only its own thread uses a slot, so no lock guards it
 * but the interpreter's. Only the thread itself may end its states, because
 * Python also remembers them in thread-local memory.
 */
#include <pthread.h>

#include "interpreters.h"

static pthread_key_t thread_key;
static pthread_once_t thread_once = PTHREAD_ONCE_INIT;

/* ---- Slots ------------------------------------------------------------ */

void wsgi_thread_enter_slot(wsgi_slot *slot)
{
    if (slot->state == NULL)
        slot->state = PyThreadState_New(slot->interp->state);
    wsgi_states_enter(slot->state);
}

/* Leaves a slot that was entered, and ends its thread state. */
static void leave_for_good(wsgi_slot *slot)
{
    PyThreadState_Clear(slot->state);
    PyThreadState_DeleteCurrent();
    slot->state = NULL;
}

void wsgi_thread_drop_state(wsgi_slot *slot)
{
    if (slot->state == NULL)
        return;
    wsgi_thread_enter_slot(slot);
    leave_for_good(slot);
}

void wsgi_thread_make_way(wsgi_thread *self, const wsgi_slot *slot)
{
    if (!wsgi_states_may_be_many() && self->last != NULL && self->last != slot)
        wsgi_thread_drop_state(self->last);
}

/* Takes a slot out of the thread's list and ends it. */
static void drop_slot(wsgi_thread *self, wsgi_slot *slot)
{
    wsgi_slot **place = &self->slots;

    wsgi_thread_make_way(self, slot);
    wsgi_turns_begin_wait();
    wsgi_thread_enter_slot(slot);
    wsgi_turns_end_wait();
    wsgi_interp_hooks->left(slot);
    leave_for_good(slot);
    while (*place != slot)
        place = &(*place)->next;
    *place = slot->next;
    if (self->last == slot)
        self->last = NULL;
    wsgi_atomic_sub(&slot->interp->slots, 1, WSGI_ACQ_REL);
    free(slot);
}

void wsgi_thread_drop_retired(wsgi_thread *self)
{
    unsigned long retirements = wsgi_interp_retirements();
    wsgi_slot *slot = self->slots, *next;
    int dropped = 0;

    if (self->visit != NULL || self->retirements == retirements)
        return;
    self->retirements = retirements;
    for (; slot != NULL; slot = next) {
        next = slot->next;
        if (!wsgi_interp_is_retired(slot->interp))
            continue;
        drop_slot(self, slot);
        dropped = 1;
    }
    if (dropped)
        wsgi_jobs_wake();
}

unsigned long long wsgi_thread_hash(const char *name)
{
    return wsgi_hash_add_text(WSGI_HASH_START, name);
}

static wsgi_slot *add_slot(wsgi_thread *self, wsgi_interp *interp)
{
    wsgi_slot *slot = calloc(1, sizeof *slot);

    if (slot != NULL) {
        slot->interp = interp;
        slot->hash = wsgi_thread_hash(interp->name);
        slot->next = self->slots;
        self->slots = slot;
        wsgi_atomic_add(&interp->slots, 1, WSGI_ACQ_REL);
    }
    return slot;
}

wsgi_slot *wsgi_thread_slot_in(wsgi_thread *self, wsgi_interp *interp)
{
    wsgi_slot *slot = self->slots;

    while (slot != NULL && slot->interp != interp)
        slot = slot->next;
    return slot != NULL ? slot : add_slot(self, interp);
}

/* ---- Threads ---------------------------------------------------------- */

/* Called when a thread of the server ends. */
static void end_thread(void *arg)
{
    wsgi_thread *self = arg;

    while (!wsgi_process_is_ending() && self->slots != NULL) {
        drop_slot(self, self->slots);
        wsgi_jobs_wake();
    }
    wsgi_lines_end(&self->lines, NULL);
    free(self->head.data);
    free(self->body.data);
    free(self);
}

static void make_thread_key(void)
{
    pthread_key_create(&thread_key, end_thread);
}

static wsgi_thread *make_thread(void)
{
    static unsigned long count;
    wsgi_thread *self = calloc(1, sizeof *self);

    if (self == NULL)
        return NULL;
    self->number = wsgi_atomic_add(&count, 1, WSGI_RELAXED);
    pthread_setspecific(thread_key, self);
    return self;
}

wsgi_thread *wsgi_thread_self(void)
{
    wsgi_thread *self;

    pthread_once(&thread_once, make_thread_key);
    self = pthread_getspecific(thread_key);
    return self != NULL ? self : make_thread();
}

/* ---- Threads that are not the server's ------------------------------- */

void wsgi_thread_call_in(const wsgi_interp *interp, void (*call)(void *arg),
                         void *arg)
{
    PyThreadState *state;

    if (wsgi_process_is_ending())
        return;
    state = PyThreadState_New(interp->state);
    if (state == NULL)
        return;
    wsgi_turns_begin_wait();
    PyEval_RestoreThread(state);
    wsgi_turns_end_wait();
    call(arg);
    PyThreadState_Clear(state);
    PyThreadState_DeleteCurrent();
}

/* ---- The visit under way ------------------------------------------------ */

int wsgi_thread_is_under_way(void)
{
    const wsgi_thread *self = pthread_getspecific(thread_key);

    return self != NULL && self->under_way;
}

int wsgi_thread_has_lock(void)
{
    const wsgi_thread *self = pthread_getspecific(thread_key);
    const PyThreadState *current = wsgi_current_state();
    const wsgi_slot *slot = self != NULL ? self->slots : NULL;

    if (current == NULL)
        return 0;
    while (slot != NULL && slot->state != current)
        slot = slot->next;
    return slot != NULL;
}

const wsgi_request *wsgi_thread_request(void)
{
    wsgi_thread *self = wsgi_thread_self();

    return self != NULL && self->visit != NULL ? self->visit->request : NULL;
}

int wsgi_thread_lines(wsgi_lines *lines)
{
    wsgi_thread *self = wsgi_thread_self();
    wsgi_visit *visit = self != NULL ? self->visit : NULL;

    if (self == NULL)
        return -1;
    lines->first = visit != NULL ? &visit->lines : &self->lines;
    lines->request = visit != NULL ? visit->request : NULL;
    return 0;
}

unsigned long wsgi_thread_number(void)
{
    const wsgi_thread *self = wsgi_thread_self();

    return self != NULL ? self->number : 0;
}
