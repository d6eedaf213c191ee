/*
 * interp.c - the registry of named interpreters, and how threads visit them.
 *
 * Interpreters are made by the Python thread (runtime.c) and visited by the
 * server's request threads. A thread keeps a slot for each interpreter it has
 * visited: its thread state there, so that thread-locals live from request to
 * request, and the caches of environ.c. A slot is used by its thread only, so
 * the way in takes no lock but the interpreter's own.
 */
#include "core.h"

#define MAIN_NAME "main_interpreter"
#define MAX_VARIABLE "MOD_WSGI_MAX_INTERPRETERS"
#define MAX_DEFAULT 64
#define NAME_SIZE 1024

/* What one thread of the server keeps. */
typedef struct thread {
    wsgi_slot *slots;
    wsgi_slot *last;   /* the one that was entered last */
    wsgi_visit *visit; /* the innermost one now, or NULL */
    wsgi_buffer head, body;
} thread;

static pthread_mutex_t registry = PTHREAD_MUTEX_INITIALIZER;
static wsgi_interp *interps;
static int interp_count;
static pthread_key_t thread_key;
static pthread_once_t thread_once = PTHREAD_ONCE_INIT;

/* ---- The name --------------------------------------------------------- */

static char *append(char *to, const char *end, const char *text)
{
    while (to < end && *text != '\0')
        *to++ = *text++;
    return to;
}

