/*
 * interp.c - the registry of named interpreters.
 *
 * Interpreters are made by the Python thread (runtime.c) when a request asks
 * for the first time, and stay until the process ends, unless reload.c
 * replaces one. Several of one name are a pool: requests go to the least busy.
 */
#include "core.h"

static pthread_mutex_t registry = PTHREAD_MUTEX_INITIALIZER;
static wsgi_interp *interps;
static unsigned long retirements;

/* Interpreters in this process's memory: those of the registry, those that
   are being made, and the retired ones that have not ended. Atomic. */
static int in_memory;

/* ---- Making ----------------------------------------------------------- */

static int make_types(wsgi_interp *interp)
{
    interp->call_type = wsgi_call_type();
    interp->input_type = wsgi_input_type();
    interp->text_type = wsgi_streams_text_type();
    interp->binary_type = wsgi_streams_binary_type();
    interp->wrapper_type = wsgi_file_wrapper_type();
    return interp->call_type != NULL && interp->input_type != NULL &&
                   interp->text_type != NULL && interp->binary_type != NULL &&
                   interp->wrapper_type != NULL
               ? 0
               : -1;
}

/* sys.argv is ['mod_wsgi']; some Pythons set it in the first interpreter
   only. */
static int set_argv(void)
{
    PyObject *argv = Py_BuildValue("[s]", "mod_wsgi");
    int result = -1;

    if (argv != NULL)
        result = PySys_SetObject((char *)"argv", argv);
    Py_XDECREF(argv);
    return result;
}

/* What of an interpreter's modules is the process's: not for us to change
   where another module owns it. */
static int prepare_modules(wsgi_interp *interp)
{
    /* The first has its "main thread" here, which lives as long as the
       interpreter; Python 2 lists the second in its first interpreter only. */
    static const char *const names[] = {"threading", WSGI_EXCEPTIONS};
    PyObject *codec;
    size_t i;

    for (i = 0; i < sizeof names / sizeof *names; i++) {
        PyObject *module = PyImport_ImportModule(names[i]);

        if (module == NULL)
            return -1;
        Py_DECREF(module);
    }
    /* Codecs, too: in Python 2 the first two threads to want one disturb each
       other. */
    codec = PyCodec_Encoder("ascii");
    if (codec == NULL)
        return -1;
    Py_DECREF(codec);
    if (!wsgi_process_is_shared() && wsgi_osenviron_install(interp) < 0)
        return -1;
    if (wsgi_fork_watch(interp) < 0 || wsgi_programs_install(interp) < 0)
        return -1;
    if (wsgi_process_is_shared())
        return 0;
    return set_argv() == 0 && wsgi_children_install(interp) == 0 &&
                   wsgi_streams_install(interp) == 0 &&
                   wsgi_faults_install() == 0
               ? wsgi_signals_ignore()
               : -1;
}

/* Gives a new interpreter what requests need there. Nothing but Python's own
   library has run in it. Site comes last (path.c): what the code of .pth files
   starts has all this, too. */
static int prepare(wsgi_interp *interp)
{
    interp->input_key = wsgi_native_name("wsgi.input");
    interp->errors_key = wsgi_native_name("wsgi.errors");
    interp->paths = PyList_New(0);
    if (interp->input_key == NULL || interp->errors_key == NULL ||
        interp->paths == NULL || make_types(interp) < 0 ||
        prepare_modules(interp) < 0)
        return -1;
    interp->constants = wsgi_environ_constants(interp);
    return interp->constants != NULL ? 0 : -1;
}

typedef struct making {
    const wsgi_request *request;
    wsgi_interp *interp;
    int result;
} making;

/* A customer's files are guarded before the first of them can be imported,
   which is by site. */
static void prepare_or_report(making *m)
{
    m->result = wsgi_imports_guard(m->interp);
    if (m->result == 0)
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
    if (strcmp(m->interp->name, WSGI_MAIN_INTERPRETER) == 0)
        m->interp->first_state = main_state;
    else
        m->interp->first_state =
            wsgi_python_new_interp(m->interp->own_gil, why, sizeof why);
    if (m->interp->first_state == NULL) {
        wsgi_log(m->request, WSGI_ERROR,
                 "the interpreter '%s' can't be made: %s", m->interp->shown,
                 why);
        return;
    }
    m->interp->state = PyThreadState_GetInterpreter(m->interp->first_state);
    prepare_or_report(m);
    if (m->result == 0)
        wsgi_turns_begin(m->interp);
    if (m->interp->first_state != main_state) {
        PyEval_SaveThread();
        PyEval_RestoreThread(main_state);
    }
}

/* On the Python thread: an interpreter that another module owns. The state it
   comes with is kept, since some Pythons can't make one where there is none.
 */
static void make_foreign(void *arg)
{
    making *m = arg;

    m->result = -1;
    m->interp->state = wsgi_process_given.find_interp(m->interp->name);
    if (m->interp->state == NULL)
        return;
    m->interp->first_state = PyThreadState_Get();
    prepare_or_report(m);
    PyEval_SaveThread();
}

