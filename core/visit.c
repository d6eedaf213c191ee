/*
 * visit.c - threads of the server, and their stays in interpreters.
 *
 * A thread keeps a slot for each interpreter it has visited: its thread state
 * there, so that thread-locals live from request to request, and the cache of
 * environ.c. A slot is used by its thread only, so the way in takes no lock
 * but the interpreter's own. Only the thread itself may end its states:
 * Python remembers them in a place that no other thread can reach.
 */
#include <signal.h>

#include "core.h"

#define KEY_SIZE 1024

/* What one thread of the server keeps. */
typedef struct thread {
    wsgi_slot *slots;
    wsgi_slot *last;                 /* the one that was entered last */
    wsgi_visit *visit;               /* the innermost one now, or NULL */
    volatile sig_atomic_t under_way; /* a visit is, or is about to be */
    unsigned long retirements;       /* those that its slots know of */
    unsigned long number;            /* its own, from 1 on */
    wsgi_line *lines;                /* unfinished ones, outside of visits */
    wsgi_buffer head, body;
} thread;

static pthread_key_t thread_key;
static pthread_once_t thread_once = PTHREAD_ONCE_INIT;

/* ---- The interpreter's name ------------------------------------------- */

static char *append(char *to, const char *end, const char *text)
{
    while (to < end && *text != '\0')
        *to++ = *text++;
    return to;
}

static char *append_number(char *to, const char *end, unsigned long number)
{
    char digits[24];
    size_t i = sizeof digits;

    digits[--i] = '\0';
    do
        digits[--i] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    return append(to, end, digits + i);
}

/* The directory part of a path, for a file that is an application. */
static char *append_directory(char *to, const char *end, const char *file)
{
    const char *slash = strrchr(file, '/');
    char *begin = to;

    to = append(to, end, file);
    if (slash != NULL && to - begin > slash - file)
        to = begin + (slash - file);
    return to;
}

/* SERVER_NAME:PORT|directory. */
static char *append_default(char *to, const char *end,
                            const wsgi_request *request,
                            const wsgi_settings *s)
{
    to = append(to, end, request->site_name);
    to = append(to, end, ":");
    to = append_number(to, end, request->site_port);
    to = append(to, end, "|");
    if (s->directory != NULL)
        return append(to, end, s->directory);
    return s->application != NULL
               ? to
               : append_directory(to, end, request->filename);
}

/* The name in the registry. A customer's begins with the customer's number
   and a character that no setting can have. -1 if it is too long. */
static int make_name(const wsgi_request *request, const wsgi_settings *s,
                     char *name)
{
    const char *end = name + KEY_SIZE;
    char *to = name;

    if (s->owner >= 0) {
        to = append_number(to, end, (unsigned long)s->owner);
        to = append(to, end, WSGI_OWNER_MARK);
    }
    if (s->interpreter != NULL)
        to = append(to, end, s->interpreter);
    else
        to = append_default(to, end, request, s);
    *to = '\0';
    if (to < end)
        return 0;
    wsgi_log(request, WSGI_ERROR,
             "the interpreter's name, made of site and mod_wsgi.directory, is "
             "over %d bytes: set mod_wsgi.interpreter to a short one",
             KEY_SIZE);
    return -1;
}

/* ---- Slots ------------------------------------------------------------ */

static void enter_slot(wsgi_slot *slot)
{
    if (slot->state == NULL)
        slot->state = PyThreadState_New(slot->interp->state);
    PyEval_RestoreThread(slot->state);
}

/* Leaves a slot that was entered, and ends its thread state. */
static void leave_for_good(wsgi_slot *slot)
{
    PyThreadState_Clear(slot->state);
    PyThreadState_DeleteCurrent();
    slot->state = NULL;
}

/* Ends a slot's thread state; the thread holds no lock. */
static void drop_state(wsgi_slot *slot)
{
    if (slot->state == NULL)
        return;
    enter_slot(slot);
    leave_for_good(slot);
}

/* Where a thread may have one state only: ends that of another slot. */
static void make_way(thread *self, const wsgi_slot *slot)
{
    if (WSGI_ONE_STATE_PER_THREAD && self->last != NULL && self->last != slot)
        drop_state(self->last);
}

/* Takes a slot out of the thread's list and ends it. */
static void drop_slot(thread *self, wsgi_slot *slot)
{
    wsgi_slot **place = &self->slots;

    make_way(self, slot);
    enter_slot(slot);
    wsgi_environ_free(slot->environ);
    leave_for_good(slot);
    while (*place != slot)
        place = &(*place)->next;
    *place = slot->next;
    if (self->last == slot)
        self->last = NULL;
    __atomic_sub_fetch(&slot->interp->slots, 1, __ATOMIC_ACQ_REL);
    free(slot);
}

/* Ends the slots in interpreters that are retired: they wait for that. */
static void drop_retired(thread *self)
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

static wsgi_slot *add_slot(thread *self, wsgi_interp *interp)
{
    wsgi_slot *slot = calloc(1, sizeof *slot);

    if (slot != NULL) {
        slot->interp = interp;
        slot->next = self->slots;
        self->slots = slot;
        __atomic_add_fetch(&interp->slots, 1, __ATOMIC_ACQ_REL);
    }
    return slot;
}

