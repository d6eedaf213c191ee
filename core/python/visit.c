/*
 * visit.c - a request's stay in an interpreter: chooses, enters and leaves it.
 */
#include <sched.h>

#include "interpreters.h"

#define KEY_SIZE WSGI_NAMING_SIZE

/* How often a thread lets others run before it waits for Python's lock. */
#define MOST_YIELDS 5

/* How many visits are within the interpreters that share a lock. Atomic. */
static int sharing;

/* ---- The interpreter's name ------------------------------------------- */

/* Whether a default name is the first one of this process. It stays the first
   for ever. */
static int is_first(const char *name)
{
    static const char *first;
    const char *known = wsgi_atomic_load(&first, WSGI_ACQUIRE);

    if (known == NULL) {
        char *copy = strdup(name);

        if (wsgi_atomic_swap(&first, &known, copy, WSGI_ACQ_REL, WSGI_ACQUIRE))
            known = copy;
        else
            free(copy);
    }
    return known != NULL && strcmp(known, name) == 0;
}

/* Whether an application that has a process of its own, and names no
   interpreter, is in the main one. There every extension module works. */
static int is_for_main(const wsgi_settings *s, const char *name)
{
    return wsgi_process_given.has_owner && s->interpreter == NULL &&
           !s->own_gil && s->interpreters == 1 && s->reload == NULL &&
           is_first(name);
}

/* Makes the name in the registry. A customer's begins with the customer's
   number and WSGI_OWNER_MARK, unless the process is that customer's. Returns
   0, or -1 after logging that it is too long. */
static int make_name(const wsgi_request *request, const wsgi_settings *s,
                     char *name)
{
    char *end = name + KEY_SIZE, *to = name;

    *end = '\0';
    if (s->owner >= 0 && !wsgi_process_given.has_owner) {
        to = wsgi_naming_append_number(to, end, (unsigned long)s->owner);
        *to++ = WSGI_OWNER_MARK[0];
    }
    to = wsgi_naming_append(to, end, request, s);
    *to = '\0';
    if (is_for_main(s, name))
        snprintf(name, KEY_SIZE, "%s", WSGI_MAIN_INTERPRETER);
    if (to < end)
        return 0;
    wsgi_log(
        request, WSGI_ERROR,
        "MW0126: the interpreter's name, made of site and mod_wsgi.directory, "
        "is over %d bytes: set mod_wsgi.interpreter to a short one",
        KEY_SIZE);
    return -1;
}

/* ---- Visits ----------------------------------------------------------- */

static int is_asked_for(const wsgi_slot *slot, const wsgi_settings *settings,
                        const char *name)
{
    return strcmp(slot->interp->name, name) == 0 &&
           slot->interp->own_gil == settings->own_gil;
}

/* Finds a slot for a request among the thread's own, and counts the visit. */
static wsgi_slot *find_slot(wsgi_thread *self, const wsgi_settings *settings,
                            const char *name)
{
    wsgi_slot *slot = self->slots;
    unsigned long long hash = 0;

    if (settings->interpreters > 1)
        return NULL; /* the registry chooses */
    if (slot != NULL && slot->next == NULL)
        hash = slot->hash; /* comparing the only name is cheaper */
    else if (slot != NULL)
        hash = wsgi_thread_hash(name);
    while (slot != NULL &&
           (slot->hash != hash || !is_asked_for(slot, settings, name) ||
            !wsgi_interp_hold(slot->interp)))
        slot = slot->next;
    return slot;
}

static wsgi_slot *slot_for(wsgi_thread *self, const wsgi_request *request,
                           const wsgi_settings *settings, int *status)
{
    char name[KEY_SIZE + 1];
    wsgi_interp *interp;
    wsgi_slot *slot;

    if (make_name(request, settings, name) < 0)
        return NULL;
    slot = find_slot(self, settings, name);
    if (slot != NULL)
        return slot;
    wsgi_thread_drop_retired(self);
    if (wsgi_runtime_start(request) < 0)
        return NULL;
    interp = wsgi_registry_find(request, settings, name, status);
    if (interp == NULL)
        return NULL;
    slot = wsgi_thread_slot_in(self, interp);
    if (slot == NULL)
        wsgi_interp_release(interp);
    return slot;
}

/* Lets others run for a moment while they may hold the lock. Most visits are
   over then. A thread that waits in Python sleeps, and has to be woken, which
   costs two more switches between threads. Visits that have released the lock
   are counted here, too: they cost others a few microseconds. */