/* A name without its owner. */
static const char *shown_part(const char *name)
{
    const char *mark = strstr(name, WSGI_OWNER_MARK);

    return mark != NULL ? mark + strlen(WSGI_OWNER_MARK) : name;
}

/* What could be made, but not prepared, ends as a retired one does. */
static void give_up(wsgi_interp *interp)
{
    if (interp->first_state != NULL && !wsgi_process_is_shared() &&
        strcmp(interp->name, WSGI_MAIN_INTERPRETER) != 0)
        wsgi_interp_retire(interp);
    else
        wsgi_interp_forget_one();
}

/* A new interpreter, not in the registry yet, or NULL after logging. The
   caller has taken its place (take_place). One that can't be prepared is not
   freed: Python may hold pointers into it. */
static wsgi_interp *make(const wsgi_request *request,
                         const wsgi_settings *settings, const char *name,
                         int is_pooled)
{
    wsgi_interp *interp = calloc(1, sizeof *interp);
    making m = {.request = request, .interp = interp};

    if (interp == NULL || (interp->name = strdup(name)) == NULL) {
        wsgi_log(request, WSGI_ERROR, "out of memory");
        free(interp);
        wsgi_interp_forget_one();
        return NULL;
    }
    interp->shown = shown_part(interp->name);
    interp->owner =
        interp->shown != interp->name ? strtol(interp->name, NULL, 10) : -1;
    clock_gettime(CLOCK_REALTIME_COARSE, &interp->born);
    interp->own_gil = settings->own_gil;
    interp->is_pooled = is_pooled;
    interp->needs_site = !wsgi_process_is_shared();
    pthread_mutex_init(&interp->loading, NULL);
    wsgi_jobs_run(wsgi_process_is_shared() ? make_foreign : make_own, &m);
    if (m.result == 0) {
        wsgi_version_tell(request, settings, interp);
        return interp;
    }
    give_up(interp);
    return NULL;
}

/* ---- Visits ----------------------------------------------------------- */

int wsgi_interp_is_retired(const wsgi_interp *interp)
{
    return wsgi_gate_is_closed(&interp->visits);
}

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
        wsgi_ending_add(interp);
}

int wsgi_interp_is_anyone_inside(void)
{
    wsgi_interp *interp = __atomic_load_n(&interps, __ATOMIC_ACQUIRE);

    while (interp != NULL && wsgi_gate_count(&interp->visits) == 0)
        interp = __atomic_load_n(&interp->next, __ATOMIC_ACQUIRE);
    return interp != NULL;
}

unsigned long wsgi_interp_retirements(void)
{
    return __atomic_load_n(&retirements, __ATOMIC_ACQUIRE);
}

void wsgi_interp_retire(wsgi_interp *interp)
{
    int is_empty = wsgi_gate_close(&interp->visits);

    /* After the gate: who sees this number must see that it is closed. */
    __atomic_add_fetch(&retirements, 1, __ATOMIC_ACQ_REL);
    if (is_empty)
        wsgi_ending_add(interp);
}

/* ---- The registry ----------------------------------------------------- */

static long most(void)
{
    return wsgi_settings_of_process()->max_interpreters;
}

/* Counts an interpreter that is to be made; 0 when there is no room for it.
   The Python thread then looks whether any retired one can end. */
static int take_place(void)
{
    if (__atomic_add_fetch(&in_memory, 1, __ATOMIC_ACQ_REL) <= most())
        return 1;
    wsgi_interp_forget_one();
    wsgi_jobs_wake();
    return 0;
}

void wsgi_interp_forget_one(void)
{
    __atomic_sub_fetch(&in_memory, 1, __ATOMIC_ACQ_REL);
}

/* Whether a pool of count interpreters may grow; its place is taken then. Says
   once if not. One that is smaller than it should be serves all the same. */
static int take_place_in_pool(const wsgi_request *request,
                              const wsgi_settings *settings, long count)
{
    static int told;

    if (take_place())
        return 1;
    if (!told)
        wsgi_log(
            request, WSGI_WARNING,
            "mod_wsgi.interpreters '%ld' can't be had: there are %ld, and "
            "this process has the most that " WSGI_MAX_INTERPRETERS
            " allows, %ld; set that in the server's environment",
            settings->interpreters, count, most());
    told = 1;
    return 0;
}

/* The same for the first interpreter of a name. */
static int take_first_place(const wsgi_request *request, const char *name)
{
    if (take_place())
        return 1;
    wsgi_log(request, WSGI_ERROR,
             "no interpreter '%s': this process has %ld already (those that "
             "were replaced and have not ended count), the most "
             "that " WSGI_MAX_INTERPRETERS
             " allows; set that in the server's environment, or "
             "mod_wsgi.interpreter to share one",
             shown_part(name), most());
    return 0;
}

/* Makes an interpreter, whose place is taken, and adds it to the registry. */
static wsgi_interp *add(const wsgi_request *request,
                        const wsgi_settings *settings, const char *name)
{
    wsgi_interp *interp =
        make(request, settings, name, settings->interpreters > 1);

    if (interp != NULL) {
        interp->next = interps;
        __atomic_store_n(&interps, interp, __ATOMIC_RELEASE);
    }
    return interp;
}