static wsgi_slot *slot_in(thread *self, wsgi_interp *interp)
{
    wsgi_slot *slot = self->slots;

    while (slot != NULL && slot->interp != interp)
        slot = slot->next;
    return slot != NULL ? slot : add_slot(self, interp);
}

/* ---- Threads ---------------------------------------------------------- */

/* A thread of the server ends. */
static void end_thread(void *arg)
{
    thread *self = arg;

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

static thread *make_thread(void)
{
    static unsigned long count;
    thread *self = calloc(1, sizeof *self);

    if (self == NULL)
        return NULL;
    self->number = __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED);
    pthread_setspecific(thread_key, self);
    return self;
}

static thread *this_thread(void)
{
    thread *self;

    pthread_once(&thread_once, make_thread_key);
    self = pthread_getspecific(thread_key);
    return self != NULL ? self : make_thread();
}

/* ---- Visits ----------------------------------------------------------- */

/* The slot for a request without looking further than the thread's own; the
   visit is counted. */
static wsgi_slot *find_slot(thread *self, const wsgi_settings *settings,
                            const char *name)
{
    wsgi_slot *slot = self->slots;

    if (settings->interpreters > 1)
        return NULL; /* the registry chooses */
    while (slot != NULL && (strcmp(slot->interp->name, name) != 0 ||
                            slot->interp->own_gil != settings->own_gil ||
                            !wsgi_interp_hold(slot->interp)))
        slot = slot->next;
    return slot;
}

static wsgi_slot *slot_for(thread *self, const wsgi_request *request,
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
    drop_retired(self);
    if (wsgi_runtime_start(request) < 0)
        return NULL;
    interp = wsgi_interp_find(request, settings, name, status);
    if (interp == NULL)
        return NULL;
    slot = slot_in(self, interp);
    if (slot == NULL)
        wsgi_interp_release(interp);
    return slot;
}

/* Makes the thread's state in the slot's interpreter the current one. An
   outer visit needs its state again, so that one stays. */
static void attach(thread *self, wsgi_slot *slot)
{
    if (self->visit == NULL)
        make_way(self, slot);
    enter_slot(slot);
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
    thread *self = this_thread();
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

/* An inner visit's state must not stay beside that of an outer one: the outer
   one's would be what PyGILState_Ensure finds later. */
static void go_back(thread *self, wsgi_visit *visit)
{
    const wsgi_visit *outer = visit->outer;

    while (outer != NULL && outer->slot != visit->slot)
        outer = outer->outer;
    if (outer == NULL)
        drop_state(visit->slot);
    self->last = visit->outer->slot;
}

/* Leaves the visit's slot: to the thread the outer visit is the one now. */
static void step_out(thread *self, wsgi_visit *visit)
{
    self->visit = visit->outer;
    PyEval_SaveThread();
    if (WSGI_ONE_STATE_PER_THREAD && visit->outer != NULL)
        go_back(self, visit);
}

void wsgi_visit_leave(wsgi_visit *visit)
{
    thread *self = this_thread();
    wsgi_interp *interp = visit->slot->interp;

    step_out(self, visit);
    wsgi_lines_end(&visit->lines, visit->request);
    wsgi_interp_release(interp);
    drop_retired(self);
}

void wsgi_visit_done(wsgi_visit *visit)
{
    thread *self = this_thread();

    free(self->head.data);
    free(self->body.data);
    move_buffer(&self->head, &visit->head);
    move_buffer(&self->body, &visit->body);
    self->under_way = self->visit != NULL;
}

int wsgi_visit_move(wsgi_visit *visit, wsgi_interp *interp)
{
    thread *self = this_thread();
    wsgi_interp *left = visit->slot->interp;
    wsgi_slot *slot;

    if (!wsgi_interp_hold(interp))
        return -1;
    slot = slot_in(self, interp);
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

int wsgi_visit_is_under_way(void)
{
    const thread *self = pthread_getspecific(thread_key);

    return self != NULL && self->under_way;
}

int wsgi_visit_has_lock(void)
{
    const thread *self = pthread_getspecific(thread_key);
    const PyThreadState *current = wsgi_current_state();
    const wsgi_slot *slot = self != NULL ? self->slots : NULL;

    if (current == NULL)
        return 0;
    while (slot != NULL && slot->state != current)
        slot = slot->next;
    return slot != NULL;
}

const wsgi_request *wsgi_visit_request(void)
{
    thread *self = this_thread();

    return self != NULL && self->visit != NULL ? self->visit->request : NULL;
}

int wsgi_visit_lines(wsgi_lines *lines)
{
    thread *self = this_thread();
    wsgi_visit *visit = self != NULL ? self->visit : NULL;

    if (self == NULL)
        return -1;
    lines->first = visit != NULL ? &visit->lines : &self->lines;
    lines->request = visit != NULL ? visit->request : NULL;
    return 0;
}

unsigned long wsgi_visit_thread(void)
{
    const thread *self = this_thread();

    return self != NULL ? self->number : 0;
}