static void yield_to_others(void)
{
    int i;

    for (i = 0; i < MOST_YIELDS; i++) {
        if (wsgi_atomic_load(&sharing, WSGI_RELAXED) == 0)
            return;
        sched_yield();
    }
}

static int shares_lock(const wsgi_slot *slot)
{
    return !WSGI_FREE_THREADED && !slot->interp->own_gil;
}

/* Makes the thread's state in the slot's interpreter current. An outer visit
   keeps its state, which it will need again. */
static void attach(wsgi_thread *self, wsgi_slot *slot)
{
    if (self->visit == NULL) {
        wsgi_thread_make_way(self, slot);
        if (shares_lock(slot))
            yield_to_others();
    }
    wsgi_thread_enter_slot(slot);
    if (shares_lock(slot))
        wsgi_atomic_add(&sharing, 1, WSGI_RELAXED);
    self->last = slot;
}

static void move_buffer(wsgi_buffer *to, wsgi_buffer *from)
{
    *to = *from;
    wsgi_buffer_trim(to);
    memset(from, 0, sizeof *from);
}

int wsgi_visit_enter(wsgi_visit *visit, const wsgi_request *request,
                     const wsgi_settings *settings)
{
    wsgi_thread *self = wsgi_thread_self();
    int status = 500;

    if (self == NULL)
        return status;
    self->under_way = 1;
    visit->slot = slot_for(self, request, settings, &status);
    if (visit->slot == NULL) {
        self->under_way = self->visit != NULL;
        return status;
    }
    wsgi_turns_try(visit->slot->interp);
    wsgi_turns_want();
    visit->shown = wsgi_states_shown();
    attach(self, visit->slot);
    visit->request = request;
    visit->status = 500;
    visit->lines = NULL;
    visit->outer = self->visit;
    self->visit = visit;
    move_buffer(&visit->head, &self->head);
    move_buffer(&visit->body, &self->body);
    return 0;
}

/* Drops the state of an inner visit, unless an outer visit uses it. Otherwise
   a later visit to that interpreter would find the outer visit's state by
   PyGILState_Ensure. */
static void go_back(wsgi_thread *self, wsgi_visit *visit)
{
    const wsgi_visit *outer = visit->outer;

    while (outer != NULL && outer->slot != visit->slot)
        outer = outer->outer;
    if (outer == NULL)
        wsgi_thread_drop_state(visit->slot);
    self->last = visit->outer->slot;
}

/* Leaves the visit's slot. The thread's visit is the outer one now. */
static void step_out(wsgi_thread *self, wsgi_visit *visit)
{
    self->visit = visit->outer;
    if (shares_lock(visit->slot))
        wsgi_atomic_sub(&sharing, 1, WSGI_RELAXED);
    PyEval_SaveThread();
    if (visit->shown != NULL)
        wsgi_states_show(visit->shown);
    if (!wsgi_states_may_be_many() && visit->outer != NULL)
        go_back(self, visit);
}

void wsgi_visit_leave(wsgi_visit *visit)
{
    wsgi_thread *self = wsgi_thread_self();
    wsgi_interp *interp = visit->slot->interp;

    step_out(self, visit);
    wsgi_lines_end(&visit->lines, visit->request);
    wsgi_interp_release(interp);
    wsgi_thread_drop_retired(self);
}

void wsgi_visit_done(wsgi_visit *visit)
{
    wsgi_thread *self = wsgi_thread_self();

    free(self->head.data);
    free(self->body.data);
    move_buffer(&self->head, &visit->head);
    move_buffer(&self->body, &visit->body);
    self->under_way = self->visit != NULL;
}

int wsgi_visit_move(wsgi_visit *visit, wsgi_interp *interp)
{
    wsgi_thread *self = wsgi_thread_self();
    wsgi_interp *left = visit->slot->interp;
    wsgi_slot *slot;

    if (!wsgi_interp_hold(interp))
        return -1;
    slot = wsgi_thread_slot_in(self, interp);
    if (slot == NULL) {
        wsgi_interp_release(interp);
        return -1;
    }
    step_out(self, visit);
    wsgi_turns_want();
    attach(self, slot);
    self->visit = visit;
    visit->slot = slot;
    wsgi_interp_release(left);
    return 0;
}