/* The least busy interpreter of a name; counts how many there are. */
static wsgi_interp *least_busy(const char *name, long *count)
{
    wsgi_interp *interp, *best = NULL;

    *count = 0;
    for (interp = interps; interp != NULL; interp = interp->next) {
        if (strcmp(interp->name, name) != 0)
            continue;
        ++*count;
        if (best == NULL ||
            wsgi_gate_count(&interp->visits) < wsgi_gate_count(&best->visits))
            best = interp;
    }
    return best;
}

/* What contradicts another application's settings for the interpreter. */
static int is_agreed(const wsgi_request *request,
                     const wsgi_settings *settings, const wsgi_interp *interp)
{
    if (interp->own_gil == settings->own_gil)
        return 1;
    wsgi_log(request, WSGI_ERROR,
             "mod_wsgi.gil '%s' can't be had: the interpreter '%s' was made "
             "with mod_wsgi.gil '%s'; give this application its own "
             "mod_wsgi.interpreter",
             settings->own_gil ? "own" : "shared", interp->shown,
             interp->own_gil ? "own" : "shared");
    return 0;
}

wsgi_interp *wsgi_interp_find(const wsgi_request *request,
                              const wsgi_settings *settings, const char *name,
                              int *status)
{
    wsgi_interp *interp, *another = NULL;
    long count;

    pthread_mutex_lock(&registry);
    interp = least_busy(name, &count);
    if (interp == NULL && !take_first_place(request, name))
        *status = 503;
    else if (interp == NULL)
        interp = add(request, settings, name);
    else if (wsgi_gate_count(&interp->visits) > 0 &&
             count < settings->interpreters &&
             take_place_in_pool(request, settings, count))
        another = add(request, settings, name);
    if (another != NULL)
        interp = another;
    /* What is in the registry is not retired, so it can be held. */
    if (interp != NULL &&
        (!is_agreed(request, settings, interp) || !wsgi_interp_hold(interp)))
        interp = NULL;
    pthread_mutex_unlock(&registry);
    return interp;
}

wsgi_interp *wsgi_interp_again(const wsgi_request *request,
                               const wsgi_settings *settings,
                               const wsgi_interp *interp, int *told)
{
    wsgi_settings same = *settings;

    same.own_gil = interp->own_gil;
    if (take_place()) {
        *told = 0;
        return make(request, &same, interp->name, interp->is_pooled);
    }
    if (!*told)
        wsgi_log(request, WSGI_WARNING,
                 "the application of the interpreter '%s' has changed, but is "
                 "not loaded anew before another interpreter has ended: this "
                 "process has %ld, those that were replaced and have not "
                 "ended among them, the most that " WSGI_MAX_INTERPRETERS
                 " allows",
                 interp->shown, most());
    *told = 1;
    return NULL;
}

void wsgi_interp_replace(wsgi_interp *old, wsgi_interp *fresh)
{
    wsgi_interp **place;

    pthread_mutex_lock(&registry);
    for (place = &interps; *place != old; place = &(*place)->next)
        ;
    fresh->next = old->next;
    __atomic_store_n(place, fresh, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&registry);
    wsgi_interp_retire(old);
}

/* ---- Looking into them ------------------------------------------------ */

typedef struct tour {
    void (*look)(const wsgi_interp *interp, void *arg);
    void *arg;
} tour;

/* On the Python thread, where interpreters end: the list stays as it is, but
   for what is added at its front. */
static void visit_each(void *arg)
{
    const tour *t = arg;
    wsgi_interp *interp = __atomic_load_n(&interps, __ATOMIC_ACQUIRE);
    PyThreadState *main_state = NULL;

    if (!wsgi_process_is_shared())
        main_state = PyEval_SaveThread();
    for (; interp != NULL;
         interp = __atomic_load_n(&interp->next, __ATOMIC_ACQUIRE)) {
        PyEval_RestoreThread(interp->first_state);
        t->look(interp, t->arg);
        PyEval_SaveThread();
    }
    if (main_state != NULL)
        PyEval_RestoreThread(main_state);
}

void wsgi_interp_visit_all(void (*look)(const wsgi_interp *interp, void *arg),
                           void *arg)
{
    tour t = {.look = look, .arg = arg};

    wsgi_jobs_run(visit_each, &t);
}

const PyInterpreterState *wsgi_interp_main(void)
{
    const wsgi_interp *interp = __atomic_load_n(&interps, __ATOMIC_ACQUIRE);

    while (interp != NULL && strcmp(interp->name, WSGI_MAIN_INTERPRETER) != 0)
        interp = __atomic_load_n(&interp->next, __ATOMIC_ACQUIRE);
    return interp != NULL ? interp->state : NULL;
}

/* ---- The end of the process ------------------------------------------- */

/* Without the registry's lock: a request that holds it may be waiting for the
   Python thread to make an interpreter, which it will not do any more. */
void wsgi_interp_end_all(void)
{
    wsgi_ending_all(__atomic_load_n(&interps, __ATOMIC_ACQUIRE));
}