static char *append_number(char *to, const char *end, unsigned number)
{
    char digits[16];
    int i = sizeof digits;

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

/* Stores the interpreter's name for a request: what is set, or
   SERVER_NAME:PORT|directory. -1 if it is too long. */
static int make_name(const wsgi_request *request, const wsgi_settings *s,
                     char *name)
{
    const char *end = name + NAME_SIZE;
    char *to = name;

    if (s->interpreter != NULL) {
        to = append(to, end, s->interpreter);
    } else {
        to = append(to, end, request->site_name);
        to = append(to, end, ":");
        to = append_number(to, end, request->site_port);
        to = append(to, end, "|");
        if (s->directory != NULL)
            to = append(to, end, s->directory);
        else if (s->application == NULL)
            to = append_directory(to, end, request->filename);
    }
    if (to == end)
        return -1;
    *to = '\0';
    return 0;
}

/* ---- Making ----------------------------------------------------------- */

static int make_types(wsgi_interp *interp)
{
    interp->call_type = wsgi_call_type();
    interp->input_type = wsgi_input_type();
    interp->errors_type = wsgi_errors_type();
    interp->wrapper_type = wsgi_file_wrapper_type();
    return interp->call_type != NULL && interp->input_type != NULL &&
                   interp->errors_type != NULL && interp->wrapper_type != NULL
               ? 0
               : -1;
}

static PyObject *intern(const char *text)
{
    PyObject *name = wsgi_native(text, strlen(text));

    if (name != NULL)
        wsgi_native_intern(&name);
    return name;
}

/* Gives a new interpreter what requests need there. threading must be
   imported where its "main thread" lives as long as the interpreter. */
static int prepare(wsgi_interp *interp)
{
    PyObject *threading = PyImport_ImportModule("threading");

    if (threading == NULL)
        return -1;
    Py_DECREF(threading);
    interp->input_key = intern("wsgi.input");
    interp->errors_key = intern("wsgi.errors");
    interp->paths = PyList_New(0);
    if (interp->input_key == NULL || interp->errors_key == NULL ||
        interp->paths == NULL || make_types(interp) < 0 ||
        wsgi_errors_install(interp) < 0)
        return -1;
    interp->constants = wsgi_environ_constants(interp);
    return interp->constants != NULL ? 0 : -1;
}

typedef struct making {
    const wsgi_request *request;
    wsgi_interp *interp;
    int result;
} making;

static void prepare_or_report(making *m)
{
    m->result = prepare(m->interp);
    if (m->result < 0)
        wsgi_errors_report(m->request, "an interpreter can't be prepared");
}

/* On the Python thread, with the main interpreter's state current. */
static void make_own(void *arg)
{
    making *m = arg;
    PyThreadState *main_state = PyThreadState_Get();
    char why[256];

    m->result = -1;
    if (strcmp(m->interp->name, MAIN_NAME) == 0)
        m->interp->birth = main_state;
    else
        m->interp->birth = wsgi_python_new_interp(0, why, sizeof why);
    if (m->interp->birth == NULL) {
        wsgi_log(m->request, WSGI_ERROR,
                 "the interpreter '%s' can't be made: %s", m->interp->name,
                 why);
        return;
    }
    m->interp->state = PyThreadState_GetInterpreter(m->interp->birth);
    prepare_or_report(m);
    if (m->interp->birth != main_state) {
        PyEval_SaveThread();
        PyEval_RestoreThread(main_state);
    }
}

/* An interpreter that another module owns, prepared in passing. */
static void make_foreign(making *m)
{
    PyThreadState *state;

    m->result = -1;
    m->interp->state = wsgi_runtime_process.find_interp(m->interp->name);
    if (m->interp->state == NULL)
        return;
    state = PyThreadState_New(m->interp->state);
    PyEval_AcquireThread(state);
    prepare_or_report(m);
    PyThreadState_Clear(state);
    PyThreadState_DeleteCurrent();
}

static wsgi_interp *make(const wsgi_request *request, const char *name)
{
    wsgi_interp *interp = calloc(1, sizeof *interp);
    making m = {.request = request, .interp = interp};

    if (interp == NULL || (interp->name = strdup(name)) == NULL) {
        wsgi_log(request, WSGI_ERROR, "out of memory");
        free(interp);
        return NULL;
    }
    pthread_mutex_init(&interp->loading, NULL);
    if (wsgi_runtime_process.find_interp != NULL)
        make_foreign(&m);
    else
        wsgi_runtime_run(make_own, &m);
    /* One that could not be prepared stays out of the registry, and is not
       freed: Python may hold pointers into it. */
    return m.result == 0 ? interp : NULL;
}

/* ---- The registry ----------------------------------------------------- */

static int most_interps(const wsgi_request *request)
{
    const char *value = getenv(MAX_VARIABLE);
    char *end;
    long number;

    if (value == NULL)
        return MAX_DEFAULT;
    number = strtol(value, &end, 10);
    if (*value != '\0' && *end == '\0' && number >= 1 && number <= 10000)
        return (int)number;
    wsgi_log(request, WSGI_WARNING,
             MAX_VARIABLE " '%s' is not a number from 1 to 10000: %d is used",
             value, MAX_DEFAULT);
    return MAX_DEFAULT;
}

static wsgi_interp *find(const char *name)
{
    wsgi_interp *interp = interps;

    while (interp != NULL && strcmp(interp->name, name) != 0)
        interp = interp->next;
    return interp;
}

static wsgi_interp *add(const wsgi_request *request, const char *name,
                        int *status)
{
    wsgi_interp *interp;

    if (interp_count >= most_interps(request)) {
        wsgi_log(request, WSGI_ERROR,
                 "no interpreter '%s': this process has %d already, the most "
                 "that " MAX_VARIABLE " allows; set that in the server's "
                 "environment, or mod_wsgi.interpreter to share one",
                 name, interp_count);
        *status = 503;
        return NULL;
    }
    interp = make(request, name);
    if (interp != NULL) {
        interp->next = interps;
        interps = interp;
        interp_count++;
    }
    return interp;
}

static wsgi_interp *find_or_add(const wsgi_request *request, const char *name,
                                int *status)
{
    wsgi_interp *interp;

    pthread_mutex_lock(&registry);
    interp = find(name);
    if (interp == NULL)
        interp = add(request, name, status);
    pthread_mutex_unlock(&registry);
    return interp;
}

/* ---- Threads and their slots ------------------------------------------ */

/* Ends a slot's thread state; the thread holds no lock. */
static void drop_state(wsgi_slot *slot)
{
    if (slot->state == NULL)
        return;
    PyEval_AcquireThread(slot->state);
    PyThreadState_Clear(slot->state);
    PyThreadState_DeleteCurrent();
    slot->state = NULL;
}

/* A thread of the server ends. */
static void end_thread(void *arg)
{
    thread *self = arg;
    wsgi_slot *slot;

    while ((slot = self->slots) != NULL) {
        self->slots = slot->next;
        if (slot->state == NULL)
            slot->state = PyThreadState_New(slot->interp->state);
        PyEval_AcquireThread(slot->state);
        wsgi_environ_free(slot->environ);
        PyEval_SaveThread();
        drop_state(slot);
        free(slot);
    }
    free(self->head.data);
    free(self->body.data);
    free(self);
}

static void make_thread_key(void)
{
    pthread_key_create(&thread_key, end_thread);
}

static thread *this_thread(void)
{
    thread *self;

    pthread_once(&thread_once, make_thread_key);
    self = pthread_getspecific(thread_key);
    if (self == NULL && (self = calloc(1, sizeof *self)) != NULL)
        pthread_setspecific(thread_key, self);
    return self;
}

static wsgi_slot *find_slot(thread *self, const char *name)
{
    wsgi_slot *slot = self->slots;

    while (slot != NULL && strcmp(slot->interp->name, name) != 0)
        slot = slot->next;
    return slot;
}

static wsgi_slot *add_slot(thread *self, wsgi_interp *interp)
{
    wsgi_slot *slot = calloc(1, sizeof *slot);

    if (slot != NULL) {
        slot->interp = interp;
        slot->next = self->slots;
        self->slots = slot;
    }
    return slot;
}

static wsgi_slot *slot_for(const wsgi_request *request,
                           const wsgi_settings *settings, thread *self,
                           int *status)
{
    char name[NAME_SIZE + 1];
    wsgi_interp *interp;
    wsgi_slot *slot;

    if (make_name(request, settings, name) < 0) {
        wsgi_log(request, WSGI_ERROR,
                 "the interpreter's name, made of site and "
                 "mod_wsgi.directory, is over %d bytes: set "
                 "mod_wsgi.interpreter to a short one",
                 NAME_SIZE);
        return NULL;
    }
    slot = find_slot(self, name);
    if (slot != NULL)
        return slot;
    if (wsgi_runtime_start(request) < 0)
        return NULL;
    interp = find_or_add(request, name, status);
    return interp != NULL ? add_slot(self, interp) : NULL;
}

/* Makes the thread's state in the slot's interpreter the current one. */
static void attach(thread *self, wsgi_slot *slot)
{
    if (WSGI_ONE_STATE_PER_THREAD && self->visit == NULL &&
        self->last != NULL && self->last != slot)
        drop_state(self->last);
    if (slot->state == NULL)
        slot->state = PyThreadState_New(slot->interp->state);
    PyEval_RestoreThread(slot->state);
    self->last = slot;
}

static void move_buffer(wsgi_buffer *to, wsgi_buffer *from)
{
    *to = *from;
    to->size = 0;
    memset(from, 0, sizeof *from);
}

int wsgi_interp_enter(wsgi_visit *visit, const wsgi_request *request,
                      const wsgi_settings *settings)
{
    thread *self = this_thread();
    int status = 500;

    visit->slot =
        self != NULL ? slot_for(request, settings, self, &status) : NULL;
    if (visit->slot == NULL)
        return status;
    attach(self, visit->slot);
    visit->request = request;
    visit->outer = self->visit;
    self->visit = visit;
    move_buffer(&visit->head, &self->head);
    move_buffer(&visit->body, &self->body);
    return 0;
}

void wsgi_interp_leave(wsgi_visit *visit)
{
    this_thread()->visit = visit->outer;
    PyEval_SaveThread();
}

void wsgi_interp_done(wsgi_visit *visit)
{
    thread *self = this_thread();

    free(self->head.data);
    free(self->body.data);
    move_buffer(&self->head, &visit->head);
    move_buffer(&self->body, &visit->body);
}

const wsgi_request *wsgi_interp_request(void)
{
    thread *self = this_thread();

    return self != NULL && self->visit != NULL ? self->visit->request : NULL;
}

/* ---- Ending ----------------------------------------------------------- */

/* Calls module.function() if the module was imported. */
static void call_if_imported(const char *module, const char *function)
{
    PyObject *modules = PyImport_GetModuleDict();
    PyObject *found = PyDict_GetItemString(modules, module);
    PyObject *result;

    if (found == NULL)
        return;
    result = PyObject_CallMethod(found, (char *)function, NULL);
    if (result == NULL)
        wsgi_errors_report(NULL, "a function registered for the end failed");
    Py_XDECREF(result);
}

static void end_interp(void)
{
    call_if_imported("threading", "_shutdown");
    call_if_imported("atexit", "_run_exitfuncs");
    PyErr_Clear();
}

void wsgi_interp_end_all(void)
{
    PyThreadState *main_state = PyThreadState_Get();
    wsgi_interp *interp;

    for (interp = interps; interp != NULL; interp = interp->next) {
        if (interp->birth == NULL || interp->birth == main_state)
            continue;
        PyEval_SaveThread();
        PyEval_RestoreThread(interp->birth);
        end_interp();
        PyEval_SaveThread();
        PyEval_RestoreThread(main_state);
    }
    end_interp();
}
